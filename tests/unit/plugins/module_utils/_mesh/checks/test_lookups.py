# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names are asked for as the program host does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import dns
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import lookups

VIP = "192.168.0.62"
Answers = Mapping[tuple[str, str], "tuple[str, tuple[str, ...]] | Exception"]


class Servers:
    """Of each server and name what it says; NXDOMAIN of all others."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def ask(self, server: str, _port: int, name: str, _kind: str, _protocol: str, _timeout: float) -> dns.Answer:
        self.asked.append((server, name))
        said = self.answers.get((server, name), self.answers.get((server, "*"), ("NXDOMAIN", ())))
        if isinstance(said, Exception):
            raise said
        return dns.Answer(*said, truncated=False)


def found(text: str, answers: Answers, *names: str) -> tuple[dict[str, lookups.Said], list[tuple[str, str]]]:
    servers = Servers(answers)
    return lookups.look_up(names, text, servers.ask), servers.asked


def test_the_first_server_is_asked_for_each_name() -> None:
    said, asked = found(
        "nameserver 127.0.0.1\nnameserver 192.168.0.1\n",
        {("127.0.0.1", "istio-pilot"): ("NOERROR", (VIP,))},
        "istio-pilot",
        "istio-ca",
    )
    assert said["istio-pilot"] == {"addresses": [VIP], "said": ""}
    assert said["istio-ca"] == {"addresses": [], "said": "istio-ca: NXDOMAIN"}
    assert asked == [("127.0.0.1", "istio-pilot"), ("127.0.0.1", "istio-ca")]


@pytest.mark.parametrize("silent", [TimeoutError("timed out"), ("SERVFAIL", ())])
def test_the_next_server_is_asked_where_the_first_knows_nothing(
    silent: Exception | tuple[str, tuple[str, ...]],
) -> None:
    said, asked = found(
        "nameserver 127.0.0.1\nnameserver 192.168.0.1\n",
        {("127.0.0.1", "*"): silent, ("192.168.0.1", "a.b"): ("NOERROR", (VIP,))},
        "a.b",
        "c.d",
    )
    assert said["a.b"]["addresses"] == [VIP]
    assert "127.0.0.1" in said["c.d"]["said"]
    again = ("127.0.0.1", "c.d") in asked
    assert again == isinstance(silent, tuple), "only who was silent is not waited for again"


def test_who_is_silent_is_named() -> None:
    said, asked = found("nameserver 127.0.0.1\n", {("127.0.0.1", "*"): OSError("refused")}, "a", "b")
    assert said["a"] == {"addresses": [], "said": "127.0.0.1 does not answer: refused"}
    assert said["b"] == {"addresses": [], "said": "127.0.0.1 does not answer"}
    assert len(asked) == 1


def test_a_search_domain_comes_first_for_names_with_few_dots() -> None:
    text = "domain old.example\nsearch example.com. corp\noptions timeout:1 ndots:2\nnameserver 10.0.0.1\n"
    answers = {("10.0.0.1", "istio-pilot.corp"): ("NOERROR", ("10.9.9.9",))}
    said, asked = found(text, answers, "istio-pilot", "a.b.c")
    assert said["istio-pilot"]["addresses"] == []
    assert said["istio-pilot"]["said"].startswith("istio-pilot.corp answers 10.9.9.9 in its place")
    names = [name for _server, name in asked]
    assert names == ["istio-pilot.example.com", "istio-pilot.corp", "a.b.c", "a.b.c.example.com", "a.b.c.corp"]


def test_without_a_server_nothing_can_be_asked() -> None:
    said, asked = found("# empty\n", {}, "a")
    assert (said["a"]["said"], asked) == ("resolv.conf names no server", [])


def test_what_is_no_host_name_is_said() -> None:
    servers = "nameserver 127.0.0.1\n"
    assert "not a host name" in lookups.look_up(["a..b"], servers)["a..b"]["said"]
