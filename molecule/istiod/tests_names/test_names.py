"""The other ways of names: the cluster's DNS on the virtual address, asked through dnsmasq, and, with
MESH_EXPANSION_FAULTS=all, istiod's name alone."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from kubernetes import client
from testinfra.host import Host

VIP = "192.168.0.62"
# The cluster's DNS knows whole names only.
SERVER = "http://server.default.svc.cluster.local:8080/"
VARIABLES = "@molecule/istiod/vars/site.yml"
Rows = dict[str, dict[str, Any]]
Joined = Callable[[str], Rows]


@pytest.fixture(scope="module")
def joined(
    playbook: Callable[..., CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Joined]:
    """The whole of site.yml with a way of names; the rows that it has verified at its end."""

    def run(mode: str) -> Rows:
        report: Path = tmp_path_factory.mktemp(mode) / "rows.json"
        given = ("-e", f"mesh_dns_mode={mode}", "-e", f"verify_report={report}", "-e", f"mesh_verify_server={SERVER}")
        done = playbook("site.yml", "-e", VARIABLES, *given)
        assert done.returncode == 0, done.stdout[-6000:]
        return {row["row"]: row for row in json.loads(report.read_text())}

    return run


def states(rows: Rows) -> dict[str, str]:
    return {name: row["state"] for name, row in rows.items() if row["state"] != "ok"}


def by_dnsmasq(rows: Rows, vm: Host, director: Host, core: client.CoreV1Api) -> None:
    assert states(rows) == {}
    address = core.read_namespaced_service("server", "default").spec.cluster_ip
    assert vm.check_output("host -t A server.default.svc.cluster.local.").endswith(f"has address {address}")
    servers = re.findall(r"^nameserver (\S+)", vm.file("/etc/resolv.conf").content_string, re.MULTILINE)
    assert servers[0] == "127.0.0.1"
    # The rules by which the sidecar answered names have gone with the way before.
    assert "15053" not in vm.check_output("iptables-legacy-save")
    assert SERVER in rows["I15"]["detail"]
    assert f"{VIP}:53 " in director.check_output("ipvsadm -S -n")


def by_istiods_name_alone(rows: Rows, vm: Host, director: Host, core: client.CoreV1Api) -> None:
    assert states(rows) == {"I15": "not checked"}
    assert vm.check_output("getent hosts istiod.istio-system.svc").startswith(VIP)
    assert vm.run("getent hosts server.default.svc.cluster.local").rc != 0
    # What the way before needed has gone.
    assert "127.0.0.1" not in vm.file("/etc/resolv.conf").content_string
    assert f"{VIP}:53 " not in director.check_output("ipvsadm -S -n")
    assert "kube-dns-lb" not in {item.metadata.name for item in core.list_namespaced_service("kube-system").items}


MODES = {"dnsmasq": by_dnsmasq, "hosts": by_istiods_name_alone}


@pytest.mark.parametrize("mode", MODES if os.environ.get("MESH_EXPANSION_FAULTS") == "all" else ["dnsmasq"])
def test_another_way_of_names(mode: str, joined: Joined, vm: Host, director: Host, core: client.CoreV1Api) -> None:
    MODES[mode](joined(mode), vm, director, core)
