# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the lab's Kubernetes up and down."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import config, hosts, proc
from lab.build import kubernetes
from lab.config import Host
from lab.errors import LabError
from lab.kube import controlplane, kubeconfig, nodes, objects, pki
from lab.kube.client import Client
from lab.pods import network
from lab.steps import Step

PROCESSES = ("pod-runner", "kube-controller-manager", "kube-apiserver", "etcd")
"""In the order in which they end."""
SERVERS = ("etcd", "kube-apiserver")
KUBECONFIGS = {"admin": "admin.kubeconfig", "mesh-operator": "kubeconfig", "mesh-viewer": "limited.kubeconfig"}
READY_TIMEOUT = 90
AVAILABLE_TIMEOUT = 120


def _server() -> str:
    site = config.topology()
    return f"https://{site.gateway}:{site.api_port}"


def _pki() -> pki.Pki:
    return pki.ensure(config.state_dir() / "pki", controlplane.subjects(config.topology()))


def _places() -> controlplane.Places:
    state, binaries = config.state_dir(), kubernetes.build(config.shape().kubernetes)
    return controlplane.Places(
        version=kubernetes.said_version(binaries["kube-apiserver"]),
        binaries=binaries,
        pki=state / "pki",
        etcd=state / "etcd",
        controller_manager_kubeconfig=state / "pki" / "controller-manager.kubeconfig",
    )


def prepare_hosts(wanted: Sequence[Host]) -> None:
    """Write kube-proxy and the pod network into the nodes' root file systems, before they boot."""
    site, keys, binary = config.topology(), _pki(), kubernetes.build(config.shape().kubernetes)["kube-proxy"]
    text = kubeconfig.render(keys, "kube-proxy", _server())
    for host in wanted:
        nodes.write_files(hosts.host_rootfs(host), host, site, binary, text, config.shape().proxy_mode)


def steps() -> list[Step]:
    """What `up` does after `start`. The network must be up; nodes may still be booting."""
    return [
        Step("Kubernetes: API server is ready", _wait_ready, 6),
        Step("Kubernetes: controller manager, pod runner, objects", _populate, 2),
    ]


def last_steps() -> list[Step]:
    """When everything has been applied."""
    return [Step("Kubernetes: Deployments are available", _wait_available, 10)]


def start() -> None:
    """Start etcd and the API server without waiting for them."""
    keys, site, places = _pki(), config.topology(), _places()
    for identity, name in KUBECONFIGS.items():
        kubeconfig.write(config.state_dir() / name, kubeconfig.render(keys, identity, _server()))
    kubeconfig.write(places.controller_manager_kubeconfig, kubeconfig.render(keys, "controller-manager", _server()))
    if not proc.alive("etcd"):
        if not _has_data(places.etcd):
            down()  # what knew the lost data must not go on
            places.etcd.mkdir(mode=0o700, parents=True)
            # In memory: the data need not outlive the run, and etcd waits for every write to reach the disk.
            proc.run(["mount", "-t", "tmpfs", "-o", "size=512m,mode=0700", "mesh-lab-etcd", places.etcd])
        proc.start("etcd", controlplane.etcd(places), netns=site.netns)
    proc.start("kube-apiserver", controlplane.apiserver(places, site), netns=site.netns)


def _has_data(etcd: Path) -> bool:
    """What an etcd that was killed has left; it is lost with the mount, when the machine restarts."""
    return etcd.is_mount() and (etcd / "member").is_dir()


def _ended(*names: str) -> list[str]:
    proc.reap()
    return [name for name in names if not proc.alive(name)]


def _refuse_ended(*names: str) -> None:
    for name in _ended(*names):
        raise LabError(f"{name} has ended; the end of its log:\n{proc.tail(name)}")


def _wait_ready() -> None:
    def ready_or_ended() -> bool:
        return bool(_ended(*SERVERS)) or _readyz()

    proc.wait_for("the API server's /readyz", ready_or_ended, READY_TIMEOUT, interval=0.2)
    _refuse_ended(*SERVERS)


def _readyz() -> bool:
    client = Client()
    try:
        return client.raw("GET", "/readyz") == "ok"
    finally:
        client.close()


def _populate() -> None:
    site = config.topology()
    proc.start("kube-controller-manager", controlplane.controller_manager(_places(), site), netns=site.netns)
    proc.start("pod-runner", [config.venv_python(), "-m", "lab.pods.runner"], netns=site.netns)
    client = Client()
    try:
        applier = objects.Applier(client)
        for item in objects.manifests(config.shape().generation):
            applier.apply(item)
    finally:
        client.close()


def _wait_available() -> None:
    client = Client()

    def available() -> bool:
        if _ended(*PROCESSES):
            return True
        foreign = objects.nodes_not_run_by(client, proc.pid_of("pod-runner"))
        if foreign:
            raise LabError(f"the pod runner has not taken over {', '.join(foreign)}")
        missing = objects.unavailable(client)
        if missing:
            raise LabError(", ".join(missing) + "; pods: " + "; ".join(objects.troubled_pods(client)))
        return True

    try:
        proc.wait_for("all Deployments available", available, AVAILABLE_TIMEOUT, interval=0.2)
    finally:
        client.close()
    _refuse_ended(*PROCESSES)


def down() -> None:
    """End everything of Kubernetes on this machine; its data is lost on purpose."""
    for name in PROCESSES:
        proc.stop(name, timeout=5)
    network.remove_all_pods()
    data = config.state_dir() / "etcd"
    if data.is_mount():
        proc.run(["umount", data])
    if data.exists():
        shutil.rmtree(data)


def version() -> str:
    """What the API server that runs calls itself."""
    client = Client()
    try:
        return str(client.call("GET", "/version")["gitVersion"])
    finally:
        client.close()


def status() -> dict[str, Any]:
    """What runs, as plain data."""
    state: dict[str, Any] = {"processes": {name: proc.alive(name) for name in reversed(PROCESSES)}}
    try:
        client = Client()
        state["version"] = client.call("GET", "/version")["gitVersion"]
        state["ready"] = client.raw("GET", "/readyz") == "ok"
        state["unavailable"] = objects.unavailable(client)
        state["pods"] = {
            f"{p['metadata']['namespace']}/{p['metadata']['name']}": p["status"].get("phase", "Unknown")
            for p in client.call("GET", "/api/v1/pods")["items"]
        }
        client.close()
    except LabError as error:
        state["ready"] = False
        state["problem"] = str(error)
    return state
