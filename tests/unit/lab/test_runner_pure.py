# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.pods import execution, images, network, node, status, view
from lab.pods.errors import CannotStart
from lab.pods.images import Image, UnknownImage

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


TABLE = """
images:
  a/b:
    command: ["{python}", -m, x]
    layers: ["{istio}/root"]
    user: 1337
    env: {HERE: "{repo}"}
  c:
    command: [y]
    user: 5
    group: 6
"""


def test_the_tables_words_have_places_and_users(tmp_path: Path) -> None:
    path = tmp_path / "images.yml"
    path.write_text(TABLE)
    table = images.load(path, {"python": "/py", "repo": "/r", "istio": "/i"})
    assert table == {
        "a/b": Image(("/py", "-m", "x"), (), {"HERE": "/r"}, ("/i/root",), (1337, 1337)),
        "c": Image(("y",), user=(5, 6)),
    }


def test_a_changed_table_is_read_again_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "images.yml"
    path.write_text("images: {a: {command: [x]}}")
    table = images.Table(path)
    assert table.lookup("a:1").command == ("x",)
    for text, message in (
        ("images: {a: {}}", "images.yml cannot be read"),
        ("images: [", "images.yml cannot be read"),
        ("images: {}", "'a'"),
    ):
        path.write_text(text)
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
        with pytest.raises(CannotStart, match=message) as caught:
            table.lookup("a")
        assert caught.value.reason == "ErrImagePull"
    path.write_text("images: {a: {command: [y]}}")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 2))
    assert table.lookup("a").command == ("y",)


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


# status ---------------------------------------------------------------------------------------------------------------


def state(**changes: Any) -> status.ContainerState:
    values: Json = {"name": "c", "image": "i", "state": status.waiting("ContainerCreating"), "last": {}}
    return status.ContainerState(**values | changes)


def pod_status(*containers: status.ContainerState, before: Any = (), policy: str = "Always") -> Json:
    return status.pod_status(
        containers, restart_policy=policy, pod_ip="10.244.1.2", host_ip="192.168.0.71", started="t", before=before
    )


def initial_status(
    initial: list[status.ContainerState], main: status.ContainerState, initialized: bool = True, policy: str = "Always"
) -> Json:
    values: Json = {"restart_policy": policy, "pod_ip": "10.244.1.2", "host_ip": "192.168.0.71", "started": "t"}
    return status.pod_status([main], initial, initialized=initialized, **values)


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


def test_a_pod_with_init_containers_waits_for_them() -> None:
    waits = state()
    first = state(name="first", state=status.terminated(0, "t", "id"))
    second = state(name="second", state=status.running("t"))
    document = initial_status([first, second], waits, initialized=False)
    assert (document["phase"], conditions(document)["Initialized"]) == ("Pending", "False")
    assert "['second']" in document["conditions"][0]["message"]
    assert [s["ready"] for s in document["initContainerStatuses"]] == [True, False]


def test_a_failed_init_container_ends_a_pod_that_never_restarts() -> None:
    failed = state(name="first", state=status.terminated(3, "t", "id"))
    assert initial_status([failed], state(), initialized=False, policy="Never")["phase"] == "Failed"
    assert initial_status([failed], state(), initialized=False)["phase"] == "Pending"


def test_a_sidecar_counts_for_readiness() -> None:
    main = state(state=status.running("t"), ready=True)
    sidecar = state(name="proxy", state=status.running("t"), started=True)
    assert conditions(initial_status([sidecar], main))["Ready"] == "False"
    sidecar.ready = True
    assert conditions(initial_status([sidecar], main))["Ready"] == "True"


def test_transition_times_change_only_with_the_condition() -> None:
    old = [{"type": "Ready", "status": "True", "lastTransitionTime": "then"}]
    kept = pod_status(state(state=status.running("t"), ready=True), before=old)
    changed = pod_status(state(state=status.running("t")), before=old)
    ready = [next(c for c in d["conditions"] if c["type"] == "Ready") for d in (kept, changed)]
    assert ready[0]["lastTransitionTime"] == "then"
    assert ready[1]["lastTransitionTime"] != "then"


# network, node, exec --------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("version", "features"),
    [("v1.36.3", ["ExtendWebSocketsToKubelet"]), ("v2.0.0", ["ExtendWebSocketsToKubelet"]), ("v1.34.4", []), ("", [])],
)
def test_the_node_declares_what_its_api_server_knows(version: str, features: list[str]) -> None:
    assert node.declared_features(version) == features


def test_the_node_says_which_kubernetes_runs() -> None:
    host = config.Host("n", "192.168.0.71", "node", "eth0", "ns", "10.244.1.0/24")
    info = node.node_status(host, "v1.36.3")["nodeInfo"]
    assert (info["kubeletVersion"], info["kubeProxyVersion"]) == ("v1.36.3-mesh-lab-stand-in", "v1.36.3")


def test_exec_parameters_are_the_kubelets() -> None:
    query = {"input": "1", "output": "true", "command": "ls"}
    assert execution.Streams.from_query(query) == execution.Streams(True, True, False, False)


def test_the_exit_code_travels_in_the_status() -> None:
    assert execution.exit_status(0)["status"] == "Success"
    failure = execution.exit_status(3)
    assert failure["reason"] == "NonZeroExitCode"
    assert failure["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


def test_a_pod_has_the_hardware_address_of_its_address() -> None:
    assert network.mac("10.244.3.4") == "0a:58:0a:f4:03:04"
    first = network.node_commands(network.pod_netns("uid"), "10.244.3.4").splitlines()[0]
    assert "peer name eth0 address 0a:58:0a:f4:03:04 netns" in first
