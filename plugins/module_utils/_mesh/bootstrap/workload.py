# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM is to the mesh that is no member of a WorkloadGroup: what its Services make of it. Pure.

The same for every backend that needs no group, so that a VM's files stay when it moves from one to another. Private to
the collection.
"""

from __future__ import annotations

import typing as t

from ..register.hosts import registrations
from ..register.model import RegistrationError, parse_registrations
from ..register.workload import Share, merge
from .errors import BootstrapError
from .group import WorkloadGroup

# Any address will do: what is made here does not hold it.
_ANY = "192.0.2.1"


def of_services(name: str, namespace: str, given: t.Mapping[str, t.Any]) -> WorkloadGroup:
    """`given` is the option C(workload) of istio_vm_bootstrap."""
    account = str(given.get("service_account") or "default")
    workload = {key: given[key] for key in ("network", "labels") if given.get(key)}
    services = given.get("services") or []
    host = {"name": name, "address": _ANY, "services": services, "workload": workload}
    try:
        batch = parse_registrations(registrations([host], namespace, account), backend="")
        # Only labels that the inventory selects by. With the one that a Service selects by otherwise, istiod would have
        # the sidecar take in requests without an entry too, and when the Service selects no more, answer those of
        # connections that are open with 503.
        shares = {item.label: Share(vm, item.selector) for item in batch for vm in item.endpoints}
        found = merge(name, shares)
    except RegistrationError as exc:
        raise BootstrapError(f"{exc}") from exc
    return WorkloadGroup(
        name=name,
        namespace=namespace,
        labels={**workload.get("labels", {}), **found.labels},
        service_account=account,
        network=str(workload.get("network") or ""),
        ports=dict(found.ports),
    )
