# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight says of the cluster's control plane: read from an API server in memory, and judged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import (
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    WORKLOAD_GROUPS,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import site as sites
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import clients, cluster
from ansible_collections.mesh.expansion.plugins.modules.kube_access_info import argument_spec, inspect

from tests.unit.plugins.fake_kube import FakeKube, FakeStore

LABEL = "topology.istio.io/network"
ISTIO = "istio-system"
VARIABLES: dict[str, Any] = {
    "mesh_control_plane": "istiod",
    "mesh_vip": "192.168.0.62",
    "mesh_service_cidr": "10.233.0.0/16",
    "mesh_sidecar_package": "http://192.168.0.1:8000/istio-sidecar.deb",
    "mesh_vm_to_pods": True,
}
HOSTS: dict[str, dict[str, Any]] = {
    "director": {"ansible_host": "192.168.0.61"},
    "node": {"ansible_host": "192.168.0.71"},
    "web1": {
        "ansible_host": "192.168.0.81",
        "mesh_vm_services": [{"name": "web", "port": 9080, "protocol": "http"}],
        "mesh_service_account": "web",
        "mesh_vm_to_pods": True,
    },
}
GROUPS = {"director": ["director"], "k8s_nodes": ["node"], "vms": ["web1"]}


def site(vm: dict[str, Any] | None = None, **changes: Any) -> sites.Site:
    hosts = {**HOSTS, "web1": {**HOSTS["web1"], **(vm or {})}}
    found = sites.parse({**VARIABLES, **changes}.get, GROUPS, lambda name: hosts[name].get)
    assert found.problems == ()
    return found


def deployment(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"template": {"metadata": {"labels": labels}}}}


def istiod(store: FakeStore, revision: str = "default") -> None:
    suffix = "" if revision == "default" else f"-{revision}"
    labels = {"app": "istiod", "istio": "pilot", "istio.io/rev": revision}
    store.put(DEPLOYMENTS, ISTIO, deployment(f"istiod{suffix}", **labels))
    mesh = {"metadata": {"name": f"istio{suffix}"}, "data": {"mesh": "trustDomain: cluster.local\n"}}
    store.put(CONFIGMAPS, ISTIO, mesh)
    values = json.dumps({"global": {"multiCluster": {"clusterName": "Kubernetes"}}})
    injector = {"metadata": {"name": f"istio-sidecar-injector{suffix}"}, "data": {"values": values, "config": "x"}}
    store.put(CONFIGMAPS, ISTIO, injector)


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    istiod(made)
    gateway = {"app": "gateway", "istio": "eastwestgateway", LABEL: "pods"}
    made.put(DEPLOYMENTS, ISTIO, deployment("gateway", **gateway))
    made.put(NAMESPACES, "", {"metadata": {"name": ISTIO, "labels": {LABEL: "pods"}}})
    made.put(CONFIGMAPS, "default", {"metadata": {"name": "istio-ca-root-cert"}, "data": {"root-cert.pem": "x"}})
    return made


def questions(of: sites.Site) -> tuple[list[dict[str, Any]], ...]:
    return (
        [{"subresource": "", **item} for item in cluster.required_access(of, "istio", "istiod")],
        cluster.required_objects(of, "istio", "istiod"),
        cluster.required_documents(of),
    )


class Registered(dict):
    """As Ansible hands on what a task registered."""

    def items(self) -> Any:
        return (pair for pair in dict.items(self))


def lines(store: FakeStore, of: sites.Site | None = None, client: FakeKube | None = None) -> list[str]:
    of = of or site()
    answers = inspect(client or FakeKube(store), *questions(of))
    registered = json.loads(json.dumps(answers), object_hook=Registered)
    return cluster.cluster_findings(of, {"reachable": True, "error": "", **registered})


def line(store: FakeStore, pattern: str, **changes: Any) -> None:
    found = lines(store, site(**changes))
    assert len(found) == 1, found
    assert re.search(pattern, found[0]), found[0]


def test_the_questions_are_what_the_module_takes() -> None:
    spec = argument_spec()
    for name, asked in zip(("access", "objects", "documents"), questions(site()), strict=True):
        options = spec[name]["options"]
        assert asked
        for item in asked:
            assert set(item) <= set(options)
            assert item.get("kind") in options.get("kind", {}).get("choices", [None])


def test_a_good_cluster_has_no_findings(store: FakeStore) -> None:
    assert lines(store) == []
    assert lines(store, site(mesh_revision="default", mesh_network="pods", mesh_cluster_id="Kubernetes")) == []


