# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's name servers say of the mesh's names (R10). Private to the collection.

As the program host does it, by resolv.conf, but without a process for each name: these took a third of the time that a
VM is looked at.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._host import dns
from ..._host.dns_client import ask
from ..resolver import named

_SECONDS = 3
# After another code programs ask the next server.
_KNOWN = ("NOERROR", "NXDOMAIN")

Ask = t.Callable[[str, int, str, str, str, float], dns.Answer]
Said = t.Dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Config:
    """Of resolv.conf what matters here: resolv.conf(5)."""

    servers: t.Sequence[str]
    # Domains that a name with too few dots is tried in at first.
    search: t.Sequence[str]
    ndots: int = 1

    def candidates(self, name: str) -> list[str]:
        within = [f"{name}.{domain.strip('.')}" for domain in self.search if domain.strip(".")]
        return [name, *within] if name.count(".") >= self.ndots else [*within, name]


def config(resolv_conf: str) -> Config:
    """The last line of a kind counts, but for servers."""
    search = re.findall(r"^\s*(?:search|domain)\s+(\S.*)$", resolv_conf, re.MULTILINE)
    ndots = re.findall(r"^\s*options\s.*\bndots:(\d+)", resolv_conf, re.MULTILINE)
    return Config(named(resolv_conf), search[-1].split() if search else [], int(ndots[-1]) if ndots else 1)


def look_up(names: t.Sequence[str], resolv_conf: str, ask_server: Ask = ask) -> dict[str, Said]:
    """Of each name the addresses, or what was said instead. What answers under another name does not count."""
    told = config(resolv_conf)
    if not told.servers:
        return {name: _said("resolv.conf names no server") for name in names}
    found: dict[str, Said] = {}
    silent: list[str] = []
    for name in names:
        found[name] = _look_up(name, told, silent, ask_server)
    return found


def _look_up(name: str, told: Config, silent: list[str], ask_server: Ask) -> Said:
    said: list[str] = []
    for candidate in told.candidates(name):
        answer = _first_answer(candidate, told.servers, silent, said, ask_server)
        if answer is None:
            break
        if answer.addresses:
            if candidate == name:
                return {"addresses": list(answer.addresses), "said": ""}
            return _said(f"{candidate} answers {', '.join(answer.addresses)} in its place, by search in resolv.conf")
        said.append(f"{candidate}: {answer.rcode}")
    return _said("; ".join(dict.fromkeys(said)))


def _first_answer(
    name: str, servers: t.Sequence[str], silent: list[str], said: list[str], ask_server: Ask
) -> dns.Answer | None:
    """Of the first server that knows whether there is such a name. One that was silent is not waited for again."""
    for server in servers:
        if server in silent:
            said.append(f"{server} does not answer")
            continue
        try:
            answer = ask_server(server, 53, name, "A", "udp", _SECONDS)
        except OSError as exc:
            silent.append(server)
            said.append(f"{server} does not answer: {exc}")
            continue
        except (dns.DnsError, UnicodeError) as exc:
            said.append(str(exc))
            continue
        if answer.rcode in _KNOWN:
            return answer
        said.append(f"{server} answers {answer.rcode} for {name}")
    return None


def _said(text: str) -> Said:
    return {"addresses": [], "said": text}
