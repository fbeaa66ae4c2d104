"""A VM that cannot be joined fails alone: the other one, which has something to mend, is done to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import lab_state
import playbook_run
import pytest
import trouble
import verified
from kubernetes import client
from testinfra.host import Host

BOTH = Path(__file__).with_name("second_vm.yml")
FAILING = "deb-nginx02"
LOST = "/etc/dnsmasq.d/kubedns"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verify") / "rows.json"


@pytest.fixture(scope="module")
def done(vm: Host, playbook: Callable[..., CompletedProcess[str]], report: Path) -> Iterator[CompletedProcess[str]]:
    vm.check_output(f"rm {LOST}")
    with trouble.full_disk(FAILING):
        yield playbook("-i", str(BOTH), "site.yml", "-e", f"verify_report={report}")


def test_only_that_vm_fails(done: CompletedProcess[str]) -> None:
    assert done.returncode != 0
    failed = {host for host, count in playbook_run.failures(done.stdout).items() if count}
    assert failed == {FAILING}, done.stdout[-6000:]


def test_the_end_says_who_failed_and_what_to_run(done: CompletedProcess[str]) -> None:
    said = playbook_run.summary(done.stdout)
    assert f"1 of {len(lab_state.hosts('k8s_nodes')) + 3} hosts failed, the others are done" in said
    assert f"- {FAILING}: role dnsmasq: Install the packages without starting dnsmasq: " in said
    assert trouble.ARCHIVES in said
    assert f"ansible-playbook mesh.expansion.site -l {FAILING}" in said


def test_the_other_is_done_to_the_end(done: CompletedProcess[str], vm: Host, report: Path) -> None:
    assert vm.file(LOST).exists
    verified.require(report)


def test_the_failing_one_is_not_registered_and_as_before(
    done: CompletedProcess[str], core: client.CoreV1Api, spare_vm: Host
) -> None:
    assert f"Not registered, since they failed before: {FAILING}." in done.stdout
    assert FAILING not in {item.metadata.name for item in core.list_namespaced_endpoints("default").items}
    assert not spare_vm.package("dnsmasq").is_installed
    assert not spare_vm.file("/var/lib/mesh-expansion").exists
