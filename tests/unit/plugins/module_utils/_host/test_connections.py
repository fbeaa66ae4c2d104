# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that others have to this host."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import connections
from ansible_collections.mesh.expansion.plugins.modules.vm_connections import wait

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(local: str, remote: str, state: str) -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n"


# 192.168.0.81:15006, 192.168.0.81:9080 and 127.0.0.1:15001 on a little-endian machine.
SIDECAR, SERVICE, OUTBOUND = "5100A8C0:3A9E", "5100A8C0:2378", "0100007F:3A99"
POD, OWN, PROXY = "0701F40A:C000", "5100A8C0:C001", "0600007F:C002"
IPV4 = HEAD + "".join(
    [
        line("00000000:2378", "00000000:0000", "0A"),
        line(SIDECAR, POD, "01"),
        line(SIDECAR, "0801F40A:C000", "06"),
        line(SERVICE, PROXY, "01"),
        line(OUTBOUND, OWN, "01"),
        line("5100A8C0:0016", "0100A8C0:D000", "01"),
        line(SERVICE, "0901F40A:C000", "08"),
    ]
)
IPV6 = HEAD + line("0000000000000000FFFF00005100A8C0:2378", "0000000000000000FFFF00000A01F40A:C000", "01")


def test_open_connections_are_read_in_both_families() -> None:
    assert [str(item) for item in connections.parse(IPV4, "little")] == [
        "10.244.1.7 to port 15006",
        "127.0.0.6 to port 9080",
        "192.168.0.81 to port 15001",
        "192.168.0.1 to port 22",
        "10.244.1.9 to port 9080",
    ]
    assert [str(item) for item in connections.parse(IPV6, "little")] == ["10.244.1.10 to port 9080"]


def test_a_big_endian_kernel_writes_the_words_as_they_are() -> None:
    (found,) = connections.parse(HEAD + line("C0A80051:2378", "0AF40107:C000", "01"), "big")
    assert str(found.peer) == "10.244.1.7"


def test_what_comes_from_this_host_itself_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tcp").write_text(IPV4)
    monkeypatch.setattr(connections, "_FILES", (str(tmp_path / "tcp"), str(tmp_path / "tcp6")))
    place = SimpleNamespace(address=ipaddress.ip_address("192.168.0.81"))
    monkeypatch.setattr(connections.addresses, "look", lambda: (["eth0"], [place]))
    monkeypatch.setattr(connections.parse, "__defaults__", ("little",))
    found = [str(item) for item in connections.from_others({9080, 15001, 15006})]
    assert found == ["10.244.1.7 to port 15006", "10.244.1.9 to port 9080"]


@pytest.mark.parametrize(("looks", "timeout", "left"), [([["a"], []], 5, []), ([["a"], ["a"]], 0, ["a"])])
def test_it_is_waited_until_nobody_is_left_or_the_time_is_up(
    looks: list[list[str]], timeout: int, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    found, _waited = wait(lambda: looks.pop(0), timeout, 3)
    assert found == left
    # Clients have that long to hear of it in any case, as far as the limit lets them.
    assert slept[0] == min(3, timeout)
