# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node in a directory: what is refused, what is set and put back, hosts of older releases."""

from __future__ import annotations

import contextlib
import http.server
import ipaddress
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import footprint, kernel, paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.change import Broken
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.real_server import model, work
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.real_server.plan import text

from tests.unit.plugins.fake_director import links
from tests.unit.plugins.fake_host import Host, make_host

VIP = "192.168.0.62"
ARP = {"net/ipv4/conf/all/arp_ignore": "1", "net/ipv4/conf/all/arp_announce": "2"}


class Node:
    def __init__(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = host
        for interface in ("all", "eth0"):
            for name in model.NAMES:
                self.write(f"proc/sys/net/ipv4/conf/{interface}/{name}", "0\n")
        os.makedirs(host.path("etc/sysctl.d"))
        os.makedirs(host.path("var/lib"))
        for name in ("SYSCTLS", "STATE", "OLD_FOOTPRINT"):
            monkeypatch.setattr(model, name, host.path(getattr(model, name).lstrip("/")))
        monkeypatch.setattr(footprint, "ROOT", model.STATE)
        monkeypatch.setattr(kernel, "PROC", host.path("proc"))
        monkeypatch.setattr(paths, "_ids", lambda _wanted: (os.getuid(), os.getgid()))
        self.routes("eth0")
        for name in ("nft", "iptables"):
            host.program(name, "exit 1")

    def write(self, name: str, text: str) -> None:
        path = self.host.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def setting(self, name: str, interface: str = "all") -> str:
        return (self.host.root / f"proc/sys/net/ipv4/conf/{interface}/{name}").read_text().strip()

    def routes(self, interface: str, *places: str) -> None:
        """The addresses of the node, and which way replies leave."""
        shown = links("eth0 192.168.0.71/24", *places)
        route = json.dumps([{"dst": "192.168.0.81", "dev": interface}])
        self.host.program("ip", f"case \"$*\" in *route*) echo '{route}';; *) echo '{shown}';; esac")

    def params(self, **changes: Any) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in work.spec().items()}
        own = {"vip": VIP, "host": "node1", "proxy_mode": "iptables", "clients": ["192.168.0.81", "deb-nginx01"]}
        return {**defaults, **own, **changes}

    def look(self, **changes: Any) -> dict[str, Any]:
        return work.look_at(self.params(**changes))

    def __call__(self, check: bool = False, **changes: Any) -> dict[str, Any]:
        return work.apply(self.params(**changes), check)

    def files(self) -> dict[str, str]:
        tops = [self.host.root / name for name in ("etc", "var", "proc")]
        found = [path for top in tops for path in sorted(top.rglob("*"))]
        return {str(path): path.read_text() if path.is_file() else "" for path in found}


