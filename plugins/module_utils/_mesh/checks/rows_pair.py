# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The row of several directors: that exactly one holds the address, and the others are ready. Pure.
Private to the collection."""

from __future__ import annotations

import typing as t

from .model import DIRECTORS_HOST, FAILED, OK, Row

Mapping = t.Mapping[str, t.Any]
ROW = "D1"
WHAT = "one director holds the VIP, the others are ready"
HOW = "addresses, ARP, keepalived and synchronisation on each director"


def row(directors: t.Mapping[str, Mapping]) -> Row:
    """Of the results of M(mesh.expansion.director_look) by host."""
    seen = {host: result for host, result in directors.items() if "places" in result}
    problems = _problems(directors, seen)
    holder = [host for host, result in seen.items() if result["places"]]
    ready = [host for host in seen if host not in holder]
    detail = "; ".join(problems) or f"{', '.join(holder)} holds it, {', '.join(ready)} would take it"
    state = FAILED if problems else OK
    return Row(ROW, WHAT, HOW, state, not problems, detail, DIRECTORS_HOST)


def _problems(directors: t.Mapping[str, Mapping], seen: t.Mapping[str, Mapping]) -> list[str]:
    problems = [f"{host} was not reached, or its check broke off" for host in directors if host not in seen]
    holders = [host for host, result in seen.items() if result["places"]]
    if not holders:
        problems.append("no director holds the VIP: see journalctl -u keepalived there")
    elif len(holders) > 1:
        problems.append(f"{', '.join(holders)} hold the VIP at the same time: they do not hear each other's adverts")
    macs: set[str] = set()
    for host, result in seen.items():
        problems += _one(host, result)
        macs.update((result.get("keepalived") or {}).get("answered_by") or [])
    if len(macs) > 1:
        problems.append(f"the VIP is answered from {', '.join(sorted(macs))}: it must be one hardware address")
    if len({tuple(result["drained"]) for result in seen.values()}) > 1:
        lists = [f"{host} {', '.join(result['drained']) or 'none'}" for host, result in seen.items()]
        problems.append(f"not the same nodes are out of service: {'; '.join(lists)}. Drain or undrain them again")
    return problems


def _one(host: str, result: Mapping) -> t.Iterator[str]:
    own = result.get("keepalived")
    if own is None:
        return
    if not own["active"]:
        yield f"keepalived does not run on {host}"
        return
    wanted = ["master"] if result["places"] else ["backup"]
    if list(own["synchronisation"]) != wanted:
        has = ", ".join(own["synchronisation"]) or "none"
        yield f"synchronisation of connections on {host} is {has}, should be {wanted[0]}"
    if own["standby"]:
        command = f"ansible-playbook mesh.expansion.failover -e director_back={host}"
        yield f"{host} is kept from holding the VIP: {command}"
