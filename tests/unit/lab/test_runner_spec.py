# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from fractions import Fraction
from typing import Any

import pytest

from lab.pods import actions, downward, environment, probe, refusals, security
from lab.pods.errors import CannotStart, UnsupportedSpec
from lab.pods.objects import Found, Ref

Json = dict[str, Any]
ADDRESSES = ("10.244.1.2", "192.168.0.71")


def pod(*containers: Json, **spec: Any) -> Json:
    meta = {"name": "web-1", "namespace": "shop", "uid": "u-1", "labels": {"b": 'say "x"', "app": "web"}}
    return {"metadata": meta, "spec": {"nodeName": "k8s-node1", "containers": list(containers), **spec}}


# what a pod knows of itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("100m", Fraction(1, 10)),
        ("1.5", Fraction(3, 2)),
        ("1Gi", 2**30),
        ("1500k", 1500000),
        ("2e3", 2000),
        ("128974848", 128974848),
    ],
)
def test_quantities(text: str, value: Fraction) -> None:
    assert downward.quantity(text) == value


def test_what_is_no_quantity_is_named() -> None:
    with pytest.raises(UnsupportedSpec, match="'1x'"):
        downward.quantity("1x")


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.cpu", "divisor": "0"}, "1"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "250"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "4096"),
        ({"resource": "requests.memory"}, "1000"),
        ({"resource": "requests.cpu"}, "0"),
    ],
)
def test_resources_are_rounded_up_and_default_to_the_nodes(reference: Json, value: str) -> None:
    container = {"resources": {"limits": {"cpu": "250m"}, "requests": {"memory": "1k"}}}
    assert downward.resource(container, reference) == value


def test_an_unknown_resource_is_named() -> None:
    with pytest.raises(UnsupportedSpec, match="ephemeral-storage"):
        downward.resource({}, {"resource": "limits.ephemeral-storage"})


def test_fields_of_the_pod() -> None:
    assert downward.field(pod(), "status.podIPs", *ADDRESSES) == "10.244.1.2"
    assert downward.field(pod(), "status.hostIPs", *ADDRESSES) == "192.168.0.71"
    assert downward.field(pod(), "metadata.labels['app']", *ADDRESSES) == "web"
    assert downward.field(pod(), "metadata.annotations['none']", *ADDRESSES) == ""
    assert downward.metadata(pod(), "metadata.labels") == 'app="web"\nb="say \\"x\\""'


# environment ----------------------------------------------------------------------------------------------------------

CONTAINER: Json = {
    "name": "c",
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "all"}}, {"secretRef": {"name": "gone", "optional": True}}],
    "env": [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)2 $(P_k)"},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}},
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "all", "key": "k"}}},
        {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "k", "optional": True}}},
        {"name": "NO_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "other", "optional": True}}},
    ],
}
FOUND: Found = {
    ("secrets", "s"): {"data": {"k": base64.b64encode(b"top").decode()}},
    ("configmaps", "all"): {"data": {"k": "plain"}},
    ("secrets", "gone"): None,
    ("configmaps", "gone"): None,
}


def test_environment_is_resolved() -> None:
    assert environment.references(CONTAINER) == {
        Ref("configmaps", "all", False),
        Ref("secrets", "gone", True),
        Ref("secrets", "s", False),
        Ref("secrets", "s", True),
        Ref("configmaps", "gone", True),
    }
    assert environment.from_spec(pod(), CONTAINER, ADDRESSES, FOUND) == {
        "P_k": "plain",
        "A": "1",
        "B": "12 plain",
        "IP": "10.244.1.2",
        "CPU": "2",
        "S": "top",
        "C": "plain",
    }


def test_a_key_that_must_be_there_is_missed() -> None:
    entry = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "other"}}}
    with pytest.raises(KeyError, match="other"):
        environment.from_spec(pod(), {"env": [entry]}, ADDRESSES, FOUND)


