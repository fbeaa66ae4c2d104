# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import yaml

from lab import config, shape
from lab.errors import LabError
from lab.kube import controlplane, nodes, objects, pods
from lab.pods import images

SITE = config.topology()
NODE1, NODE2, NODE3 = SITE.with_role("node")
ALL = list(objects.manifests("citadel"))


def of_kind(kind: str) -> list[objects.Json]:
    return [item for item in ALL if item["kind"] == kind]


def test_tunnel_ends_differ_and_follow_from_the_pod_network() -> None:
    assert nodes.vtep(NODE1) == ("10.244.1.0", "0e:00:0a:f4:01:00")
    assert len({nodes.vtep(n) for n in (NODE1, NODE2, NODE3)}) == 3


def test_a_node_knows_its_peers_but_not_itself() -> None:
    text = nodes.network_config(NODE2, [NODE1, NODE2, NODE3], SITE)
    peers = next(line for line in text.splitlines() if line.startswith("PEERS="))
    assert "192.168.0.71,10.244.1.0/24,10.244.1.0,0e:00:0a:f4:01:00" in peers
    assert "192.168.0.73" in peers
    assert "192.168.0.72" not in peers


def test_kube_proxy_leaves_conntrack_alone() -> None:
    document = yaml.safe_load(nodes.proxy_config(NODE1, SITE, "iptables"))
    assert document["mode"] == "iptables"
    assert document["conntrack"] == {
        "maxPerCore": 0,
        "min": 0,
        "tcpEstablishedTimeout": "0s",
        "tcpCloseWaitTimeout": "0s",
    }


def test_node_files_are_complete_and_written_twice_without_harm(tmp_path: Path) -> None:
    binary = tmp_path / "kube-proxy"
    binary.write_bytes(b"program")
    root = tmp_path / "root"
    (root / "usr/local/sbin").mkdir(parents=True)
    (root / "etc").mkdir()
    for _attempt in range(2):
        nodes.write_files(root, NODE1, SITE, binary, "kubeconfig", "iptables")
    assert os.access(root / "usr/local/bin/kube-proxy", os.X_OK)
    assert (root / "var/lib/kube-proxy/kubeconfig").stat().st_mode & 0o777 == 0o600
    for unit in nodes.UNITS:
        assert (root / "etc/systemd/system/multi-user.target.wants" / unit).is_symlink()
    text = (root / "etc/systemd/system/kube-proxy.service").read_text()
    assert "https://192.168.0.1:6443/readyz" in text
    assert "@" not in text


def test_kube_proxy_modes(tmp_path: Path) -> None:
    assert yaml.safe_load(nodes.proxy_config(NODE1, SITE, "nftables"))["nftables"]["syncPeriod"] == "30s"
    assert yaml.safe_load(nodes.proxy_config(NODE1, SITE, "ipvs"))["ipvs"]["strictARP"] is True
    present = tmp_path / "ip_vs"
    nodes.check_proxy_mode("nftables", present)
    with pytest.raises(LabError, match="kernel has no ip_vs"):
        nodes.check_proxy_mode("ipvs", present)
    present.touch()
    nodes.check_proxy_mode("ipvs", present)


def places(directory: Path, version: str) -> controlplane.Places:
    return controlplane.Places(
        version, {"kube-apiserver": directory / "kube-apiserver"}, directory, directory, directory
    )


def test_older_api_servers_do_not_translate_streams(tmp_path: Path) -> None:
    newer, older = (controlplane.apiserver(places(tmp_path, version), SITE) for version in ("1.36.3", "1.34.4"))
    assert not any("feature-gates" in word for word in newer)
    assert "--feature-gates=TranslateStreamCloseWebsocketRequests=false,PortForwardWebsockets=false" in older


def test_the_api_server_uses_rbac_and_authenticates_to_kubelets(tmp_path: Path) -> None:
    argv = controlplane.apiserver(places(tmp_path, "1.36.3"), SITE)
    assert "--authorization-mode=RBAC" in argv
    assert f"--kubelet-client-certificate={tmp_path}/kubelet-client.crt" in argv
    assert f"--kubelet-certificate-authority={tmp_path}/ca.crt" in argv


