# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`lab/lab up` mends a lab, whatever part of it was killed. Runs as root against the lab that is up."""

from __future__ import annotations

import io
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from lab import config, hosts, proc, up
from lab.kube import pods
from lab.kube.client import ApiAnswer, Client
from lab.pods.network import netns_path

SITE = config.topology()
DIRECTOR, VM = (SITE.with_role(role)[-1] for role in ("director", "vm"))
NODE = SITE.with_role("node")[0]
"""The pod sleep runs there."""
PROCESSES = (["kube-apiserver"], ["kube-controller-manager"], ["pod-runner"], ["http", "upstream-dns"])
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
NAME = "mending-test"

pytestmark = pytest.mark.skipif(not netns_path(SITE.netns).exists(), reason="the lab is not up: lab/lab up")


def kill(name: str) -> None:
    pid = proc.pid_of(name)
    assert pid is not None, name
    os.kill(pid, signal.SIGKILL)
    proc.wait_for(f"the end of {name}", lambda: not proc.alive(name), 10, interval=0.02)


def mended() -> dict[str, Any]:
    """The state after `lab/lab up`, which must be that of a whole lab."""
    done = subprocess.run(
        [config.repo_root() / "lab/lab", "up"], capture_output=True, text=True, timeout=85, check=False
    )
    assert done.returncode == 0, done.stderr
    state = up.status()
    assert up.complete(state), state
    return state


@pytest.fixture(name="written")
def fixture_written() -> Iterator[str]:
    """An object that the lab would not make again; its uid."""
    client = Client()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}}
    try:
        yield client.call("POST", CONFIG_MAPS, body)["metadata"]["uid"]
    finally:
        client.call("DELETE", f"{CONFIG_MAPS}/{NAME}")
        client.close()


def uid() -> str | None:
    client = Client()
    try:
        return str(client.call("GET", f"{CONFIG_MAPS}/{NAME}")["metadata"]["uid"])
    except ApiAnswer:
        return None
    finally:
        client.close()


@pytest.mark.parametrize("names", PROCESSES, ids=" ".join)
def test_processes_are_back(names: list[str]) -> None:
    for name in names:
        kill(name)
    assert not up.complete(up.status())
    mended()


def test_etcd_goes_on_with_its_data(written: str) -> None:
    kill("etcd")
    mended()
    assert uid() == written


def boot(host: config.Host) -> str:
    """Differs after each boot: the kernel's, or the start of a container's first process."""
    return hosts.ssh(host, ["cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat"]).stdout


def go_on_with_their_disks(*killed: config.Host) -> None:
    """Supervisor or kernel is killed: what was left of the host makes way for the new one."""
    before = {host: boot(host) for host in killed}
    for host in killed:
        hosts.ssh(host, ["echo kept > /root/mending-test && sync"])
    for host in killed:
        kill(f"host-{host.name}")
    mended()
    for host in killed:
        assert hosts.ssh(host, ["cat /root/mending-test && rm /root/mending-test"]).stdout == "kept\n"
        assert boot(host) != before[host]


def test_a_node_goes_on() -> None:
    go_on_with_their_disks(NODE)
    assert hosts.ssh(NODE, ["systemctl", "is-active", "pod-network"]).stdout == "active\n"
    proc.wait_for("a pod on the node reaches a Service by its name", api_answers_a_pod, 15)


def test_a_vm_and_a_director_go_on() -> None:
    go_on_with_their_disks(VM, DIRECTOR)


def api_answers_a_pod() -> bool:
    output = io.BytesIO()
    pods.exec_in_pod(
        "sleep", "default", ["curl", "-sk", "-m", "5", "https://kubernetes.default/readyz"], output, output
    )
    return output.getvalue() == b"ok"