def test_a_field_that_is_not_supported_is_named() -> None:
    entry = {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.secret"}}}
    with pytest.raises(UnsupportedSpec, match=r"X.*spec\.secret"):
        environment.from_spec(pod(), {"env": [entry]}, ADDRESSES, {})


# security -------------------------------------------------------------------------------------------------------------


def test_a_container_without_context_is_root_as_before() -> None:
    assert security.command_as(security.identity(pod(), {}), ["x", "-y"]) == ["x", "-y"]


def test_the_containers_context_wins() -> None:
    container = {"securityContext": {"runAsUser": 1337, "runAsGroup": 1338, "readOnlyRootFilesystem": True}}
    item = pod(securityContext={"runAsUser": 5, "fsGroup": 7, "supplementalGroups": [9]})
    who = security.identity(item, container)
    assert who == security.Identity(1337, 1338, (7, 9), read_only_root=True)
    assert security.command_as(who, ["x"]) == [
        security.SETPRIV,
        "--reuid",
        "1337",
        "--regid",
        "1338",
        "--groups",
        "7,9",
        "--",
        "x",
    ]
    assert (who.home, security.Identity().home) == ("/", "/root")


def test_capabilities_of_root_are_bounded() -> None:
    context = {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}, "allowPrivilegeEscalation": False}
    command = security.command_as(security.identity(pod(), {"securityContext": context}), ["x"])
    assert command[-5:] == ["--bounding-set", "-all,+net_admin,+net_raw", "--no-new-privs", "--", "x"]
    assert security.identity(pod(), {"securityContext": context | {"privileged": True}}).bounding == ()


def test_run_as_non_root_needs_a_user() -> None:
    container = {"securityContext": {"runAsNonRoot": True}}
    with pytest.raises(CannotStart, match="runAsNonRoot"):
        security.identity(pod(), container)
    assert security.identity(pod(), container, (1337, 1337)).uid == 1337


def test_volumes_belong_to_a_user_that_all_containers_share() -> None:
    as_user = [{"securityContext": {"runAsUser": 5}}, {}]
    assert security.volume_owner(pod(), as_user) == (None, None)
    assert security.volume_owner(pod(securityContext={"runAsUser": 5, "fsGroup": 7}), as_user) == (5, 7)


# probes, hooks, refusals ----------------------------------------------------------------------------------------------


def test_probes_are_read_from_the_spec() -> None:
    container: Json = {
        "name": "c",
        "ports": [{"name": "web", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": "web"}, "periodSeconds": 2},
        "livenessProbe": {"exec": {"command": ["true"]}, "failureThreshold": 1, "successThreshold": 2},
    }
    assert probe.parse(container, "readinessProbe") == probe.Probe(actions.Tcp(8080), 0, 2, 1, 3, 1)
    assert probe.parse(container, "livenessProbe") == probe.Probe(actions.Exec(("true",)), 0, 10, 1, 1, 2)
    assert probe.parse(container, "startupProbe") is None


def test_an_https_get_with_headers() -> None:
    get = {"port": 1, "scheme": "HTTPS", "path": "/x", "httpHeaders": [{"name": "Host", "value": "h"}]}
    assert actions.parse({"name": "c"}, "p", {"httpGet": get}) == actions.Http(1, "/x", None, True, (("Host", "h"),))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"grpc": {"port": 1}, "periodSeconds": 3}, "container c: readinessProbe by grpc"),
        ({"tcpSocket": {"port": "gone"}}, "'gone'"),
    ],
)
def test_a_probe_that_is_not_supported_is_named(spec: Json, message: str) -> None:
    with pytest.raises(UnsupportedSpec, match=message):
        probe.parse({"name": "c", "readinessProbe": spec}, "readinessProbe")


@pytest.mark.parametrize(
    ("spec", "container", "message"),
    [
        ({"hostNetwork": True}, {}, "hostNetwork"),
        ({"ephemeralContainers": [{}]}, {}, "ephemeralContainers"),
        ({}, {"tty": True}, r"tty \(container c\)"),
        ({}, {"ports": [{"hostPort": 1}]}, r"hostPort \(container c\)"),
    ],
)
def test_what_is_refused_is_named(spec: Json, container: Json, message: str) -> None:
    refusals.check(pod({"name": "c"}))
    with pytest.raises(UnsupportedSpec, match=message):
        refusals.check(pod({"name": "c", **container}, **spec))


def test_only_settings_of_the_network_are_the_pods_own() -> None:
    def with_sysctl(name: str) -> Json:
        return pod({"name": "c"}, securityContext={"sysctls": [{"name": name, "value": "0"}]})

    refusals.check(with_sysctl("net.ipv4.ip_unprivileged_port_start"))
    assert security.sysctls(with_sysctl("net.x")) == {"net.x": "0"}
    with pytest.raises(UnsupportedSpec, match="sysctl kernel.msgmax"):
        refusals.check(with_sysctl("kernel.msgmax"))
