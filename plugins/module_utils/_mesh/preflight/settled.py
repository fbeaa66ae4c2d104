# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host's roles have something to do, by what was seen of it. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..bootstrap import token as tokens

Seen = t.Mapping[str, t.Any]
# The roles that need not run where preflight saw nothing to do.
DIRECTOR, NODE, RESOLVER, SIDECAR = "director", "real_server", "dnsmasq", "istio_sidecar"


def notes(
    directors: t.Collection[str], nodes: t.Collection[str], vms: t.Collection[str], looks: t.Mapping[str, Seen]
) -> list[str]:
    """How many hosts the roles will leave alone, so that nobody wonders at plays without hosts."""
    parts = []
    for hosts, role, what in ((directors, DIRECTOR, "directors"), (nodes, NODE, "nodes"), (vms, SIDECAR, "VMs")):
        asked = [looks[name] for name in hosts if name in looks]
        fine = [look for look in asked if not has_work(role, {"__preflight_look": look})]
        parts += [f"{len(fine)} of {len(asked)} {what}"] if fine else []
    return [f"As they should be are {', '.join(parts)}."] if parts else []


# What a run has done, by the variables that say so: results of modules, and looks that lead to work.
_DONE = (
    "__exposure_labelled",
    "__exposure_done",
    "__registration_prepare",
    "__registration_done",
    "__mesh_policy_done",
)
_LOOKS = ("__director_seen", "__real_server_seen")


def verified(hosts: t.Mapping[str, Seen], groups: t.Mapping[str, t.Sequence[str]]) -> dict[str, t.Any]:
    """What was seen of all directors and VMs of a run that has changed nothing since, on none of its hosts and not in
    the cluster. Empty where somebody has to look again."""
    if any(_changed(variables) for variables in hosts.values()):
        return {}
    directors = {name: _director(hosts[name]) for name in groups.get("director") or () if name in hosts}
    vms = {name: _vm(hosts[name]) for name in groups.get("vms") or () if name in hosts}
    both = {**directors, **vms}
    # Who tells Prometheus looks now.
    if not both or not all(both.values()) or any(hosts[name].get("verify_textfile_directory") for name in both):
        return {}
    return {"judge": next(iter(both)), "directors": directors, "vms": vms}


def _changed(variables: Seen) -> bool:
    if any((variables.get(done) or {}).get("changed") for done in _DONE):
        return True
    return any((variables.get(seen) or {}).get("operations") for seen in _LOOKS)


def _director(variables: Seen) -> Seen | None:
    """What its role saw, or preflight where that was enough."""
    look = variables.get("__preflight_look") or {}
    seen = variables.get("__director_seen") or look.get("director") or {}
    return None if seen.get("operations") != [] else seen


def _vm(variables: Seen) -> Seen | None:
    """What verification would see, where it has the identity that was compared with the control plane's."""
    look, identity = variables.get("__preflight_look") or {}, variables.get("__verify_identity") or {}
    found = look.get("verified")
    if not found or not {"action", "token"} & set(identity) or unsettled(look, identity):
        return None
    same = all(found.get(name) == look["sidecar"].get(name) for name in ("identity", "bootstrap"))
    return found if same else None


def has_work(role: str, variables: Seen) -> bool:
    """Whether a role has something to do on a host, by the host's variables; also where it was not looked at."""
    look = variables.get("__preflight_look") or {}
    if role == RESOLVER:
        return unsettled_resolver(look.get("resolver"))
    if role == SIDECAR:
        return unsettled(look, variables.get("__verify_identity"))
    seen = look.get(role)
    # What is dropped is the role's to hint at.
    return not seen or any(seen.get(name) for name in ("operations", "refusals", "dropping"))


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