def test_kinds_are_known_by_the_discovery_of_the_api() -> None:
    listing = {
        "resources": [
            {"name": "deployments", "kind": "Deployment", "namespaced": True},
            {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
            {"name": "widgets", "kind": "Widget", "namespaced": False},
        ]
    }
    found = objects.resources("/apis/apps/v1", listing)
    assert found["Deployment"].collection("x") == "/apis/apps/v1/namespaces/x/deployments"
    assert found["Widget"].collection(None) == "/apis/apps/v1/widgets"
    assert "Scale" not in found


def test_manifests_are_filled_in() -> None:
    for item in ALL:
        assert "$" not in yaml.safe_dump(item), item["metadata"]["name"]


def test_a_generation_has_its_own_objects() -> None:
    names = {
        generation: {i["metadata"]["name"] for i in objects.manifests(generation)} for generation in shape.GENERATIONS
    }
    assert "istio-pilot" in names["citadel"]
    assert names["both"] == names["citadel"]
    assert names["istiod"] < names["citadel"]
    assert not any("pilot" in name for name in names["istiod"])


def test_deployments_run_known_images_on_known_nodes_as_known_accounts() -> None:
    table = images.load()
    accounts = {(a["metadata"]["namespace"], a["metadata"]["name"]) for a in of_kind("ServiceAccount")}
    for item in of_kind("Deployment"):
        spec = item["spec"]["template"]["spec"]
        assert SITE.host(spec["nodeName"]).role == "node"
        if "serviceAccountName" in spec:
            assert (item["metadata"]["namespace"], spec["serviceAccountName"]) in accounts
        for container in spec["containers"]:
            assert images.lookup(table, container["image"]).command


def test_ports_name_their_protocol() -> None:
    """Server-side apply of this Kubernetes refuses lists whose key is left to a default."""
    for item in of_kind("Service"):
        assert all(port["protocol"] for port in item["spec"]["ports"]), item["metadata"]["name"]
    for item in of_kind("Deployment"):
        for container in item["spec"]["template"]["spec"]["containers"]:
            assert all(port["protocol"] for port in container.get("ports", [])), item["metadata"]["name"]


def test_services_select_pods_that_listen_on_their_ports() -> None:
    templates = [d["spec"]["template"] for d in of_kind("Deployment")]
    for service in of_kind("Service"):
        selector = service["spec"]["selector"].items()
        chosen = [t for t in templates if selector <= t["metadata"]["labels"].items()]
        assert chosen, service["metadata"]["name"]
        open_ports = {p["containerPort"] for t in chosen for c in t["spec"]["containers"] for p in c["ports"]}
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= open_ports


def test_the_mesh_document_starts_with_policy_checks_on() -> None:
    (item,) = of_kind("ConfigMap")
    mesh = yaml.safe_load(item["data"]["mesh"])
    assert (mesh["disablePolicyChecks"], mesh["policyCheckFailOpen"], mesh["enableTracing"]) == (False, False, True)


def test_the_operator_may_not_list_secrets_nor_edit_other_objects() -> None:
    roles = [
        i for i in ALL if i["kind"] in ("Role", "ClusterRole") and i["metadata"]["name"].startswith("mesh-operator")
    ]
    assert len(roles) == 4
    for rule in (rule for role in roles for rule in role["rules"]):
        assert "*" not in (*rule["resources"], *rule["verbs"], *rule["apiGroups"])
        # Which control plane there is, is seen by its Deployments.
        if rule["resources"] == ["deployments"] and rule["verbs"] == ["list"]:
            continue
        if {"secrets", "configmaps", "deployments"} & set(rule["resources"]):
            assert rule["resourceNames"]
            assert not {"list", "watch", "create", "delete"} & set(rule["verbs"])


def pod(name: str, created: str = "2026-01-01T00:00:00Z", **status: str) -> objects.Json:
    return {"metadata": {"name": name, "creationTimestamp": created}, "status": {"phase": "Running", **status}}


def test_a_pod_is_chosen_by_name_or_deployment() -> None:
    listed = [
        pod("sleep-7c5-aaaaa"),
        pod("sleep-9d8-bbbbb", "2026-01-02T00:00:00Z"),
        pod("sleep-9d8-ccccc", "2026-01-03T00:00:00Z", phase="Pending"),
        pod("sleepy-1-x"),
    ]
    assert pods.choose("sleep-7c5-aaaaa", "default", listed) == "sleep-7c5-aaaaa"
    assert pods.choose("sleep", "default", listed) == "sleep-9d8-bbbbb"
    with pytest.raises(LabError, match="no running pod or deployment 'nap' in namespace default; running: sleep-7c5"):
        pods.choose("nap", "default", listed)


def test_exit_codes_come_from_the_status() -> None:
    from lab.pods.execution import exit_status

    assert [pods.exit_code(exit_status(code)) for code in (0, 1, 137)] == [0, 1, 137]
    with pytest.raises(LabError, match="no such container"):
        pods.exit_code({"status": "Failure", "message": "no such container"})


def test_topology_values_reach_the_manifests() -> None:
    service = next(i for i in of_kind("Service") if i["metadata"]["name"] == "kube-dns")
    assert service["spec"]["clusterIP"] == dataclasses.asdict(SITE)["cluster_dns"]
