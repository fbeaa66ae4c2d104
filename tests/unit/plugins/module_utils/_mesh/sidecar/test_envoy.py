# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures named v3 were recorded from Envoy 1.40; those of Istio 1.0 are composed after that version's dumps."""

from __future__ import annotations

import copy
import json
import pathlib
import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import envoy

FIXTURES = pathlib.Path(__file__).resolve().parents[3] / "fixtures" / "envoy"
POLICY = "outbound|9091||istio-policy.istio-system.svc.cluster.local"
LISTENER = "192.168.0.81_9080"


def fixture(name: str) -> t.Any:
    return json.loads((FIXTURES / name).read_text())


def filter_of(dump: t.Any, name: str) -> dict[str, t.Any]:
    """The filter of a name inside a dump, to be changed by a test."""
    found: list[dict[str, t.Any]] = []

    def walk(item: t.Any) -> None:
        if isinstance(item, dict):
            if item.get("name") == name:
                found.append(item)
            for value in item.values():
                walk(value)
        elif isinstance(item, list):
            for value in item:
                walk(value)

    walk(dump)
    assert len(found) == 1
    return found[0]


def changed(dump_name: str, filter_name: str, **config: t.Any) -> envoy.PolicyCheck:
    dump = copy.deepcopy(fixture(dump_name))
    item = filter_of(dump, filter_name)
    item["typed_config" if "typed_config" in item else "config"].update(config)
    (check,) = envoy.policy_checks(dump)
    return check


def test_clusters_of_v3_with_warming() -> None:
    found = {item["name"]: item for item in envoy.clusters(fixture("v3_config_dump.json"))}
    assert found["outbound|9080||deb-nginx01.default.svc.cluster.local"]["warming"]
    assert not found["inbound|9080||deb-nginx01.default.svc.cluster.local"]["warming"]
    assert found["xds"]["static"]


def test_listeners_of_both_generations() -> None:
    assert [(item["name"], item["warming"]) for item in envoy.listeners(fixture("v3_config_dump.json"))] == [
        (LISTENER, False)
    ]
    found = envoy.listeners(fixture("istio_1_0_config_dump.json"))
    assert [(item["name"], item["address"], item["warming"]) for item in found] == [
        ("10.233.0.10_53", "10.233.0.10:53", True),
        (LISTENER, "192.168.0.81:9080", False),
    ]


def test_a_rejected_and_a_new_listener() -> None:
    section = {
        "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
        "dynamic_listeners": [
            {
                "name": "new",
                "warming_state": {
                    "listener": {"name": "new", "address": {"socket_address": {"address": "::", "port_value": 1}}}
                },
            },
            {"name": "bad", "error_state": {"details": "cannot bind"}},
        ],
    }
    found = envoy.listeners({"configs": [section]})
    assert [(item["name"], item["warming"], item["error"]) for item in found] == [
        ("bad", True, "cannot bind"),
        ("new", True, ""),
    ]


def test_configs_as_a_dictionary() -> None:
    dump = {"configs": {"clusters": {"dynamic_active_clusters": [{"cluster": {"name": "a"}}]}}}
    assert envoy.clusters(dump) == [{"name": "a", "static": False, "warming": False}]
    assert envoy.listeners(dump) == []


@pytest.mark.parametrize(
    ("dump", "kind"), [("v3_config_dump.json", "envoy.filters.http.ext_authz"), ("istio_1_0_config_dump.json", "mixer")]
)
def test_policy_check_that_fails_closed(dump: str, kind: str) -> None:
    assert envoy.policy_checks(fixture(dump)) == [envoy.PolicyCheck(kind, POLICY, "closed", LISTENER)]


def test_mixer_after_the_fix() -> None:
    assert (
        changed(
            "istio_1_0_config_dump.json", "mixer", transport={"network_fail_policy": {}, "check_cluster": POLICY}
        ).fail_mode
        == "open"
    )
    assert changed("istio_1_0_config_dump.json", "mixer", transport={"check_cluster": POLICY}).fail_mode == "open"
    switched_off = changed(
        "istio_1_0_config_dump.json", "mixer", service_configs={"default": {"disable_check_calls": True}}
    )
    assert switched_off.fail_mode == "disabled"
    one_of_two = changed(
        "istio_1_0_config_dump.json", "mixer", service_configs={"a": {"disable_check_calls": True}, "b": {}}
    )
    assert one_of_two.fail_mode == "closed"


