"""A run that is cut, or a package that does not work: the old state comes back by itself, or the next run completes it.

Killed after three of the plan's operations; after each of them with MESH_EXPANSION_FAULTS=all.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import lab_state
import pytest
from testinfra.host import Host

CONVERGE = "molecule/istio_sidecar/converge.yml"
FOLDER = "/root/faults"
CUT_RUN = f"python3 {FOLDER}/cut_run.py"
PLACE = "/var/lib/mesh-expansion/istio_sidecar/guard"
BACK_WITHIN = 60.0
# Before the restart, in the middle of it, after it.
REPRESENTATIVE = (
    "write /var/lib/istio/envoy/sidecar.env",
    "restart istio-auth-node-agent.service",
    "restart istio.service",
)
Playbook = Callable[..., CompletedProcess[str]]


def look(host: Host) -> str:
    """Settings with their dates, and the packet filter without its counters."""
    return host.check_output(
        "cd /var/lib/istio/envoy && stat -c '%n %a %U:%G %y' *.env && cat *.env && iptables-save -t nat | "
        "grep ISTIO_ | sed 's/\\[.*\\]//'"
    )


def works(host: Host) -> bool:
    state = "curl -sS --max-time 2 http://127.0.0.1:15000/server_info"
    return "live" in host.run(state).stdout.lower()


def comes_back(host: Host, before: str) -> bool:
    """Wait for the guard; whether everything was as before in time."""
    end = time.monotonic() + BACK_WITHIN
    while time.monotonic() < end:
        if host.run(f"test -e {PLACE}/done").rc == 0:
            while not (look(host) == before and works(host)) and time.monotonic() < end:
                time.sleep(1)
            return look(host) == before
        time.sleep(1)
    return False


@pytest.fixture(scope="module")
def plan(spare_vm: Host, playbook: Playbook) -> Iterator[list[str]]:
    """The operations of a run that captures one more port."""
    (name,) = lab_state.hosts("vms_spare")
    utils = "ansible_collections/mesh/expansion/plugins/module_utils"
    archive = subprocess.run(
        ["tar", "--create", "--exclude=__pycache__", "-C", str(lab_state.ROOT / "plugins"), "module_utils"]
        + ["-C", str(lab_state.ROOT / "molecule/istio_sidecar"), "cut_run.py"],
        check=True,
        capture_output=True,
    ).stdout
    unpack = f"mkdir -p {FOLDER}/{utils} && cd {FOLDER} && tar x && rm -rf {utils} && mv module_utils {utils}"
    subprocess.run(["ssh", "-F", str(lab_state.ssh_config()), name, unpack], input=archive, check=True, timeout=60)
    written = playbook("molecule/istio_sidecar/options.yml")
    assert written.returncode == 0, written.stdout[-4000:]
    yield json.loads(spare_vm.check_output(f"{CUT_RUN} list {FOLDER}/options.json"))
    joined = playbook(CONVERGE)
    spare_vm.check_output(f"rm -r {FOLDER}")
    assert joined.returncode == 0, joined.stdout[-4000:]


def chosen(plan: list[str]) -> list[int]:
    if os.environ.get("MESH_EXPANSION_FAULTS") == "all":
        return list(range(1, len(plan) + 1))
    return [plan.index(text) + 1 for text in REPRESENTATIVE]


def kill_after(host: Host, number: int) -> None:
    assert host.run(f"{CUT_RUN} join {FOLDER}/options.json {number}").rc == 9


def test_killed_after_an_operation_the_old_state_comes_back(spare_vm: Host, plan: list[str]) -> None:
    before = look(spare_vm)
    numbers = chosen(plan)
    # All of them take the same time to wait for: the short form waits once, for the last.
    for number in numbers if len(numbers) > len(REPRESENTATIVE) else numbers[-1:]:
        kill_after(spare_vm, number)
        assert look(spare_vm) != before
        assert comes_back(spare_vm, before), f"after {plan[number - 1]}"


def test_killed_after_an_operation_the_next_run_completes_it(
    spare_vm: Host, plan: list[str], playbook: Playbook
) -> None:
    before = look(spare_vm)
    for number in chosen(plan):
        kill_after(spare_vm, number)
        done = playbook(CONVERGE)
        assert done.returncode == 0, f"after {plan[number - 1]}: {done.stdout[-4000:]}"
        assert look(spare_vm) == before, f"after {plan[number - 1]}"
        assert works(spare_vm)
        assert spare_vm.run(f"test -e {PLACE}").rc != 0


def package(folder: Path, version: str, postinst: str) -> Path:
    """A package of our name that holds nothing."""
    control = folder / version / "DEBIAN"
    control.mkdir(parents=True)
    fields = {
        "Package": "istio-sidecar",
        "Version": version,
        "Architecture": "all",
        "Maintainer": "x <x@localhost>",
        "Description": "empty",
    }
    (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
    (control / "postinst").write_text(f"#!/bin/sh\n{postinst}\n")
    (control / "postinst").chmod(0o755)
    made = folder / f"istio-sidecar-{version}.deb"
    subprocess.run(["dpkg-deb", "--build", str(control.parent), str(made)], check=True, capture_output=True, timeout=60)
    return made


def install(playbook: Playbook, path: Path, *more: str) -> CompletedProcess[str]:
    return playbook(CONVERGE, "-e", f"mesh_sidecar_package={path}", "-e", "mesh_sidecar_checksum=", *more)


def test_an_older_package_is_refused_with_its_version(spare_vm: Host, playbook: Playbook, tmp_path: Path) -> None:
    version = spare_vm.package("istio-sidecar").version
    done = install(playbook, package(tmp_path, "0.9", "exit 0"))
    assert done.returncode != 0
    assert f"is istio-sidecar 0.9, older than {version}, which is installed" in " ".join(done.stdout.split())
    assert spare_vm.package("istio-sidecar").version == version


def test_a_package_that_cannot_be_installed_leaves_the_old_one_running(
    spare_vm: Host, playbook: Playbook, tmp_path: Path
) -> None:
    version = spare_vm.package("istio-sidecar").version
    since = spare_vm.check_output("systemctl show -p ExecMainStartTimestampMonotonic --value istio")
    done = install(playbook, package(tmp_path, "99", "echo out of order >&2; exit 1"))
    assert done.returncode != 0
    assert "out of order" in done.stdout
    assert f"istio-sidecar {version} is installed and runs as before" in " ".join(done.stdout.split())
    assert spare_vm.package("istio-sidecar").version == version
    assert spare_vm.check_output("systemctl show -p ExecMainStartTimestampMonotonic --value istio") == since
    assert works(spare_vm)


def test_a_package_that_does_not_work_gives_way_to_the_old_one(
    spare_vm: Host, playbook: Playbook, tmp_path: Path
) -> None:
    """It may be older; there are no units in it, and so nothing starts."""
    version = spare_vm.package("istio-sidecar").version
    done = install(playbook, package(tmp_path, "0.9", "exit 0"), "-e", "istio_sidecar_allow_downgrade=true")
    assert done.returncode != 0
    assert "Everything was put back" in done.stdout
    assert spare_vm.package("istio-sidecar").version == version
    again = playbook(CONVERGE)
    assert again.returncode == 0, again.stdout[-4000:]
    assert works(spare_vm)
