# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as a document, and what differs from the one before. Pure. Private to the collection."""

from __future__ import annotations

import json
import typing as t

from ..checks.model import FAILED, OK, UNCHECKED, WARNING
from . import model
from .model import Ending, Report, worst

FORMAT = 1
WORSE, BETTER, OTHER = "worse", "better", "other"
_KINDS = {
    "certificate": "the certificate of {hosts}",
    "issuer": "the signing certificate {name}",
    "root": "the root certificate {name}",
    "token": "the token of {hosts}",
}
_RANK = (OK, model.OUT, UNCHECKED, WARNING, FAILED)
Document = t.Dict[str, t.Any]


class Change(t.NamedTuple):
    kind: str
    text: str


class Changes(t.NamedTuple):
    """What changed between two moments; C(since) is empty when nothing is known of before."""

    items: t.Sequence[Change] = ()
    since: str = ""
    seen: str = ""
    # Since when nothing did, if that was seen later.
    quiet: str = ""


def document(report: Report) -> Document:
    """All that the page shows but what changed, in plain values."""
    return {
        "format": FORMAT,
        "time": report.moment.strftime(model.TIME),
        "control_plane": report.control_plane,
        "vip": {"address": report.vip, "state": report.vip_state},
        "cluster": report.cluster._asdict(),
        "hosts": [host._asdict() for host in report.hosts],
        "services": [service._asdict() for service in report.services],
        "edges": [edge._asdict() for edge in report.edges],
        "rows": [row._asdict() for row in report.rows],
        "endings": [_ending(item) for item in report.endings],
    }


def _ending(item: Ending) -> Document:
    moments = {"start": item.start.strftime(model.TIME), "end": item.end.strftime(model.TIME)}
    return {**item._asdict(), **moments, "hosts": list(item.hosts)}


def read(text: str) -> Document:
    """The former document; empty when there is none, or none that can be compared."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("format") == FORMAT else {}


def compare(former: Document, now: Document) -> list[Change]:
    """In the order in which the page shows things."""
    return [*_site(former, now), *_hosts(former, now), *_rows(former, now), *_endings(former, now)]


def since(text: str, now: Document) -> Changes:
    """What to show: what changed since the former report, or else what had changed before that one. A file that
    cannot be compared is taken as none."""
    try:
        former = read(text)
        return _since(former, now) if former else Changes()
    except (KeyError, TypeError, AttributeError, ValueError):
        return Changes()


def _since(former: Document, now: Document) -> Changes:
    items, known = compare(former, now), former["changes"]
    if items:
        return Changes(items, former["time"], now["time"])
    if not known["items"]:
        return Changes((), known["since"] or former["time"])
    return Changes([Change(*item) for item in known["items"]], known["since"], known["seen"], known["seen"])


def recorded(now: Document, changed: Changes) -> Document:
    """The document that the next report is compared with."""
    told = {"since": changed.since, "seen": changed.seen, "items": [list(item) for item in changed.items]}
    return {**now, "changes": told}


def _site(former: Document, now: Document) -> t.Iterator[Change]:
    for name, was, is_now in (
        ("the virtual address", former["vip"]["address"], now["vip"]["address"]),
        ("mesh_control_plane", former["control_plane"], now["control_plane"]),
    ):
        if was != is_now:
            yield Change(OTHER, f"{name} was {was}, is {is_now}")
    yield from _versions("", former["cluster"], now["cluster"])


def _hosts(former: Document, now: Document) -> t.Iterator[Change]:
    before, after = _by_name(former), _by_name(now)
    for key, host in after.items():
        known, name = before.get(key), host["name"]
        if known is None:
            yield Change(OTHER, f"{name} is new in the inventory ({host['role']})")
            continue
        if known["address"] != host["address"]:
            yield Change(OTHER, f"{name} was {known['address']}, is {host['address']}")
        if {known["reached"], host["reached"]} == {True, False}:
            yield (
                Change(BETTER, f"{name} is reached again")
                if host["reached"]
                else Change(WORSE, f"{name} is not reached any more")
            )
        yield from _versions(f"{name}: ", known, host)
    for role, name in before.keys() - after.keys():
        yield Change(OTHER, f"{name} is no longer in the inventory ({role})")


def _by_name(found: Document) -> dict[tuple[str, str], Document]:
    return {(host["role"], host["name"]): host for host in found["hosts"]}


def _versions(where: str, known: Document, host: Document) -> t.Iterator[Change]:
    for what, version in host["versions"].items():
        former = known["versions"].get(what, version)
        if former != version:
            yield Change(OTHER, f"{where}{what} was {former}, is {version}")


def _rows(former: Document, now: Document) -> t.Iterator[Change]:
    """Of what was looked at both times; that a host was not reached is said once, and not row by row."""
    blind = {host["name"] for found in (former, now) for host in found["hosts"] if not host["reached"]}
    if not (former["cluster"]["reached"] and now["cluster"]["reached"]):
        blind.add("cluster")
    if former["cluster"]["reached"] is not now["cluster"]["reached"]:
        yield (
            Change(BETTER, "the cluster is reached again")
            if now["cluster"]["reached"]
            else Change(WORSE, "the cluster is not reached any more")
        )
    before, after = _judged(former), _judged(now)
    for key, (state, what, detail) in after.items():
        row, host = key
        if blind & {host, *host.split(", ")}:
            continue
        was, dummy, said = before.get(key, (OK, "", ""))
        where = f"{row} {host}, {what}"
        if state != was:
            kind = WORSE if _RANK.index(state) > _RANK.index(was) else BETTER
            reason = f": {detail}" if state != OK else ""
            yield Change(kind, f"{where}: was {was}, is {state}{reason}")
        elif state == FAILED and detail != said:
            yield Change(OTHER, f"{where}: now {detail}")


def _judged(found: Document) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Several rows may be about the same host, one for each of its services."""
    grouped: dict[tuple[str, str], list[Document]] = {}
    for row in found["rows"]:
        grouped.setdefault((row["row"], row["host"]), []).append(row)
    return {
        key: (worst(row["state"] for row in rows), rows[0]["what"], "; ".join(row["detail"] for row in rows))
        for key, rows in grouped.items()
    }


def _endings(former: Document, now: Document) -> t.Iterator[Change]:
    before, after = _ends(former), _ends(now)
    unseen = {host["name"] for found in (former, now) for host in found["hosts"] if not host["reached"]}
    for key, item in after.items():
        name = _KINDS[item["kind"]].format(hosts=", ".join(item["hosts"]), name=item["name"])
        if key not in before:
            if not unseen & set(item["hosts"]):
                yield Change(OTHER, f"{name} is new, and ends at {item['end']}")
        elif before[key]["end"] != item["end"]:
            yield Change(OTHER, f"{name} was renewed, and ends at {item['end']}")
    for key in before.keys() - after.keys():
        item = before[key]
        if not unseen & set(item["hosts"]):
            name = _KINDS[item["kind"]].format(hosts=", ".join(item["hosts"]), name=item["name"])
            yield Change(OTHER, f"{name} is there no longer")


def _ends(found: Document) -> dict[tuple[str, str], Document]:
    """A VM's own certificate and token by the VM, the others by themselves."""
    own = ("certificate", "token")
    return {
        (item["kind"], ", ".join(item["hosts"]) if item["kind"] in own else item["fingerprint"]): item
        for item in found["endings"]
    }
