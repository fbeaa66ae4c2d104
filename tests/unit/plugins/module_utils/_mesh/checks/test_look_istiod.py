# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import commands, dns, footprint
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import look_istiod
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.look_istiod import Answer
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import look as sidecar_look

from tests.unit.plugins.fake_host import Host, make_host

from .conftest import RUNNING
from .test_vm_istiod import KUBERNETES, NAT, SERVER, STATS, WANTED

CLUSTERS = """{"cluster_statuses": [{"name": "outbound|8080||server.default.svc.cluster.local", "host_statuses":
  [{"address": {"socket_address": {"address": "192.168.0.62", "port_value": 15443}}}]}]}"""


@pytest.fixture
def host(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = make_host(tmp_path, monkeypatch)  # type: ignore[arg-type]
    made.program("getent", 'case "$2" in istiod*) printf "192.168.0.62 STREAM x\\n192.168.0.62 DGRAM\\n";; esac')
    made.program("iptables-legacy-save", f"cat <<'END'\n{NAT}END")
    made.program("iptables-nft-save")
    made.program("runuser", "echo 200 some words")
    monkeypatch.setattr(look_istiod, "_page", lambda path: STATS if "filter" in path else CLUSTERS)
    monkeypatch.setattr(look_istiod, "ordinary_problem", lambda _text: "")
    monkeypatch.setattr(look_istiod.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(
        sidecar_look,
        "look",
        lambda _settings: sidecar_look.Seen(envoy=sidecar_look.LIVE, units={layout.SIDECAR_UNIT: RUNNING}),
    )
    return made


def test_the_whole_look(host: Host) -> None:
    seen = look_istiod.look(WANTED, 1)
    assert seen.lookups == {WANTED.control_plane: ["192.168.0.62"], KUBERNETES: []}
    assert seen.nat == {"iptables-legacy": NAT, "iptables-nft": ""}
    assert seen.stats == STATS
    assert seen.answer == Answer(200, "some words", ["192.168.0.62:15443"])
    assert not seen.has_dnsmasq
    assert f"runuser -u nobody -- {look_istiod.sys.executable} -c import sys" in "\n".join(host.calls())


def test_a_host_that_dnsmasq_has_changed_is_known(host: Host) -> None:
    footprint.save(footprint.Footprint(role="dnsmasq"))
    assert look_istiod.look(WANTED, 1).has_dnsmasq


def test_a_request_is_made_where_it_is_wanted_and_possible(host: Host) -> None:
    for changes in ({"vm_to_pods": False}, {"server": ""}, {"dns_mode": "hosts"}):
        assert look_istiod.look(dataclasses.replace(WANTED, **changes), 1).answer is None


def test_a_request_that_fails_is_made_again(host: Host) -> None:
    host.program("runuser", f"test -e {host.root}/tried && echo 200 || {{ : > {host.root}/tried; echo 503 soon; }}")
    answer = look_istiod.look(WANTED, 1).answer
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize(
    ("done", "answer"),
    [
        (commands.Result(0, "404 not here\n", ""), Answer(404, "not here")),
        (commands.Result(1, "", "timed out\n"), Answer(0, "timed out")),
        (commands.Result(124, "", ""), Answer(0, "the request ended with 124")),
    ],
)
def test_what_a_request_said(done: commands.Result, answer: Answer) -> None:
    assert look_istiod.answer_of(done) == answer


@pytest.mark.parametrize(
    ("url", "cluster"),
    [
        (SERVER, "outbound|8080||server.default.svc.cluster.local"),
        ("http://server/", "outbound|80||server.shop.svc.cluster.local"),
        ("http://server.a.svc.cluster.local:81/x", "outbound|81||server.a.svc.cluster.local"),
        ("http://192.0.2.1/", ""),
    ],
)
def test_envoys_name_of_a_service(url: str, cluster: str) -> None:
    assert look_istiod.cluster_of(url, "shop", "cluster.local") == cluster


def test_a_sidecar_that_starts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ["silent", "not ready", sidecar_look.LIVE]
    units = {layout.SIDECAR_UNIT: RUNNING}
    monkeypatch.setattr(sidecar_look, "look", lambda _settings: sidecar_look.Seen(envoy=said.pop(0), units=units))
    monkeypatch.setattr(look_istiod.time, "sleep", lambda _seconds: None)
    assert look_istiod._ready(WANTED.sidecar, 60).envoy == sidecar_look.LIVE
    said = ["silent", sidecar_look.LIVE]
    units = {}
    assert look_istiod._ready(WANTED.sidecar, 60).envoy == "silent"


@pytest.mark.parametrize(
    ("rcode", "problem"),
    [("NOERROR", ""), ("NXDOMAIN", ""), ("SERVFAIL", "192.0.2.53 answers SERVFAIL for example.com")],
)
def test_ordinary_names(rcode: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_istiod.dns_client, "ask", lambda *_args: dns.Answer(rcode, (), False))
    assert look_istiod.ordinary_problem("nameserver 192.0.2.53\n") == problem


def test_a_name_server_that_is_silent_is_a_fault_unless_another_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(server: str, *_args: object) -> dns.Answer:
        if server == "192.0.2.53":
            raise TimeoutError("timed out")
        return dns.Answer("NOERROR", (), False)

    monkeypatch.setattr(look_istiod.dns_client, "ask", ask)
    assert (
        look_istiod.ordinary_problem("nameserver 192.0.2.53\n")
        == "192.0.2.53 does not answer for example.com: timed out"
    )
    assert look_istiod.ordinary_problem("nameserver 192.0.2.53\nnameserver 192.0.2.54\n") == ""
    assert look_istiod.ordinary_problem("") == "/etc/resolv.conf names no server"
