# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import ipaddress
from typing import Any

import pytest

from lab.pods import execution, images, network, probe, status, view
from lab.pods.images import Image, UnknownImage, UnsupportedSpec

Json = dict[str, Any]


def pod(**spec: Any) -> Json:
    return {
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u-1", "labels": {"app": "web"}},
        "spec": {"nodeName": "k8s-node1", "containers": [], **spec},
    }


# images ---------------------------------------------------------------------------------------------------------------


def test_every_entry_of_the_table_starts_something() -> None:
    table = images.load()
    assert {"mesh-lab/pilot", "mesh-lab/citadel", "mesh-lab/mixer", "mesh-lab/kube-dns", "mesh-lab/sleep"} <= set(table)
    assert all("{" not in word for image in table.values() for word in image.command)


def test_a_tag_may_be_left_out_of_the_table() -> None:
    table = {"a/b": Image(("x",)), "a/b:2": Image(("y",))}
    assert images.lookup(table, "a/b:1").command == ("x",)
    assert images.lookup(table, "a/b:2").command == ("y",)
    with pytest.raises(UnknownImage, match=r"'c:1'.*images.yml.*a/b"):
        images.lookup(table, "c:1")


@pytest.mark.parametrize(
    ("spec", "argv"),
    [
        ({}, ["prog", "-a"]),
        ({"args": ["-b", "$(PORT)"]}, ["prog", "-b", "80"]),
        ({"command": ["other"]}, ["other"]),
        ({"command": ["other"], "args": ["$$(PORT)", "$(NONE)"]}, ["other", "$(PORT)", "$(NONE)"]),
    ],
)
def test_command_and_args_override_as_in_a_kubelet(spec: Json, argv: list[str]) -> None:
    assert images.command_line(Image(("prog",), ("-a",)), spec, {"PORT": "80"}) == argv


def test_environment_is_resolved() -> None:
    container = {
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)2"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        ]
    }
    assert images.references(container) == {("secrets", "s"), ("configmaps", "c")}
    objects = {
        ("secrets", "s"): {"data": {"k": base64.b64encode(b"top").decode()}},
        ("configmaps", "c"): {"data": {"k": "plain"}},
    }
    fields = images.field_values(pod(), "10.244.1.2", "192.168.0.71")
    assert images.spec_env(container, fields, objects) == {
        "A": "1",
        "B": "12",
        "IP": "10.244.1.2",
        "APP": "web",
        "S": "top",
        "C": "plain",
    }


def test_what_is_not_supported_is_named() -> None:
    with pytest.raises(UnsupportedSpec, match="envFrom"):
        images.references({"envFrom": [{}]})
    entry = {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.secret"}}}
    with pytest.raises(UnsupportedSpec, match=r"X.*spec\.secret"):
        images.spec_env({"env": [entry]}, {}, {})
    mounted = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    with pytest.raises(UnsupportedSpec, match="hostPath"):
        view.references(pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), mounted)


# view -----------------------------------------------------------------------------------------------------------------