def test_only_the_wanted_keys_are_read(store: FakeStore) -> None:
    answers = inspect(FakeKube(store), [], [], questions(site())[2])
    injector = next(item for item in answers["documents"] if item["name"] == "istio-sidecar-injector")
    assert list(injector["items"][0]["data"]) == ["values"]


def test_without_istiod(store: FakeStore) -> None:
    del store.objects["deployments", ISTIO, "istiod"]
    line(
        store, r"^mesh_istio_namespace: no Deployment in namespace istio-system has pods with the label app=istiod\. I"
    )


def test_the_other_generation_is_named_both_ways(store: FakeStore) -> None:
    pilot = deployment("istio-pilot", istio="pilot", app="pilot")
    plain = {"mesh_vm_to_pods": False, "mesh_control_plane": "citadel"}
    found = lines(store, site(vm={"mesh_vm_to_pods": False}, **plain))
    assert found[-1] == (
        "mesh_control_plane: it is 'citadel', but the control plane in namespace istio-system (Deployment istiod) is "
        "of 'istiod' (Istio 1.31). Set mesh_control_plane: istiod."
    )
    del store.objects["deployments", ISTIO, "istiod"]
    store.put(DEPLOYMENTS, ISTIO, pilot)
    line(store, r"^mesh_control_plane: it is 'istiod', but .*Deployment istio-pilot\) is of 'citadel' \(Istio 1\.0")
    # Where both are, each may be chosen.
    istiod(store)
    assert lines(store) == []
    assert not [text for text in lines(store, site(**plain)) if text.startswith("mesh_control_plane")]


def test_revisions(store: FakeStore) -> None:
    istiod(store, "1-31")
    line(store, r"^mesh_revision: not set, but istiod .* is of several revisions: 1-31, default\. Set it to the one")
    line(store, r"^mesh_revision: '2' is no revision of istiod .*; there: 1-31, default\. Set", mesh_revision="2")
    assert lines(store, site(mesh_revision="1-31")) == []
    del store.objects["deployments", ISTIO, "istiod"]
    line(store, r"^mesh_revision: not set, but istiod .* is of revision 1-31\. Set it")


@pytest.mark.parametrize(
    ("data", "pattern"),
    [
        ({}, r"^ConfigMap istio-system/istio has no key mesh; its keys: none\. Repair it"),
        ({"mesh": "a: [b"}, r"^ConfigMap istio-system/istio, key mesh: the mesh document .*Repair it"),
        ({"mesh": "trustDomain: corp"}, r"^mesh_trust_domain: .*istiod's is 'corp'.*Set it to 'corp'"),
    ],
)
def test_mesh_documents(store: FakeStore, data: dict[str, str], pattern: str) -> None:
    store.put(CONFIGMAPS, ISTIO, {"metadata": {"name": "istio"}, "data": data})
    line(store, pattern)


def test_a_mesh_document_that_is_not_there(store: FakeStore) -> None:
    del store.objects["configmaps", ISTIO, "istio"]
    line(store, r"^ConfigMap istio-system/istio does not exist, so there is no istiod of this revision")


def test_cluster_ids(store: FakeStore) -> None:
    line(store, r"^mesh_cluster_id: .*'west', but istiod is of 'Kubernetes'.*Set it to", mesh_cluster_id="west")
    del store.objects["configmaps", ISTIO, "istio-sidecar-injector"]
    line(store, r"^mesh_cluster_id: ConfigMap istio-system/istio-sidecar-injector does not exist.*Set cluster_id")


def test_without_the_definitions_of_istio(store: FakeStore) -> None:
    class Old(FakeKube):
        def list(self, resource: Any, *rest: Any, **more: Any) -> Any:
            if resource is WORKLOAD_GROUPS:
                raise KubeNotFound("no such resource")
            return super().list(resource, *rest, **more)

    found = lines(store, client=Old(store))
    assert len(found) == 1
    assert re.search(r"^WorkloadGroup: the API server does not know .* Install Istio's definitions", found[0])


