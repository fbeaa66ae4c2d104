# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import dns, dns_client
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import steps

from tests.unit.plugins.fake_host import make_host

QUERY = {"name": "a", "type": "A", "protocol": "udp", "expect": None, "empty": False}


def test_the_probe_tells_all_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(server: str, port: int, name: str, *_rest: t.Any) -> dns.Answer:
        assert (server, port) == ("127.0.0.1", 53)
        if name == "good":
            return dns.Answer("NOERROR", ("10.0.0.1",), False)
        raise TimeoutError

    monkeypatch.setattr(dns_client, "ask", ask)
    monkeypatch.setattr(steps.time, "sleep", lambda _seconds: None)
    queries = [{**QUERY, "name": name} for name in ("bad", "good", "worse")]
    probe = steps.Probe("127.0.0.1", queries, 3)
    assert str(probe) == "ask the new resolver 127.0.0.1 for bad, good, worse"
    pauses: list[None] = []
    with pytest.raises(HostError, match=r"^name server 127.0.0.1: bad \(A\) does not answer in time; worse \(A\)"):
        pauses.extend(probe.run())
    assert len(pauses) == 7
    assert list(steps.Probe("127.0.0.1", queries[1:2], 3).run()) == [None]


def test_lookups_tell_which_names_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = make_host(tmp_path, monkeypatch)
    host.program("getent", 'test "$2" = good')
    with pytest.raises(HostError, match="does not resolve bad, worse through the new resolv.conf; .*nsswitch.conf"):
        list(steps.Lookups(["bad", "good", "worse"]).run())
    assert list(steps.Lookups(["good"]).run()) == [None]
