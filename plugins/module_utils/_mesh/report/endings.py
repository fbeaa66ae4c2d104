# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of all VMs ends, and when: each certificate once, with the VMs that have it. Pure. Private to the collection."""

from __future__ import annotations

import datetime
import typing as t

from ..checks import expiry
from ..checks.model import FAILED, OK, UNCHECKED, WARNING
from .model import Ending, clean

_ORDER = (expiry.ROOT, expiry.ISSUER, expiry.CERTIFICATE, expiry.TOKEN)


def endings(vms: t.Mapping[str, t.Mapping[str, t.Any]], now: datetime.datetime, days: int) -> list[Ending]:
    """From the results of M(mesh.expansion.verify_vm) by host."""
    found: dict[tuple[str, str], Ending] = {}
    for name, result in vms.items():
        host = clean(name)
        for item in expiry.dated(result):
            # A token has no fingerprint, and is of one VM.
            key, state = (item.kind, item.fingerprint or host), _state(item, now, days)
            known = found.get(key)
            if known is not None:
                found[key] = known._replace(hosts=(*known.hosts, host), state=_better(known.state, state))
                continue
            found[key] = Ending(item.kind, clean(item.name), item.start, item.end, state, (host,), item.fingerprint)
    return sorted(found.values(), key=lambda item: (_ORDER.index(item.kind), item.end, item.hosts))


def _state(item: expiry.Dated, now: datetime.datetime, days: int) -> str:
    """A token matters until there is a certificate, a root only where the VM's certificate is of it."""
    if item.kind == expiry.TOKEN:
        return UNCHECKED if item.end <= now else OK
    if not item.used:
        return UNCHECKED
    if item.end <= now:
        return FAILED
    return WARNING if item.due(now, days) else OK


def _better(known: str, other: str) -> str:
    """Used by one VM is used."""
    return other if known == UNCHECKED else known
