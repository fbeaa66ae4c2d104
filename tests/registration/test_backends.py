# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends on a real API server with its controllers: objects that it accepts, moves, a server that goes away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import parse_registrations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Registrar
from kubernetes import client

from tests.registration.apiserver import ApiServer
from tests.registration.seen import Seen

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ("endpoints", "endpoint_slice", "workload_entry")
BACKENDS = (*WRITTEN, "auto")
VMS = [{"address": "10.1.0.1", "host": "vm1"}, {"address": "10.1.0.2", "host": "vm2"}]


def service(*vms: Json, name: str = "web", ports: Any = ("http:9080",), **more: Any) -> Json:
    return {"name": name, "ports": list(ports), "endpoints": list(vms or VMS), "service_account": "web", **more}


def register(
    server: ApiServer, backend: str, *services: Json, state: str = "present", prepare: bool = False
) -> Registrar:
    found = Registrar(connect(str(server.kubeconfig)), Wish(state, backend, prepare=prepare))
    found.apply("default", parse_registrations(services, state == "present", backend))
    return found


def eventually(what: str, holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not so after {seconds} s"
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def _nothing_left(server: ApiServer, seen: Seen) -> Iterator[None]:
    yield
    register(server, "auto", service(), service(name="shop"), state="absent")
    eventually("nothing is left", lambda: seen.ours() == set())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_run_reads_little_and_writes_nothing(server: ApiServer, seen: Seen, backend: str) -> None:
    services = [service(plain_clients=True), service(name="shop", ports=["grpc:9443"])]
    register(server, backend, *services)
    assert seen.addresses("web", backend) == ["10.1.0.1", "10.1.0.2"]
    again = register(server, backend, *services)
    assert again.written == []
    # Lists, however many VMs there are.
    kinds = {"endpoints": 2, "endpoint_slice": 2, "workload_entry": 5, "auto": 5}
    assert again._client.requests == kinds[backend]


@pytest.mark.parametrize("old", WRITTEN)
@pytest.mark.parametrize("new", WRITTEN)
def test_a_move_ends_with_the_new_objects_alone(server: ApiServer, seen: Seen, old: str, new: str) -> None:
    if old == new:
        return
    register(server, old, service())
    # The controllers have had time to make of it what they do.
    time.sleep(0.5)
    register(server, new, service())
    assert seen.addresses("web", new) == ["10.1.0.1", "10.1.0.2"]
    for other in WRITTEN:
        assert other == new or seen.addresses("web", other) == [], other
    wanted = set() if new == "workload_entry" else {"10.1.0.1", "10.1.0.2"}
    eventually("what kube-proxy sees", lambda: seen.kube_proxy("web") == wanted)
    assert register(server, new, service()).written == []


@pytest.mark.parametrize("old", ["endpoints", "endpoint_slice"])
def test_kube_proxy_has_the_addresses_all_the_time_of_a_move(
    server: ApiServer, seen: Seen, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To WorkloadEntries with plain clients: looked at before each write."""
    register(server, old, service())
    eventually("kube-proxy sees them", lambda: seen.kube_proxy("web") == {"10.1.0.1", "10.1.0.2"})
    write = Registrar._write
    states = []

    def look(self: Registrar, namespace: str, operation: Any) -> None:
        write(self, namespace, operation)
        states.append(seen.kube_proxy("web"))

    monkeypatch.setattr(Registrar, "_write", look)
    register(server, "workload_entry", service(plain_clients=True))
    assert states
    assert all(state == {"10.1.0.1", "10.1.0.2"} for state in states)


@pytest.mark.parametrize("new", WRITTEN)
def test_whom_istiod_has_registered_is_carried_before_it_forgets_them(server: ApiServer, seen: Seen, new: str) -> None:
    """With istiod's part done here: entries of its own, which go when the sidecars name no group any more."""
    register(server, "auto", service())
    (group,) = seen.custom_objects("workloadgroups")
    labels = group["spec"]["metadata"]["labels"]
    names = [f"{group['metadata']['name']}-{vm['address']}" for vm in VMS]
    for name, vm in zip(names, VMS, strict=True):
        annotations = {"istio.io/autoRegistrationGroup": group["metadata"]["name"]}
        body = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "WorkloadEntry",
            "metadata": {"name": name, "labels": labels, "annotations": annotations},
            "spec": {**group["spec"]["template"], "address": vm["address"], "labels": labels},
        }
        seen.custom.create_namespaced_custom_object("networking.istio.io", "v1", "default", "workloadentries", body)
    both = ["10.1.0.1", "10.1.0.2"]
    assert seen.addresses("web", "workload_entry") == both
    register(server, new, service(), prepare=True)
    # The way to Endpoints leads over slices.
    carried = {"endpoints": "endpoint_slice"}.get(new, new)
    assert set(seen.addresses("web", carried)) == set(both)
    for name in names:
        seen.custom.delete_namespaced_custom_object("networking.istio.io", "v1", "default", "workloadentries", name)
    assert seen.addresses("web", carried) == both
    register(server, new, service())
    assert seen.addresses("web", new) == both
    assert not seen.custom_objects("workloadgroups")
    assert register(server, new, service()).written == []


def test_a_workload_entry_takes_pods_along_and_ours_stay_ours(server: ApiServer, seen: Seen) -> None:
    """A Service of others that selects pods; its own slices are not taken for ours."""
    ports = [client.V1ServicePort(name="http", port=80, target_port=8080)]
    spec = client.V1ServiceSpec(selector={"app": "web"}, ports=ports)
    body = client.V1Service(metadata=client.V1ObjectMeta(name="web"), spec=spec)
    seen.core.create_namespaced_service("default", body)
    try:
        before = seen.core.read_namespaced_service("web", "default").metadata.resource_version
        register(server, "workload_entry", service(plain_clients=True))
        assert seen.addresses("web", "workload_entry") == ["10.1.0.1", "10.1.0.2"]
        assert seen.kube_proxy("web") == {"10.1.0.1", "10.1.0.2"}
        register(server, "workload_entry", service(), state="absent")
        assert seen.ours() == set()
        assert seen.core.read_namespaced_service("web", "default").metadata.resource_version == before
    finally:
        seen.core.delete_namespaced_service("web", "default")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_server_that_goes_away_in_the_middle(
    server: ApiServer, seen: Seen, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the second write; the next run completes it."""
    write, written = Registrar._write, []

    def cut(self: Registrar, namespace: str, operation: Any) -> None:
        if len(written) == 2:
            server.stop("kube-apiserver")
        written.append(str(operation))
        write(self, namespace, operation)

    services = [service(plain_clients=True), service(name="shop", ports=["grpc:9443"])]
    with monkeypatch.context() as patch:
        patch.setattr(Registrar, "_write", cut)
        with pytest.raises(KubeError, match="does not answer"):
            register(server, backend, *services)
    server.start("kube-apiserver")
    server.wait()
    register(server, backend, *services)
    for name in ("web", "shop"):
        assert seen.addresses(name, backend) == ["10.1.0.1", "10.1.0.2"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_module_in_check_mode_and_for_good(server: ApiServer, seen: Seen, backend: str) -> None:
    arguments = {"backend": backend, "services": [service()], "kubeconfig": str(server.kubeconfig)}
    predicted = module(arguments, "--check", "--diff")
    assert predicted["changed"]
    assert seen.ours() == set()
    done = module(arguments)
    assert done["operations"] == predicted["operations"]
    assert done["services"][0]["addresses"] == ["10.1.0.1", "10.1.0.2"]
    assert done["services"][0]["pending"] == (["10.1.0.1", "10.1.0.2"] if backend == "auto" else [])
    assert not module(arguments)["changed"]


def module(arguments: Json, *options: str) -> Json:
    command = ["ansible", "localhost", "--connection", "local", "--module-name", "mesh.expansion.istio_register"]
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    }
    done = subprocess.run(
        [*command, "--args", json.dumps(arguments), *options],
        cwd=ROOT,
        env=environment | {"ANSIBLE_PYTHON_INTERPRETER": sys.executable},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document: Json = json.loads(done.stdout[done.stdout.index("{") :])
    found: Json = document["plays"][0]["tasks"][0]["hosts"]["localhost"]
    return found