def test_resolv_conf_of_a_cluster_first_pod() -> None:
    assert view.resolv_conf(pod(), "10.233.0.10", "cluster.local", "114.114.114.114") == (
        "nameserver 10.233.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )


def test_resolv_conf_of_other_policies() -> None:
    args = ("10.233.0.10", "cluster.local", "114.114.114.114")
    assert view.resolv_conf(pod(dnsPolicy="Default"), *args) == "nameserver 114.114.114.114\n"
    own = {"nameservers": ["1.2.3.4"], "searches": ["x.y"], "options": [{"name": "edns0"}]}
    text = view.resolv_conf(pod(dnsPolicy="None", dnsConfig=own), *args)
    assert text == "nameserver 1.2.3.4\nsearch x.y\noptions edns0\n"


def test_volumes_hold_what_the_objects_hold() -> None:
    container = {
        "volumeMounts": [
            {"name": "s", "mountPath": "/run/s"},
            {"name": "c", "mountPath": "/etc/c"},
            {"name": "e", "mountPath": "/tmp/e"},
        ]
    }
    item = pod(
        volumes=[
            {"name": "s", "secret": {"secretName": "token", "defaultMode": 0o400}},
            {"name": "c", "configMap": {"name": "conf", "items": [{"key": "k", "path": "file"}]}},
            {"name": "e", "emptyDir": {}},
        ]
    )
    assert view.references(item, container) == {("secrets", "token"), ("configmaps", "conf")}
    objects = {
        ("secrets", "token"): {"data": {"t": "dA=="}},
        ("configmaps", "conf"): {"data": {"k": "v", "other": "w"}},
    }
    assert view.volumes(item, container, objects) == [
        {"path": "/run/s", "mode": 0o400, "files": {"t": "dA=="}},
        {"path": "/etc/c", "mode": 0o644, "files": {"file": "dg=="}},
        {"path": "/tmp/e", "mode": 0o644, "files": {}},
    ]


# status ---------------------------------------------------------------------------------------------------------------


def state(**changes: Any) -> status.ContainerState:
    values: Json = {"name": "c", "image": "i", "state": status.waiting("ContainerCreating"), "last": {}}
    return status.ContainerState(**values | changes)


def pod_status(*containers: status.ContainerState, before: Any = (), policy: str = "Always") -> Json:
    return status.pod_status(containers, restart_policy=policy, pod_ip="10.244.1.2", host_ip="192.168.0.71", started="t", before=before)


def conditions(document: Json) -> dict[str, str]:
    return {c["type"]: c["status"] for c in document["conditions"]}


def test_a_pod_is_ready_when_all_its_containers_are() -> None:
    up = status.running("t")
    assert pod_status(state())["phase"] == "Pending"
    half = pod_status(state(state=up, ready=True), state(name="d", state=up))
    assert (half["phase"], conditions(half)["Ready"]) == ("Running", "False")
    assert "['d']" in half["conditions"][1]["message"]
    assert conditions(pod_status(state(state=up, ready=True)))["Ready"] == "True"


def test_a_crashed_container_leaves_its_pod_running() -> None:
    assert pod_status(state(restarts=1))["phase"] == "Running"


def test_pods_that_may_end_do() -> None:
    done = status.terminated(0, "t", "id")
    failed = status.terminated(3, "t", "id")
    assert pod_status(state(state=done), policy="Never")["phase"] == "Succeeded"
    assert pod_status(state(state=failed), state(state=done), policy="Never")["phase"] == "Failed"
    assert pod_status(state(state=done, restarts=1))["phase"] == "Running"


def test_transition_times_change_only_with_the_condition() -> None:
    old = [{"type": "Ready", "status": "True", "lastTransitionTime": "then"}]
    kept = pod_status(state(state=status.running("t"), ready=True), before=old)
    changed = pod_status(state(state=status.running("t")), before=old)
    ready = [next(c for c in d["conditions"] if c["type"] == "Ready") for d in (kept, changed)]
    assert ready[0]["lastTransitionTime"] == "then"
    assert ready[1]["lastTransitionTime"] != "then"


# probe, network, exec -------------------------------------------------------------------------------------------------


def test_probes_are_read_from_the_spec() -> None:
    container = {
        "name": "c",
        "ports": [{"name": "web", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": "web"}, "periodSeconds": 2},
    }
    assert probe.parse(container) == probe.Probe(8080, None, 0, 2, 1, 3)
    assert probe.parse({"name": "c"}) is None
    with pytest.raises(UnsupportedSpec, match="container c"):
        probe.parse({"name": "c", "readinessProbe": {"exec": {"command": ["true"]}}})
    container["readinessProbe"] = {"tcpSocket": {"port": "gone"}}
    with pytest.raises(UnsupportedSpec, match="'gone'"):
        probe.parse(container)


def test_addresses_are_given_once_and_come_back() -> None:
    pool = network.AddressPool("10.244.1.0/30")
    assert pool.gateway == ipaddress.IPv4Address("10.244.1.1")
    address = pool.take()
    assert address == "10.244.1.2"
    with pytest.raises(network.NetworkError, match=r"10\.244\.1\.0/30"):
        pool.take()
    pool.give_back(address)
    assert pool.take() == address


def test_names_fit_the_kernel_and_belong_to_the_lab() -> None:
    name = network.pod_netns("5f0c3f6e-8f0e-4b0e-9a3c-1c2f3d4e5f60")
    assert name.startswith("mesh-lab-p-")
    assert name == network.pod_netns("5f0c3f6e-8f0e-4b0e-9a3c-1c2f3d4e5f60")
    assert len(network.veth_name(name)) <= 15


def test_exec_parameters_are_the_kubelets() -> None:
    query = {"input": "1", "output": "true", "command": "ls"}
    assert execution.Streams.from_query(query) == execution.Streams(True, True, False, False)


def test_the_exit_code_travels_in_the_status() -> None:
    assert execution.exit_status(0)["status"] == "Success"
    failure = execution.exit_status(3)
    assert failure["reason"] == "NonZeroExitCode"
    assert failure["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
