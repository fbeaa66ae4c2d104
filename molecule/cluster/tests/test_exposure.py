"""The exposed Services on the lab's API server: what is written, what others wrote into them, and every refusal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lab_state
import pytest
import trouble
import yaml
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import ExposureError, exposed_services
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.work import Exposer
from ansible_collections.mesh.expansion.plugins.modules.mesh_services import describe
from ansible_collections.mesh.expansion.tests.reference import procedure
from kubernetes import client

Json = dict[str, Any]
LISTED = exposed_services("reference", procedure.OVERRIDES)
OWN = {"name": "own-lb", "namespace": "default", "selector": {"app": "own"}, "ports": [{"port": 18443, "name": "own"}]}
PILOT = ("istio-pilot-lb", "istio-system")
EDITOR = "kubectl-edit"


def run(kubeconfig: Path | None = None, check: bool = False, **options: Any) -> list[str]:
    """What one execution of the module does, in this process; converge.yml executes it through Ansible."""
    given = {"state": "present", "vip": procedure.VIP, "services": LISTED, "backend": "external_ips", "adopt": False}
    params = {**given, **options}
    exposer = Exposer(connect(str(kubeconfig or lab_state.LAB / "kubeconfig")), params, check)
    plan = exposer.plan()
    exposer.apply(plan)
    operations = describe(plan)["operations"]
    assert exposer.written == ([] if check else operations)
    return operations


def writes(**options: Any) -> list[str]:
    """The writes of an execution that succeeds; check mode predicts them."""
    predicted = run(check=True, **options)
    operations = run(**options)
    assert operations == predicted
    return operations


def refusal(**options: Any) -> str:
    with pytest.raises((ExposureError, KubeError)) as caught:
        run(**options)
    return str(caught.value)


def refused(**options: Any) -> bool:
    try:
        run(**options)
    except (ExposureError, KubeError):
        return True
    return False


def wait_for(what: str, holds: Callable[[], bool], seconds: int = 30) -> None:
    """Roles and policies take effect a moment after they are made."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} has no effect after {seconds} s"
        time.sleep(0.5)


def with_own(**changes: Any) -> list[Json]:
    return exposed_services("reference", services=[*LISTED, {**OWN, **changes}])


def service(core: client.CoreV1Api, name: str, namespace: str) -> Json:
    return core.api_client.sanitize_for_serialization(core.read_namespaced_service(name, namespace))


def edit(core: client.CoreV1Api, patch: Json) -> None:
    core.patch_namespaced_service(*PILOT, patch, field_manager=EDITOR)


def exposed(core: client.CoreV1Api) -> list[Json]:
    plain = core.api_client.sanitize_for_serialization
    return [plain(item) for item in core.list_service_for_all_namespaces().items if item.spec.external_ips]


@pytest.fixture(autouse=True)
def listed_again(core: client.CoreV1Api) -> Iterator[None]:
    """Each test leaves what the scenario made."""
    yield
    run(adopt=True)
    assert procedure.comparable_services(exposed(core)) == procedure.services()


def test_services_are_those_of_the_procedure_and_all_fields_are_ours(core: client.CoreV1Api) -> None:
    found = exposed(core)
    assert procedure.comparable_services(found) == procedure.services()
    for item in found:
        owners = [(entry["manager"], entry["operation"]) for entry in item["metadata"]["managedFields"]]
        assert owners == [("mesh.expansion", "Apply")]


def test_a_second_run_leaves_the_versions(core: client.CoreV1Api) -> None:
    before = [item["metadata"]["resourceVersion"] for item in exposed(core)]
    assert writes() == []
    assert [item["metadata"]["resourceVersion"] for item in exposed(core)] == before


def test_another_list_and_back(core: client.CoreV1Api) -> None:
    assert writes(services=with_own(labels={"team": "a"})) == ["create Service default/own-lb"]
    # A label and a port name that are no longer wanted go; the port keeps its number.
    assert writes(services=with_own(ports=[18443])) == ["apply Service default/own-lb"]
    own = service(core, "own-lb", "default")
    assert "team" not in own["metadata"]["labels"]
    assert own["spec"]["ports"] == [{"port": 18443, "protocol": "TCP", "targetPort": 18443}]
    assert writes(services=with_own(ports=[18444])) == ["apply Service default/own-lb"]
    assert [port["port"] for port in service(core, "own-lb", "default")["spec"]["ports"]] == [18444]
    assert writes(services=with_own(ports=[18444])) == []
    assert writes() == ["delete Service default/own-lb"]


def test_a_port_that_others_added_is_taken_out(core: client.CoreV1Api) -> None:
    edit(core, {"spec": {"ports": [{"name": "x", "port": 9999, "protocol": "TCP"}]}})
    assert len(service(core, *PILOT)["spec"]["ports"]) == 5
    assert writes() == ["patch Service istio-system/istio-pilot-lb"]
    assert writes() == []


