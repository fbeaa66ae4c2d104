"""A run that is cut, or a package that does not work: the old state comes back by itself, or the next run completes it.

Killed after one of the plan's operations; after each of them with MESH_EXPANSION_FAULTS=all.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import faults
from faults import CutRuns
from testinfra.host import Host

CONVERGE = "molecule/istio_sidecar/converge.yml"
IN_THE_MIDDLE, AT_THE_END = "restart istio-auth-node-agent.service", "restart istio.service"
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


def test_killed_after_an_operation_the_old_state_comes_back(spare_vm: Host, runs: CutRuns, plan: list[str]) -> None:
    before = look(spare_vm)
    for number in faults.chosen(plan, AT_THE_END):
        runs.kill_after(number)
        assert look(spare_vm) != before
        # The sidecar needs a moment to make its rules again.
        assert runs.comes_back(lambda: look(spare_vm) == before and works(spare_vm)), f"after {plan[number - 1]}"


def test_killed_after_an_operation_the_next_run_completes_it(spare_vm: Host, runs: CutRuns, plan: list[str]) -> None:
    before = look(spare_vm)
    for number in faults.chosen(plan, IN_THE_MIDDLE):
        runs.kill_after(number)
        runs.converge()
        assert look(spare_vm) == before, f"after {plan[number - 1]}"
        assert works(spare_vm)
        assert spare_vm.run(f"test -e {runs.guard}").rc != 0


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