def test_ext_authz_modes() -> None:
    name = "envoy.filters.http.ext_authz"
    assert changed("v3_config_dump.json", name, failure_mode_allow=True).fail_mode == "open"
    off = {"default_value": {"numerator": 0}}
    assert changed("v3_config_dump.json", name, filter_enabled=off).fail_mode == "disabled"
    http = changed("v3_config_dump.json", name, grpc_service=None, http_service={"server_uri": {"cluster": "policy"}})
    assert (http.cluster, http.fail_mode) == ("policy", "closed")


def test_ext_authz_under_another_name_is_found_by_its_type() -> None:
    dump = copy.deepcopy(fixture("v3_config_dump.json"))
    filter_of(dump, "envoy.filters.http.ext_authz")["name"] = "my-policy"
    assert [check.filter for check in envoy.policy_checks(dump)] == ["my-policy"]


def test_no_policy_filter() -> None:
    dump = copy.deepcopy(fixture("istio_1_0_config_dump.json"))
    filter_of(dump, "mixer")["name"] = "envoy.fault2"
    assert envoy.policy_checks(dump) == []


def test_endpoints_and_health() -> None:
    hosts = envoy.endpoints(fixture("istio_1_0_clusters.json"))[POLICY]
    assert hosts == [
        {"address": "10.244.2.5", "port": 9091, "healthy": True, "connections": 7, "failed_connections": 7}
    ]
    status = fixture("istio_1_0_clusters.json")
    status["cluster_statuses"][0]["host_statuses"][0]["health_status"] = {
        "failed_outlier_check": True,
        "eds_health_status": "HEALTHY",
    }
    assert not envoy.endpoints(status)[POLICY][0]["healthy"]
    status["cluster_statuses"][0]["host_statuses"][0]["health_status"] = {"eds_health_status": "UNHEALTHY"}
    assert not envoy.endpoints(status)[POLICY][0]["healthy"]
    assert not [host for host in envoy.endpoints(fixture("v3_clusters.json"))[POLICY] if not host["healthy"]]


def test_server_of_both_generations() -> None:
    assert envoy.server((FIXTURES / "v3_server_info.json").read_text())["state"] == "LIVE"
    found = envoy.server((FIXTURES / "istio_1_0_server_info.txt").read_text())
    assert found == {"state": "LIVE", "version": "0/1.8.0-dev//RELEASE"}


def host(**changes: t.Any) -> dict[str, t.Any]:
    return {
        "address": "10.244.2.5",
        "port": 9091,
        "healthy": True,
        "connections": 0,
        "failed_connections": 0,
        "reachable": True,
        **changes,
    }


@pytest.mark.parametrize(
    ("mode", "hosts", "words"),
    [
        ("closed", [host(reachable=False)], "(10.244.2.5:9091) cannot be reached from this host"),
        ("closed", [host(reachable=None, connections=7, failed_connections=7)], "cannot be reached from this host"),
        ("closed", [host(healthy=False)], "cannot be reached from this host"),
        ("closed", [], "has no endpoint"),
        ("closed", None, f"Envoy has no cluster {POLICY}"),
    ],
)
def test_explain_what_is_refused(mode: str, hosts: t.Any, words: str) -> None:
    sentence = envoy.explain(envoy.PolicyCheck("mixer", POLICY, mode, LISTENER), hosts)
    assert words in sentence
    assert LISTENER in sentence
    assert "UNAVAILABLE" in sentence
    assert "disablePolicyChecks or policyCheckFailOpen" in sentence


@pytest.mark.parametrize(
    ("mode", "hosts", "words"),
    [
        ("closed", [host()], "may answer"),
        ("closed", [host(reachable=None, connections=7, failed_connections=6)], "may answer"),
        ("open", [host(reachable=False)], "fails open, so requests pass"),
        ("disabled", [], "switched off"),
    ],
)
def test_explain_what_passes(mode: str, hosts: t.Any, words: str) -> None:
    sentence = envoy.explain(envoy.PolicyCheck("mixer", POLICY, mode, LISTENER), hosts)
    assert words in sentence
    assert "UNAVAILABLE" not in sentence


@pytest.mark.parametrize(
    "call",
    [lambda: envoy.parse_json("<html>", "config_dump"), lambda: envoy.clusters({}), lambda: envoy.server("nginx")],
)
def test_another_program_is_recognised(call: t.Callable[[], t.Any]) -> None:
    with pytest.raises(envoy.EnvoyError, match="is another program listening there"):
        call()