def test_a_port_that_others_took_out_comes_back(core: client.CoreV1Api) -> None:
    removal = {"$patch": "delete", "port": 15011}
    edit(core, {"spec": {"ports": [removal]}})
    assert len(service(core, *PILOT)["spec"]["ports"]) == 3
    assert writes() == ["apply Service istio-system/istio-pilot-lb"]


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"externalIPs": ["192.168.0.99"]}, ".spec.externalIPs"),
        ({"selector": {"tier": "x"}}, ".spec.selector"),
        ({"ports": [{"port": 15011, "targetPort": 1}]}, '.spec.ports[port=15011,protocol="TCP"].targetPort'),
    ],
)
def test_a_field_that_others_changed(core: client.CoreV1Api, patch: Json, field: str) -> None:
    edit(core, {"spec": patch})
    for check in (True, False):
        text = refusal(check=check)
        assert f"Another writer owns a field ({field} to {EDITOR})" in text
        assert "exposure_adopt: true" in text
    assert writes(adopt=True) == ["apply Service istio-system/istio-pilot-lb"]
    assert writes() == []


def test_a_service_of_others(core: client.CoreV1Api) -> None:
    # An unnamed port does not fit beside ours.
    ports = [client.V1ServicePort(port=80)]
    spec = client.V1ServiceSpec(type="NodePort", selector={"app": "theirs", "tier": "x"}, ports=ports)
    metadata = client.V1ObjectMeta(name="own-lb", labels={"team": "a"})
    core.create_namespaced_service("default", client.V1Service(metadata=metadata, spec=spec), field_manager="helm")
    before = service(core, "own-lb", "default")
    assert "not made from the list of exposed services: Service default/own-lb." in refusal(services=with_own())
    assert service(core, "own-lb", "default") == before
    assert writes(services=with_own(), adopt=True) == ["patch Service default/own-lb", "apply Service default/own-lb"]
    own = service(core, "own-lb", "default")
    assert own["metadata"]["labels"]["team"] == "a"
    assert (own["spec"]["type"], own["spec"]["selector"]) == ("ClusterIP", {"app": "own"})
    assert own["spec"]["ports"] == [{"name": "own", "port": 18443, "protocol": "TCP", "targetPort": 18443}]
    assert own["spec"]["externalIPs"] == [procedure.VIP]
    assert writes(services=with_own()) == []
    # From now on it is like one that was made.
    changed = with_own(ports=[{"port": 18443, "name": "own", "target_port": 8443}])
    assert writes(services=changed) == ["apply Service default/own-lb"]
    assert writes(services=changed) == []
    assert writes() == ["delete Service default/own-lb"]


def test_a_missing_namespace_and_the_others_are_applied() -> None:
    services = exposed_services("reference", services=[{**OWN, "namespace": "nowhere"}, *LISTED])
    assert 'namespaces "nowhere" not found' in refusal(services=services, check=True)
    text = refusal(services=services)
    assert "Cannot apply Service own-lb in namespace nowhere" in text
    assert "Create the namespace first." in text


def test_a_user_who_may_only_read(core: client.CoreV1Api, tmp_path: Path) -> None:
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    token = core.create_namespaced_service_account_token("default", "default", request).status.token
    content = yaml.safe_load((lab_state.LAB / "kubeconfig").read_text())
    content["users"][0]["user"] = {"token": token}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(content))
    text = refusal(kubeconfig=kubeconfig)
    assert "Cannot list services" in text
    assert "Give the user of this kubeconfig the verb 'list' on 'services'." in text
    rbac = client.RbacAuthorizationV1Api(core.api_client)
    metadata = client.V1ObjectMeta(name="exposure-reader")
    rule = client.V1PolicyRule(api_groups=[""], resources=["services"], verbs=["get", "list"])
    subject = client.RbacV1Subject(kind="ServiceAccount", name="default", namespace="default")
    role = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="exposure-reader")
    rbac.create_cluster_role(client.V1ClusterRole(metadata=metadata, rules=[rule]))
    rbac.create_cluster_role_binding(client.V1ClusterRoleBinding(metadata=metadata, role_ref=role, subjects=[subject]))
    try:
        wait_for("the role", lambda: not refused(kubeconfig=kubeconfig))
        # To read is enough as long as there is nothing to do.
        assert run(kubeconfig=kubeconfig) == []
        for check in (True, False):
            text = refusal(kubeconfig=kubeconfig, services=with_own(), check=check)
            assert "Cannot apply Service own-lb in namespace default" in text
            assert "the verbs 'patch' and 'create' on 'services' in namespace default." in text
    finally:
        rbac.delete_cluster_role_binding("exposure-reader")
        rbac.delete_cluster_role("exposure-reader")


@pytest.fixture
def policy() -> Iterator[None]:
    with trouble.no_external_addresses("default"):
        yield


def test_a_policy_that_forbids_external_addresses(policy: None) -> None:
    wait_for("the policy", lambda: refused(services=with_own(), check=True))
    text = refusal(services=with_own())
    assert "external addresses are forbidden" in text
    assert f"(admission plugin DenyServiceExternalIPs, or a policy), allow {procedure.VIP} there." in text