def test_networks(store: FakeStore) -> None:
    found = lines(store, site(mesh_network="other"))
    assert [text.partition(" has the label")[0] for text in found] == [
        "mesh_network: Namespace istio-system",
        "mesh_network: Deployment gateway in namespace istio-system",
    ]
    del store.objects["namespaces", "", ISTIO]["metadata"]["labels"][LABEL]
    del store.objects["deployments", ISTIO, "gateway"]["spec"]["template"]["metadata"]["labels"][LABEL]
    found = lines(store, site(mesh_network="pods"))
    assert f"Set it: kubectl label namespace istio-system {LABEL}=pods; or have it set by" in found[0]
    command = re.search(r"kubectl -n istio-system patch deployment gateway --type merge -p '(.*?)'", found[1])
    assert command
    assert json.loads(command.group(1)) == {"spec": {"template": {"metadata": {"labels": {LABEL: "pods"}}}}}
    assert lines(store, site(mesh_network="pods", mesh_label_network=True)) == []


def test_without_a_gateway(store: FakeStore) -> None:
    del store.objects["deployments", ISTIO, "gateway"]
    line(store, r"^mesh_vm_to_pods: true, but no Deployment .* label istio=eastwestgateway\. Install an east")
    assert lines(store, site(mesh_vm_to_pods=False)) == []


def test_a_list_of_services_that_is_wrong_is_said_by_itself(store: FakeStore) -> None:
    hosts = {name: {**host} for name, host in HOSTS.items()}
    variables = {**VARIABLES, "mesh_exposed_overrides": {"nope": {}}}
    of = sites.parse(variables.get, GROUPS, lambda name: hosts[name].get)
    assert [problem.variable for problem in of.problems] == ["mesh_exposed_services"]
    assert lines(store, of) == []
    assert of.notes() == []


def test_what_may_not_be_read_is_said_as_a_right_that_is_missing(store: FakeStore) -> None:
    class Limited(FakeKube):
        def list(self, resource: Any, *rest: Any, **more: Any) -> Any:
            raise KubeForbidden("no")

    client = Limited(store)
    client.allowed = lambda **item: (item["resource"], item["verb"]) != ("deployments", "list")
    (found,) = lines(store, client=client)
    assert found.startswith("mesh_kubeconfig: its user may not list deployments of API group apps in namespace istio")


def test_the_right_to_ask_for_a_token(store: FakeStore) -> None:
    client = FakeKube(store)
    client.allowed = lambda **item: item["subresource"] != "token"
    (found,) = lines(store, client=client)
    assert found.startswith("mesh_kubeconfig: its user may not create serviceaccounts/token web in namespace default")


def test_accounts_that_nobody_makes(store: FakeStore) -> None:
    of = site(mesh_registration="endpoint_slice")
    (found,) = lines(store, of)
    assert re.search(r"^ServiceAccount web in namespace default: it does not exist\. Create it, or correct", found)
    store.put(SERVICE_ACCOUNTS, "default", {"metadata": {"name": "web"}})
    assert lines(store, of) == []


@pytest.mark.parametrize(
    ("registration", "kinds"),
    [
        ("auto", {"workloadgroups", "workloadentries"}),
        ("workload_entry", {"workloadentries"}),
        ("endpoint_slice", set()),
        ("endpoints", set()),
    ],
)
def test_of_istios_own_kinds_only_those_that_are_used_are_asked_for(registration: str, kinds: set[str]) -> None:
    of = site(mesh_registration=registration)
    asked = cluster.required_access(of, "istio", "istiod")
    assert {item["resource"] for item in asked if item["group"] == "networking.istio.io"} == kinds
    read = {item["kind"] for item in cluster.required_documents(of)}
    assert ("WorkloadGroup" in read) is ("workloadgroups" in kinds)


def test_a_namespace_that_istiod_does_not_serve(store: FakeStore) -> None:
    del store.objects["configmaps", "default", "istio-ca-root-cert"]
    line(store, r"^ConfigMap istio-ca-root-cert in namespace default: it does not exist\. istiod writes it into every")


def test_a_service_elsewhere_than_its_vm(store: FakeStore) -> None:
    service = {"name": "web", "port": 9080, "protocol": "http", "namespace": "shop"}
    line(store, r"^web1: mesh_vm_services: web is in namespace shop, but .* Leave", vm={"mesh_vm_services": [service]})


@pytest.mark.parametrize(
    ("phase", "labels", "said"),
    [("Running", {"app": "sleep"}, False), ("Pending", {"app": "sleep"}, True), ("Running", {"app": "x"}, True)],
)
def test_without_a_pod_to_ask_from_the_last_row_is_not_checked(
    store: FakeStore, phase: str, labels: dict[str, str], said: bool
) -> None:
    store.put(PODS, "default", {"metadata": {"name": "p", "labels": labels}, "status": {"phase": phase}})
    read = inspect(FakeKube(store), [], [], questions(site())[2])["documents"]
    found = clients.notes(site(), read)
    assert len(found) == said
    for note in found:
        assert "no pod with the label app=sleep runs in namespace default" in note
        assert "mesh_verify_client" in note
    assert lines(store) == []


