# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's Services make of its workload: one set of labels and ports, one identity. Pure.

A VM is one workload, whatever it serves: istiod finds a proxy's workload by its address, so two of them for one VM
would hide one another. Private to the collection.
"""

from __future__ import annotations

import typing as t

from .model import Labels, RegistrationError, VmEndpoint
from .objects import as_record, from_record
from .subsets import JsonObject


class Share(t.NamedTuple):
    """What one Service asks of a VM's workload."""

    item: VmEndpoint
    # The Service's selector, when this was written.
    selector: Labels = ()
    # The names by which the Service asks its endpoints for ports, where they are not the ports' own.
    targets: Labels = ()


Shares = t.Dict[str, Share]
"""By Service."""


class Workload(t.NamedTuple):
    """The part of a WorkloadEntry, or of a WorkloadGroup's template, that is ours."""

    labels: t.Mapping[str, str]
    ports: t.Mapping[str, int]
    # The other fields, as the API calls them; None where the inventory gives no value.
    fields: t.Mapping[str, t.Any]


NOTHING = Workload({}, {}, {})


def write_shares(shares: t.Mapping[str, Share]) -> JsonObject:
    return {
        service: {
            **as_record(share.item),
            "selector": dict(share.selector),
            **({"targets": dict(share.targets)} if share.targets else {}),
        }
        for service, share in shares.items()
    }


def read_shares(address: str, content: t.Mapping[str, t.Any], where: str) -> Shares:
    return {
        service: Share(from_record(address, item, where), _sorted(item["selector"]), _sorted(item.get("targets") or {}))
        for service, item in content.items()
    }


def _sorted(pairs: t.Mapping[str, str]) -> Labels:
    return tuple(sorted(pairs.items()))


def fields_of(item: VmEndpoint) -> dict[str, t.Any]:
    return {
        "serviceAccount": item.service_account,
        "network": item.network or None,
        "locality": item.locality or None,
        "weight": item.weight,
    }


def merge(where: str, shares: t.Mapping[str, Share]) -> Workload:
    """All that the Services ask of one VM; they must agree."""
    labels: dict[str, str] = {}
    ports: dict[str, int] = {}
    fields: dict[str, t.Any] = {}
    for share in shares.values():
        for key, value in (*share.selector, *share.item.labels):
            _agree(where, f"label {key}", labels.setdefault(key, value), value)
        targets = dict(share.targets)
        for port in share.item.ports:
            for name in dict.fromkeys((port.name, targets.get(port.name, port.name))):
                _agree(where, f"port {name}", ports.setdefault(name, port.number), port.number)
        for key, value in fields_of(share.item).items():
            _agree(where, key, fields.setdefault(key, value), value)
    return Workload(labels, ports, fields)


def _agree(where: str, what: str, first: t.Any, second: t.Any) -> None:
    if first != second:
        raise RegistrationError(
            f"{where}: its Services ask for {what} {first!r} and {second!r}, but a VM is one workload. Give both the "
            "same value, or select by labels that do not exclude each other (selector of the Service)."
        )


def put(where: str, target: JsonObject, labels: JsonObject, old: Workload, new: Workload) -> None:
    """Write `new` over `old` into a template and its labels; what others wrote stays."""
    _put_keys(where, "label", labels, old.labels, new.labels)
    ports = dict(target.get("ports") or {})
    _put_keys(where, "port", ports, old.ports, new.ports)
    if ports or "ports" in target:
        target["ports"] = ports
    for key in ("serviceAccount", "network", "locality", "weight"):
        if new.fields.get(key) is not None:
            target[key] = new.fields[key]
        elif old.fields.get(key) is not None and target.get(key) == old.fields[key]:
            del target[key]


def _put_keys(
    where: str, what: str, target: JsonObject, old: t.Mapping[str, t.Any], new: t.Mapping[str, t.Any]
) -> None:
    for key in old.keys() - new.keys():
        if target.get(key) == old[key]:
            del target[key]
    for key, value in new.items():
        if key in target and target[key] != value and key not in old:
            raise RegistrationError(
                f"{where}: somebody else gave it the {what} {key} with the value {target[key]!r}; {value!r} is "
                f"wanted. Remove that {what} from the object, or change the inventory."
            )
        target[key] = value
