"""A run of site.yml is killed while the VM's sidecar is put in place. The scenario's next step is a run that has to
converge; that it does, and that the one after it changes nothing, is what the scenario shows."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import lab_state
import playbook_run
from kubernetes import client
from testinfra.host import Host

VARIABLES = "@molecule/istiod/vars/site.yml"
# The VM is told what to do by now, and has not answered.
MIDDLE = "TASK [mesh.expansion.istio_sidecar : Run the sidecar, or leave everything as it was]"
SECONDS = 240


def cut(output: Path) -> int:
    """Kill a run in the middle; what it ended with."""
    with output.open("wb") as stream:
        process = playbook_run.start(stream, "site.yml", "-e", VARIABLES)
    deadline = time.monotonic() + SECONDS
    while MIDDLE not in output.read_text():
        assert process.poll() is None, output.read_text()[-4000:]
        assert time.monotonic() < deadline, f"no {MIDDLE} within {SECONDS} s"
        time.sleep(0.2)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    return process.wait(timeout=30)


def test_a_run_is_killed_in_the_middle(vm: Host, core: client.CoreV1Api, tmp_path: Path) -> None:
    assert cut(tmp_path / "output") == -signal.SIGKILL
    assert vm.package("istio-sidecar").is_installed
    assert "istiod-lb" in {item.metadata.name for item in core.list_namespaced_service("istio-system").items}
    groups = client.CustomObjectsApi(lab_state.api()).list_namespaced_custom_object(
        "networking.istio.io", "v1", "default", "workloadgroups"
    )
    assert [item["metadata"]["name"] for item in groups["items"]] == ["deb-nginx01"]