@pytest.fixture
def node(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(make_host(tmp_path, monkeypatch), monkeypatch)


def test_a_node_with_nothing_to_do(node: Node) -> None:
    settings = {"arp_ignore": 0, "arp_announce": 0, "rp_filter": 0}
    assert node.look() == {
        "changed": False,
        "interface": "eth0",
        "mode": "iptables",
        "settings": settings,
        "astray": [],
        "refusals": [],
        "operations": [],
    }
    before = node.files()
    assert node(manage_arp=True, manage_rp_filter=True)["changed"] is False
    assert node.files() == before


def test_settings_are_made_and_put_back(node: Node) -> None:
    node.routes("eth1")
    node.write("proc/sys/net/ipv4/conf/eth0/rp_filter", "1\n")
    before = node.files()
    wanted = {"proxy_mode": "ipvs", "manage_arp": True, "manage_rp_filter": True}
    planned = node.look(**wanted)["operations"]
    assert node(check=True, **wanted)["operations"] == planned
    assert node.files() == before
    done = node(**wanted)
    assert done["operations"] == planned
    assert planned[-3:] == [
        "set net/ipv4/conf/all/arp_ignore to 1",
        "set net/ipv4/conf/all/arp_announce to 2",
        "set net/ipv4/conf/eth0/rp_filter to 2",
    ]
    assert (node.setting("arp_ignore"), node.setting("rp_filter", "eth0")) == ("1", "2")
    assert paths.read_text(model.SYSCTLS) == (
        "# Ansible managed\n"
        "# arp_*: kube-ipvs0 holds the virtual address here, and only the director may answer ARP for it.\n"
        "# rp_filter: clients' packets come from the director, their replies leave by another interface.\n"
        "net/ipv4/conf/all/arp_ignore = 1\n"
        "net/ipv4/conf/all/arp_announce = 2\n"
        "net/ipv4/conf/eth0/rp_filter = 2\n"
    )
    assert node(**wanted)["changed"] is False
    removal = node(check=True, state="absent")["operations"]
    assert node(state="absent")["operations"] == removal
    assert node.files() == before
    assert node(state="absent")["changed"] is False


def test_a_failure_leaves_the_node_as_it_was(node: Node) -> None:
    os.remove(node.host.path("proc/sys/net/ipv4/conf/all/arp_announce"))
    before = node.files()
    with pytest.raises(Broken, match="arp_announce to 2: this kernel has no such setting") as caught:
        node(proxy_mode="ipvs", manage_arp=True)
    assert caught.value.restored
    assert node.files() == before


def test_a_node_of_an_older_release(node: Node) -> None:
    before = node.files()
    for name, value in ARP.items():
        node.write(f"proc/sys/{name}", value)
    node.write("var/lib/mesh-expansion/real-server-before.json", json.dumps(dict.fromkeys(ARP, "0")))
    lines = "".join(f"{name} = {value}\n" for name, value in ARP.items())
    node.write(
        "etc/sysctl.d/90-mesh-expansion-real-server.conf", text(model.Wanted(ipaddress.ip_address(VIP)), {}) + lines
    )
    joined = node.files()
    taken = node(proxy_mode="ipvs", manage_arp=True)["operations"]
    assert taken == [
        f"remember in {model.STATE}/real_server/footprint.json what was there before",
        f"remove {model.OLD_FOOTPRINT}",
    ]
    node(state="absent")
    assert node.files() == before
    # And without a run in between.
    for path, content in joined.items():
        if content and not os.path.exists(path):
            node.write(os.path.relpath(path, node.host.root), content)
    for name, value in ARP.items():
        node.write(f"proc/sys/{name}", value)
    node(state="absent")
    assert node.files() == before


@pytest.mark.parametrize(
    ("options", "place", "reason"),
    [
        (
            {"proxy_mode": "auto", "proxy_url": "http://127.0.0.1:1/x"},
            "",
            "node1: no answer from http://127.0.0.1:1/x, and neither",
        ),
        (
            {},
            f"eth0 {VIP}/32",
            f"{VIP} is on eth0 of node1, and kube-proxy works in the mode iptables. Remove the address",
        ),
        ({}, f"kube-ipvs0 {VIP}/32", "The interface is left over from the mode ipvs: run kube-proxy --cleanup"),
        (
            {"proxy_mode": "ipvs"},
            f"kube-ipvs0 {VIP}/32",
            f"node1 would take {VIP} away from the director: kube-proxy in ipvs mode",
        ),
        ({"vip": "10.9.9.9"}, "", "10.9.9.9 is in no subnet of node1: name the interface"),
        ({}, "eth1 192.168.0.70/24", "is in the subnets of eth0, eth1 of node1"),
    ],
)
def test_what_is_refused(node: Node, options: dict[str, Any], place: str, reason: str) -> None:
    node.routes("eth0", *([place] if place else []))
    look = node.look(**options)
    assert reason in look["refusals"][0]
    assert look["operations"] == []
    with pytest.raises(HostError) as caught:
        node(**options)
    assert reason in str(caught.value)


def test_replies_that_go_astray(node: Node) -> None:
    node.routes("eth1")
    assert node.look()["refusals"] == []
    node.write("proc/sys/net/ipv4/conf/all/rp_filter", "1\n")
    (reason,) = node.look()["refusals"]
    assert reason.startswith("node1 drops what comes from 192.168.0.81 through the director: it arrives on eth0")
    assert node.look(manage_rp_filter=True)["refusals"] == []


def test_strict_arp_is_enough(node: Node) -> None:
    node.routes("eth0", f"kube-ipvs0 {VIP}/32")
    for name, value in ARP.items():
        node.write(f"proc/sys/{name}", value)
    assert node.look(proxy_mode="ipvs")["refusals"] == []


@contextlib.contextmanager
def proxy(status: int, text: str) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_arguments: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/proxyMode"
        finally:
            server.shutdown()
            thread.join()


class TestMode:
    NOBODY = {"proxy_mode": "auto", "proxy_url": "http://127.0.0.1:1/proxyMode"}

    def test_kube_proxy_s_own_word(self, node: Node) -> None:
        with proxy(200, "nftables\n") as url:
            assert node.look(proxy_mode="auto", proxy_url=url)["mode"] == "nftables"
        with proxy(200, "userspace") as url:
            (reason,) = node.look(proxy_mode="auto", proxy_url=url)["refusals"]
        assert reason.startswith("node1: kube-proxy works in the mode userspace, which the role does not know.")

    def test_somebody_else_answers(self, node: Node) -> None:
        with proxy(404, "") as url, pytest.raises(HostError, match="answers with the status 404"):
            node.look(proxy_mode="auto", proxy_url=url)

    @pytest.mark.parametrize(("program", "mode"), [("nft", "nftables"), ("iptables", "iptables")])
    def test_traces(self, node: Node, program: str, mode: str) -> None:
        node.host.program(program)
        assert node.look(**self.NOBODY)["mode"] == mode

    def test_the_interface_of_ipvs(self, node: Node) -> None:
        node.routes("eth0", "kube-ipvs0 10.233.0.1/32")
        assert node.look(**self.NOBODY)["mode"] == "ipvs"

    def test_a_program_that_fails(self, node: Node) -> None:
        node.host.program("nft", "echo broken >&2; exit 4")
        with pytest.raises(HostError, match="nft list table ip kube-proxy ended with 4: broken"):
            node.look(**self.NOBODY)
