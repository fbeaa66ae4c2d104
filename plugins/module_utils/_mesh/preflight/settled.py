# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a VM's roles have something to do, by what was seen of it. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..bootstrap import token as tokens

Seen = t.Mapping[str, t.Any]


def notes(vms: t.Collection[str], looks: t.Mapping[str, Seen]) -> list[str]:
    """How many VMs the roles will leave alone, so that nobody wonders at plays without hosts."""
    fine = [name for name in vms if not unsettled(looks.get(name))]
    return [f"{len(fine)} of {len(vms)} VMs have their DNS and their sidecar as they should be."] if fine else []


# What a run has done, by the variables that say so: results of modules, and looks that lead to work.
_DONE = (
    "__exposure_labelled",
    "__exposure_done",
    "__registration_prepare",
    "__registration_done",
    "__mesh_policy_done",
)
_LOOKS = ("__director_seen", "__real_server_seen")


def untouched(vms: t.Collection[str], hosts: t.Mapping[str, Seen]) -> bool:
    """Whether a run has changed nothing so far, on none of its hosts and not in the cluster."""
    for name, variables in hosts.items():
        if any((variables.get(done) or {}).get("changed") for done in _DONE):
            return False
        if any((variables.get(seen) or {}).get("operations") for seen in _LOOKS):
            return False
        if name in vms and unsettled(variables.get("__preflight_look"), variables.get("__verify_identity")):
            return False
    return True


def unsettled(look: Seen | None, identity: Seen | None = None) -> bool:
    """Whether a sidecar has to be looked at anew: also where the resolver changes."""
    seen = look or {}
    return unsettled_resolver(seen.get("resolver")) or unsettled_sidecar(seen.get("sidecar"), identity)


def unsettled_resolver(seen: Seen | None) -> bool:
    """Whether the role dnsmasq has something to do; also where it was not looked at."""
    if not seen or seen["operations"]:
        return True
    absent = "surplus_packages" in seen
    return bool(seen["surplus_packages"]) if absent else bool(seen["missing_packages"]) or not seen["joined"]


def unsettled_sidecar(seen: Seen | None, identity: Seen | None) -> bool:
    """Whether the role istio_sidecar has something to do; also where it was not looked at. The identity counts as far
    as it was compared."""
    if not seen or seen["operations"] or not seen["joined"] or seen["former"]:
        return True
    package = seen["package"]
    return bool(package["fetch"] or package["install"]) or (identity is not None and _unsettled_identity(identity))


def _unsettled_identity(compared: Seen) -> bool:
    """By what istio_vm_certs or istio_vm_bootstrap would do."""
    if compared.get("failed") or compared.get("unreachable"):
        return True
    if "token" in compared:
        token = compared["token"]
        kept = token["action"] == tokens.NONE and not token["attributes"]
        return not kept or bool(compared["outdated"] or compared.get("removed"))
    return bool(compared.get("action") != "keep")
