"""Registration and mesh policy on the lab's API server:
what is written, several control nodes at once, a run that was cut."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess

import lab_state
import pytest
import yaml
from kubernetes import client

Playbook = Callable[..., CompletedProcess[str]]
ACCOUNTS = "alpha.istio.io/kubernetes-serviceaccounts"
SETTINGS = "mesh.expansion/mesh-settings"
CONVERGE = "molecule/cluster/converge.yml"


def addresses(core: client.CoreV1Api, name: str) -> list[str]:
    subsets = core.read_namespaced_endpoints(name, "default").subsets or []
    return sorted(
        f"{address.ip}:{port.port}" for subset in subsets for address in subset.addresses for port in subset.ports
    )


def register(address: str, state: str = "present", name: str = "many") -> CompletedProcess[str]:
    """What another control node would do: a process of its own."""
    service = {"name": name, "ports": ["http:9080"], "endpoints": [{"address": address}]}
    arguments = {"state": state, "services": [service], "kubeconfig": str(lab_state.LAB / "kubeconfig")}
    return subprocess.run(
        [
            "ansible",
            "localhost",
            "--connection",
            "local",
            "--module-name",
            "mesh.expansion.istio_register",
            "--args",
            json.dumps(arguments),
        ],
        cwd=lab_state.ROOT,
        env=os.environ | {"ANSIBLE_CONFIG": str(lab_state.ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def at_once(tasks: list[tuple[str, str]]) -> None:
    with ThreadPoolExecutor(len(tasks)) as pool:
        for done in pool.map(lambda task: register(*task), tasks):
            assert done.returncode == 0, done.stdout


def delete_service(core: client.CoreV1Api, name: str) -> None:
    # An older API server answers with a Status, which the client's model of a Service does not fit.
    core.delete_namespaced_service(name, "default", _preload_content=False)


def exists(core: client.CoreV1Api, name: str) -> bool:
    listed = core.list_namespaced_service("default").items + core.list_namespaced_endpoints("default").items
    return name in [item.metadata.name for item in listed]


def test_service_and_endpoints_are_those_of_the_procedure(core: client.CoreV1Api) -> None:
    service = core.read_namespaced_service("deb-nginx01", "default")
    endpoints = core.read_namespaced_endpoints("deb-nginx01", "default")
    assert service.spec.selector is None
    assert [(port.name, port.port) for port in service.spec.ports] == [("http", 9080)]
    assert addresses(core, "deb-nginx01") == ["192.168.0.81:9080"]
    for item in (service, endpoints):
        assert item.metadata.annotations[ACCOUNTS] == "default"
        assert item.metadata.labels["app.kubernetes.io/managed-by"] == "mesh.expansion"


def test_only_the_three_settings_changed(core: client.CoreV1Api) -> None:
    before = json.loads(lab_state.record("cluster").read_text())["API"]["ConfigMap istio-system/istio"][1]["mesh"]
    after = core.read_namespaced_config_map("istio", "istio-system").data["mesh"]
    wanted = {"disablePolicyChecks": True, "policyCheckFailOpen": True, "enableTracing": False}
    assert yaml.safe_load(after) == yaml.safe_load(before) | wanted
    changed = [new for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert sorted(line.split(":")[0] for line in changed) == sorted(wanted)


def test_nobody_s_address_is_lost(core: client.CoreV1Api) -> None:
    everybody = [f"192.168.7.{number}" for number in range(1, 11)]
    at_once([(address, "present") for address in everybody])
    assert addresses(core, "many") == sorted(f"{address}:9080" for address in everybody)
    # Half of them leave while others come.
    late = [f"192.168.8.{number}" for number in range(1, 6)]
    at_once([(address, "absent") for address in everybody[:5]] + [(address, "present") for address in late])
    assert addresses(core, "many") == sorted(f"{address}:9080" for address in everybody[5:] + late)
    at_once([(address, "absent") for address in everybody[5:] + late])
    assert not exists(core, "many")


@pytest.fixture
def foreign(core: client.CoreV1Api) -> Iterator[str]:
    """A Service and Endpoints that somebody else registered."""
    name = "foreign"
    ports = [client.V1ServicePort(name="http", port=9080)]
    core.create_namespaced_service(
        "default", client.V1Service(metadata=client.V1ObjectMeta(name=name), spec=client.V1ServiceSpec(ports=ports))
    )
    subset = client.V1EndpointSubset(
        addresses=[client.V1EndpointAddress(ip="192.168.9.1")],
        ports=[client.CoreV1EndpointPort(name="http", port=9080)],
    )
    core.create_namespaced_endpoints(
        "default", client.V1Endpoints(metadata=client.V1ObjectMeta(name=name), subsets=[subset])
    )
    yield name
    delete_service(core, name)


def test_what_others_registered_stays(core: client.CoreV1Api, foreign: str) -> None:
    before = core.read_namespaced_service(foreign, "default").metadata.resource_version
    assert register("192.168.9.2", name=foreign).returncode == 0
    assert addresses(core, foreign) == ["192.168.9.1:9080", "192.168.9.2:9080"]
    for address in ("192.168.9.1", "192.168.9.2"):
        assert register(address, "absent", foreign).returncode == 0
    assert addresses(core, foreign) == ["192.168.9.1:9080"]
    assert core.read_namespaced_service(foreign, "default").metadata.resource_version == before
    left = core.read_namespaced_endpoints(foreign, "default").metadata.annotations
    assert not left


def test_a_service_with_a_selector_is_refused(core: client.CoreV1Api) -> None:
    spec = client.V1ServiceSpec(selector={"app": "x"}, ports=[client.V1ServicePort(name="http", port=9080)])
    core.create_namespaced_service(
        "default", client.V1Service(metadata=client.V1ObjectMeta(name="selecting"), spec=spec)
    )
    try:
        done = register("192.168.9.2", name="selecting")
    finally:
        delete_service(core, "selecting")
    assert done.returncode != 0
    assert "Service default/selecting selects pods (app=x)" in " ".join(done.stdout.split())


def test_a_run_that_was_cut_before_the_restart_is_completed(playbook: Playbook) -> None:
    apps = client.AppsV1Api(lab_state.api())
    annotation = {"spec": {"template": {"metadata": {"annotations": {SETTINGS: None}}}}}
    apps.patch_namespaced_deployment("istio-pilot", "istio-system", annotation)
    done = playbook(CONVERGE)
    assert done.returncode == 0, done.stdout
    assert re.search(r"changed=1 ", done.stdout.split("PLAY RECAP")[1])
    pilot = apps.read_namespaced_deployment("istio-pilot", "istio-system")
    assert re.fullmatch(r"[0-9a-f]{64}", pilot.spec.template.metadata.annotations[SETTINGS])
    assert pilot.status.updated_replicas == pilot.spec.replicas
    assert pilot.status.available_replicas == pilot.spec.replicas
    assert "changed=0 " in playbook(CONVERGE).stdout.split("PLAY RECAP")[1]
