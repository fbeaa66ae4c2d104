# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of what verify has seen, and the page and the alerts that name them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.filter.verify_textfile import verify_textfile
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import proxy

from tests.unit.plugins.mesh_pki import authority

ROOT = Path(__file__).resolve().parents[6]
PAGE = (ROOT / "docs/monitoring.md").read_text()
ALERTS = yaml.safe_load((ROOT / "docs/alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
NAME = re.compile(r"\bmesh_expansion_\w+")
FIXTURES = ROOT / "tests/unit/plugins/fixtures/envoy"
# In v3_clusters.json.
CLUSTERS = ENDPOINTS = 3
STATISTICS = {"connections": 7, "in_packets": 8, "out_packets": 0, "in_bytes": 900, "out_bytes": 0}
IPVS: dict[str, Any] = {
    "services": [
        {
            "tcp_service": "192.0.2.62:15012",
            "statistics": STATISTICS,
            "real_servers": [
                {
                    "real_server": f"192.0.2.7{number}:15012",
                    "weight": weight,
                    "active_connections": 2,
                    "inactive_connections": 1,
                    "statistics": STATISTICS,
                }
                for number, weight in ((1, 1), (2, 0))
            ],
        },
        {"udp_service": "192.0.2.62:53", "statistics": STATISTICS, "real_servers": []},
    ]
}
DIRECTOR: dict[str, Any] = {
    "operations": ["-a x"],
    "places": ["eth0/32"],
    "drained": ["192.0.2.72"],
    "keepalived": {"standby": False, "synchronisation": ["master"], "failing": ["192.0.2.73"]},
}
STATS = """\
cluster_manager.cds.update_success: 3
listener_manager.lds.update_success: 2
listener_manager.lds.update_rejected: 1
http.outbound_0.0.0.0_80.rds.80.update_success: 4
http.outbound_0.0.0.0_81.rds.81.update_success: 5
cluster.outbound|80||web.default.svc.cluster.local.update_success: 6
control_plane.connected_state: 1
"""
ROWS = [
    {"row": "I9", "host": "web1", "what": 'a "row"', "state": "ok"},
    {"row": "I8", "host": "web1", "what": "b", "state": "warning"},
    {"row": "I7", "host": "web1", "what": "c", "state": "FAILED"},
    {"row": "I15", "host": "web1", "what": "d", "state": "not checked"},
    {"row": "I1", "host": "cluster", "what": "e", "state": "ok"},
    {"row": "D1", "host": "directors", "what": "f", "state": "FAILED"},
    {"row": "I4", "host": "lvs1", "what": "g", "state": "ok"},
]


def envoy(stats: str = STATS) -> dict[str, Any]:
    pages = {"/server_info": "v3_server_info.json", "/clusters?format=json": "v3_clusters.json"}

    def read(path: str) -> str:
        return (FIXTURES / pages[path]).read_text() if path in pages else stats

    return proxy.look(read)


def identity() -> dict[str, Any]:
    files = authority().issue()
    claims = {"exp": 2000000000, "sub": "web"}
    return {
        "identity": {"chain": files["cert-chain.pem"].decode(), "root": files["root-cert.pem"].decode()},
        "bootstrap": {"token": {"claims": claims}},
    }


def values(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def everything() -> str:
    return verify_textfile({**identity(), "proxy": envoy()}, director=DIRECTOR, ipvs=IPVS, rows=ROWS, host="lvs1")


def test_a_director() -> None:
    found = values(verify_textfile({"skipped": True}, director=DIRECTOR, ipvs=IPVS, rows=ROWS, host="lvs1"))
    service = 'protocol="tcp",service="192.0.2.62:15012"'
    expected = {
        "mesh_expansion_director_holds_vip": "1",
        'mesh_expansion_director_sync{role="master"}': "1",
        'mesh_expansion_director_sync{role="backup"}': "0",
        "mesh_expansion_director_standby": "0",
        "mesh_expansion_director_pending_operations": "1",
        "mesh_expansion_director_drained_nodes": "1",
        'mesh_expansion_node_drained{node="192.0.2.72"}': "1",
        "mesh_expansion_director_failing_nodes": "1",
        f"mesh_expansion_ipvs_servers{{{service}}}": "2",
        f"mesh_expansion_ipvs_servers_in_use{{{service}}}": "1",
        'mesh_expansion_ipvs_servers{protocol="udp",service="192.0.2.62:53"}': "0",
        f"mesh_expansion_ipvs_connections_total{{{service}}}": "7",
        f'mesh_expansion_ipvs_packets_total{{{service},direction="in"}}': "8",
        f'mesh_expansion_ipvs_bytes_total{{{service},direction="out"}}': "0",
        f'mesh_expansion_ipvs_server_weight{{{service},server="192.0.2.72:15012"}}': "0",
        f'mesh_expansion_ipvs_server_active_connections{{{service},server="192.0.2.71:15012"}}': "2",
        f'mesh_expansion_ipvs_server_connections_total{{{service},server="192.0.2.71:15012"}}': "7",
        'mesh_expansion_check_ok{row="D1",host="directors",what="f"}': "0",
        'mesh_expansion_check_ok{row="I1",host="cluster",what="e"}': "1",
        'mesh_expansion_check_ok{row="I4",host="lvs1",what="g"}': "1",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert not any("sidecar" in name or "certificate" in name or "web1" in name for name in found)


def test_a_director_alone() -> None:
    """Without keepalived nothing is said of it."""
    alone = {**DIRECTOR, "drained": [], "places": []}
    del alone["keepalived"]
    found = values(verify_textfile({}, director=alone))
    assert found["mesh_expansion_director_holds_vip"] == "0"
    assert not any("sync" in name or "standby" in name or "node_drained" in name for name in found)


def test_a_vm() -> None:
    found = values(verify_textfile({**identity(), "proxy": envoy()}, rows=ROWS, host="web1"))
    updates = "mesh_expansion_sidecar_updates_total"
    expected = {
        "mesh_expansion_sidecar_ready": "1",
        "mesh_expansion_sidecar_connected": "1",
        f'{updates}{{kind="lds",result="rejected"}}': "1",
        f'{updates}{{kind="rds",result="success"}}': "9",
        f'{updates}{{kind="eds",result="success"}}': "6",
        'mesh_expansion_check_ok{row="I9",host="web1",what="a \\"row\\""}': "1",
        'mesh_expansion_check_ok{row="I8",host="web1",what="b"}': "1",
        'mesh_expansion_check_ok{row="I7",host="web1",what="c"}': "0",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert not any("I15" in name or "lvs1" in name or "cluster" in name.partition("host=")[2] for name in found)
    healthy, ill = (int(found[f'mesh_expansion_sidecar_endpoints{{healthy="{text}"}}']) for text in ("true", "false"))
    assert (healthy + ill, int(found["mesh_expansion_sidecar_clusters"])) == (ENDPOINTS, CLUSTERS)


def test_an_envoy_that_is_silent() -> None:
    def read(path: str) -> str:
        raise OSError("refused")

    found = values(verify_textfile({**identity(), "proxy": proxy.look(read)}))
    assert found["mesh_expansion_sidecar_ready"] == "0"
    assert not any("endpoints" in name or "clusters" in name or "connected" in name for name in found)


@pytest.mark.parametrize(
    ("stats", "expected"), [("", None), (STATS, "1"), (STATS.replace("state: 1", "state: 0"), "0")]
)
def test_whether_it_is_connected(stats: str, expected: str | None) -> None:
    """What Envoy does not count is not said."""
    found = values(verify_textfile({**identity(), "proxy": envoy(stats)}))
    assert found.get("mesh_expansion_sidecar_connected") == expected


def test_another_program_in_its_place() -> None:
    assert proxy.look(lambda path: "<html>")["state"] == ""


def test_a_host_that_was_not_looked_at() -> None:
    assert verify_textfile({"unreachable": True}, director={"msg": "x"}, ipvs={}, rows=[], host="web1") == ""


def test_results_of_others() -> None:
    with pytest.raises(AnsibleFilterError, match="not those of the modules"):
        verify_textfile({}, ipvs={"services": [{"real_servers": []}]})


def test_each_metric_is_explained_once_before_its_values() -> None:
    lines = everything().splitlines()
    names = [NAME.match(line)[0] for line in lines if not line.startswith("#")]  # type: ignore[index]
    explained = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert explained == list(dict.fromkeys(names))
    assert all(line.endswith(" counter") == ("_total " in line) for line in lines if line.startswith("# TYPE"))
    assert values(everything())["mesh_expansion_verify_timestamp_seconds"].isdigit()


def written() -> set[str]:
    return set(NAME.findall("\n".join(line for line in everything().splitlines() if not line.startswith("#"))))


def test_the_page_has_all_metrics_and_no_other() -> None:
    cells = " ".join(re.findall(r"^\|([^|]+)\|", PAGE, re.MULTILINE))
    assert set(NAME.findall(cells)) == written()


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    named = set(NAME.findall(rule["expr"]))
    assert named
    assert named <= written()
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert set(rule["annotations"]) == {"summary", "description"}
    for label in re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())):
        assert label == "instance" or any(f'{label}="' in line for line in with_metrics(named)), label
    for label in re.findall(r"(\w+)=~?\"", rule["expr"]):
        assert any(f'{label}="' in line for line in with_metrics(named)), label
    for playbook in re.findall(r"mesh\.expansion\.(\w+)", rule["annotations"]["description"]):
        assert (ROOT / f"playbooks/{playbook}.yml").is_file(), playbook


def with_metrics(names: set[str]) -> list[str]:
    return [line for line in everything().splitlines() if line.partition("{")[0] in names]