def test_of_pods_that_may_not_be_read_nothing_is_said() -> None:
    of = site(mesh_verify_client={"namespace": "shop", "selector": "app=curl"})
    (asked,) = clients.documents(of)
    assert (asked["namespace"], asked["selector"]) == ("shop", "app=curl")
    assert clients.notes(of, [{**asked, "state": "forbidden", "items": []}]) == []
    assert clients.notes(of, []) == []


def test_a_selector_that_the_api_does_not_understand(store: FakeStore) -> None:
    class Picky(FakeKube):
        def list(self, resource: Any, *place: Any, **options: Any) -> list[dict[str, Any]]:
            if resource == PODS:
                raise KubeInvalid("unable to parse requirement")
            return super().list(resource, *place, **options)

    (found,) = lines(store, site(mesh_verify_client={"selector": "app sleep"}), Picky(store))
    assert found.startswith("mesh_verify_client: its selector 'app sleep' is not understood. Write labels, as")


def front(selector: dict[str, str] | None, labels: dict[str, str] | None = None, **port: Any) -> dict[str, Any]:
    spec = {"type": "ClusterIP", "ports": [{"port": 9080, **port}], **({"selector": selector} if selector else {})}
    return {"metadata": {"name": "web", "labels": labels or {}}, "spec": spec}


@pytest.mark.parametrize(
    ("registration", "service", "said"),
    [
        ("auto", front({"app": "web"}), "lacks a port named http. Add the port to it"),
        ("endpoint_slice", front({"app": "web"}), "lacks a port named http. Add the port to it"),
        ("endpoints", front(None), "lacks the port http:9080. Add the port to it"),
        ("endpoints", front({"app": "web"}, name="http"), r"selects pods \(app=web\)"),
        ("workload_entry", front(None, name="http"), "has no selector"),
        ("auto", front({"app": "web"}, name="http"), ""),
        ("auto", front(None, {"app.kubernetes.io/managed-by": "mesh.expansion"}, name="other"), ""),
    ],
)
def test_services_of_others_that_cannot_take_a_vm(
    store: FakeStore, registration: str, service: dict[str, Any], said: str
) -> None:
    store.put(SERVICES, "default", service)
    store.put(SERVICE_ACCOUNTS, "default", {"metadata": {"name": "web"}})
    if said:
        line(store, f"^mesh_vm_services: Service default/web .*{said}", mesh_registration=registration)
    else:
        assert lines(store, site(mesh_registration=registration)) == []


def test_what_is_exposed_to_everybody_is_named() -> None:
    assert site().notes() == []
    (note,) = site(mesh_dns_mode="dnsmasq").notes()
    assert "mesh_dns_mode: dnsmasq exposes the cluster's DNS" in note
    assert site(mesh_control_plane="citadel", mesh_vm_to_pods=False).notes() == []


def test_the_rights_asked_for_are_those_of_the_documented_role(root: Path) -> None:
    granted = set()
    for item in yaml.safe_load((root / "docs/rbac.yaml").read_text())["items"]:
        where = item["metadata"].get("namespace", "")
        for rule in item.get("rules", []):
            names = rule.get("resourceNames", [""])
            granted |= {
                (where, group, resource, name, verb)
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
                for name in names
            }
    for registration in ("auto", "workload_entry", "endpoint_slice", "endpoints"):
        features = {"mesh_plain_clients": True, "mesh_network": "pods", "mesh_label_network": True}
        wanted = {"mesh_registration": registration, "mesh_verify_plain_client": {"namespace": "default"}, **features}
        of = site(vm={"mesh_service_account": "default"}, **wanted)
        asked = {
            (namespace, item["group"], resource, item["name"], verb)
            for item in cluster.required_access(of, "istio", "istiod")
            for namespace in [item["namespace"]]
            for resource in [item["resource"] + (f"/{item['subresource']}" if item.get("subresource") else "")]
            for verb in item["verbs"]
        }
        uncovered = {
            right
            for right in asked
            for namespace, group, resource, name, verb in [right]
            if not {(where, group, resource, called, verb) for where in ("", namespace) for called in ("", name)}
            & granted
        }
        assert uncovered == set(), registration
