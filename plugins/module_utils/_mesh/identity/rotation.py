# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the owner of a mesh has come with another root certificate, and from when the next step is safe. Pure.

The steps: istiod trusts both roots; it signs with the new one; all certificates are of the new one; the old one goes.
Of VMs it is seen whether they are so far; of pods it is known how long a certificate lives at most.
Private to the collection.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from . import certificates as ident

# What is to be done next.
ADD, SIGN, WAIT, REMOVE = "add", "sign", "wait", "remove"


class Root(t.NamedTuple):
    """One of the mesh."""

    fingerprint: str
    subject: str
    start: datetime.datetime
    end: datetime.datetime

    def __str__(self) -> str:
        return f"{self.subject} ({self.fingerprint[:16]}, until {self.end:%Y-%m-%d})"


class Vm(t.NamedTuple):
    """What a VM trusts, and the root of its certificate."""

    name: str
    trusts: frozenset[str]
    # None: no certificate, or one of a root that the VM itself does not trust.
    root: str | None = None
    start: datetime.datetime | None = None
    end: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is so, and what is next."""

    step: str
    said: tuple[str, ...]
    # What a VM lacks, before which no step is safe.
    problems: tuple[str, ...] = ()
    # From when the next step breaks no pod; None: it is not known, or now.
    safe_from: datetime.datetime | None = None

    @property
    def safe(self) -> bool:
        return not self.problems and self.step != WAIT


def roots_of(pem: str, where: str) -> list[Root]:
    """The oldest first."""
    found = [
        Root(
            ident.fingerprint(item),
            item.subject.rfc4514_string(),
            ident.utc(item, "not_valid_before"),
            ident.utc(item, "not_valid_after"),
        )
        for item in ident.load_certificates(pem.encode(), where)
    ]
    return sorted(set(found), key=lambda root: (root.start, root.fingerprint))


def vm_of(name: str, seen: t.Mapping[str, t.Any]) -> Vm:
    """From what was seen of its identity; a VM without readable certificates trusts nothing."""
    try:
        roots = ident.load_certificates(str(seen["root"]).encode(), "")
        trusts = frozenset(map(ident.fingerprint, roots))
        leaf, *others = ident.load_certificates(str(seen["chain"]).encode(), "")
    except ident.IdentityError:
        return Vm(name, frozenset())
    *_rest, anchor = ident.issuers(leaf, others, roots)
    root = ident.fingerprint(anchor) if anchor is not None else None
    return Vm(name, trusts, root, ident.utc(leaf, "not_valid_before"), ident.utc(leaf, "not_valid_after"))


def judge(
    roots: t.Sequence[Root],
    vms: t.Sequence[Vm],
    published: datetime.datetime | None,
    multiroot: bool,
    pod_lifetime: datetime.timedelta,
    restart: str,
) -> Verdict:
    """C(published) is when istiod gave out these roots, C(pod_lifetime) how long a certificate of a pod lives at most,
    C(restart) the command that restarts istiod."""
    problems = tuple(_problems(roots, vms))
    again = "" if multiroot else f" Without ISTIO_MULTIROOT_MESH istiod takes that at its start only: {restart}."
    *old, new = roots
    said: tuple[str, ...]
    if not old:
        said = (
            f"The mesh has one root, {new}; all VMs trust it alone and have certificates of it."
            if not problems
            else f"The mesh has one root, {new}.",
            "Next, when it is to be replaced: add the new root to root-cert.pem of istiod's Secret cacerts, and leave "
            f"what signs as it is.{again}",
        )
        return Verdict(ADD, said, problems)
    both = f"The mesh trusts {' and '.join(map(str, roots))}."
    behind = [vm for vm in vms if vm.root != new.fingerprint]
    if behind and len(behind) == len(vms):
        safe = published + pod_lifetime if published else None
        said = (both, f"The certificates of all {len(vms)} VMs are of an old root.")
        step = (
            f"Next: let istiod sign with an intermediate of {new.subject}, with both roots in root-cert.pem.{again} "
            + _when(safe, "Pods have the new root with their next certificate,")
        )
        return Verdict(SIGN, (*said, step), problems, safe)
    if behind:
        waiting = (f"{vm.name} ({_renewal(vm)})" for vm in behind)
        said = (
            both,
            f"{len(vms) - len(behind)} of {len(vms)} VMs have a certificate of {new.subject}.",
            f"Next: wait, and run this again. These still have one of an old root: {', '.join(waiting)}.",
        )
        return Verdict(WAIT, said, problems)
    # istiod has signed with the new root at the latest when the first of these certificates came.
    first = min((vm.start for vm in vms if vm.start), default=None)
    safe = first + pod_lifetime if first else None
    said = (
        both,
        f"The certificates of all {len(vms)} VMs are of {new.subject}.",
        f"Next: leave {new.subject} alone in root-cert.pem.{again} "
        + _when(safe, "The last certificate of a pod that is of an old root ends before that,"),
    )
    return Verdict(REMOVE, said, problems, safe)


def _problems(roots: t.Sequence[Root], vms: t.Sequence[Vm]) -> t.Iterator[str]:
    """A VM may trust more than the mesh does, never less."""
    for vm in vms:
        missing = [root.subject for root in roots if root.fingerprint not in vm.trusts]
        if missing:
            yield f"{vm.name} does not trust {' and '.join(missing)} yet"
        elif vm.root not in {root.fingerprint for root in roots}:
            yield (
                f"{vm.name} has no certificate of a root of the mesh: "
                f"ansible-playbook mesh.expansion.rejoin -l {vm.name}"
            )


def _renewal(vm: Vm) -> str:
    if vm.start is None or vm.end is None:
        return "it has none"
    return f"it is renewed after {vm.start + (vm.end - vm.start) / 2:%Y-%m-%dT%H:%M:%SZ}"


def _when(safe: datetime.datetime | None, why: str) -> str:
    return f"{why} so this is safe for them from {safe:%Y-%m-%dT%H:%M:%SZ} on." if safe else ""


def published_at(configmap: t.Mapping[str, t.Any]) -> datetime.datetime | None:
    """When the data of a ConfigMap were written, as far as the API server remembers."""
    metadata = configmap.get("metadata") or {}
    times = [
        str(entry["time"])
        for entry in metadata.get("managedFields") or []
        if "f:data" in (entry.get("fieldsV1") or {}) and entry.get("time")
    ]
    text = max(times, default=metadata.get("creationTimestamp"))
    if not text:
        return None
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)


def takes_new_roots(deployments: t.Sequence[t.Mapping[str, t.Any]], name: str) -> bool:
    """Whether an istiod that runs takes other roots without being restarted."""
    for deployment in deployments:
        if deployment["metadata"]["name"] == name:
            containers = deployment["spec"]["template"]["spec"]["containers"]
            values = [item for found in containers for item in found.get("env") or []]
            return any(
                item["name"] == "ISTIO_MULTIROOT_MESH" and str(item.get("value")).lower() in ("true", "1", "t")
                for item in values
            )
    return False
