# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects may still hold VMs when they could not be taken out: for whoever has to do it later, or by hand. Pure.

Nothing can be read then, so this is what the backend writes for them. Private to the collection.
"""

from __future__ import annotations

import typing as t

from .layers import Wish
from .model import Registration
from .services import AUTO, ENDPOINTS, ENTRIES, SELECTING, SLICES
from .workload_entry import entry_name


def left_over(batch: t.Sequence[Registration], wish: Wish, written: t.Sequence[str]) -> list[str]:
    """`written` are the operations that were made before it failed."""
    gone = {label for text in written for verb, _space, label in [text.partition(" ")] if verb == "delete"}
    first = {vm.address: item.name for item in reversed(batch) for vm in item.endpoints}
    found = [label for item in batch for label in _objects(item, wish, first)]
    return [label for label in dict.fromkeys(found) if label not in gone]


def _objects(item: Registration, wish: Wish, first: t.Mapping[str, str]) -> t.Iterator[str]:
    where, backend = item.namespace, wish.backend
    yield f"Service {item.label}"
    if backend == ENDPOINTS:
        yield f"Endpoints {item.label}"
    if backend == SLICES or (item.plain_clients and backend in SELECTING):
        yield f"EndpointSlices of Service {item.label}"
    for vm in item.endpoints:
        if backend == ENTRIES:
            yield f"WorkloadEntry {where}/{entry_name(vm.address)}"
        if backend == AUTO:
            yield f"WorkloadGroup {where}/{vm.group or first[vm.address]}"
        if backend in SELECTING and wish.accounts and vm.service_account != "default":
            yield f"ServiceAccount {where}/{vm.service_account}"
