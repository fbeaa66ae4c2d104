# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a VM's certificate still serves, and whether its roots have to change. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..identity import certificates as ident
from .errors import BootstrapError

VM = "the VM"
Seen = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What became of the certificate that istiod gave to a VM."""

    # Why it does not serve; empty when it does.
    fault: str = ""
    # Whether the agent would offer it to istiod all the same, and be refused.
    in_the_way: bool = False
    summary: ident.Summary | None = None


@dataclasses.dataclass(frozen=True)
class Roots:
    """What becomes of the root certificates on a VM."""

    write: bool
    reason: str
    # Whether the VM's certificate is none to the mesh any more.
    replaced: bool = False


def judge_certificate(seen: Seen, wanted_root: str, expected: str, now: datetime.datetime, spare: int) -> Certificate:
    """``seen`` is the VM's part of an identity, as C(identity.files) reports it."""
    missing = [name for name in (ident.CHAIN, ident.KEY) if not seen["files"][name]["exists"]]
    if missing:
        return Certificate(f"{' and '.join(missing)} missing on the VM")
    if seen["key_matches"] is not True:
        return Certificate("the key on the VM does not match its certificate", in_the_way=True)
    chain, root = seen["chain"].encode(), _own_root(seen, wanted_root).encode()
    try:
        summary = ident.summarise(chain, root, VM)
        fault = ident.identity_problem(summary, expected) or ident.chain_problem(chain, root, now, VM)
    except ident.IdentityError as exc:
        return Certificate(str(exc), in_the_way=True)
    if fault:
        return Certificate(f"the certificate on the VM does not serve: {fault}", True, summary)
    late = ident.date_problem(summary, now, spare)
    # The agent itself leaves one that has expired aside.
    return Certificate(f"the certificate on the VM does not serve: {late}" if late else "", False, summary)


def judge_roots(seen: Seen, certificate: Certificate, wanted_root: str, now: datetime.datetime, replace: bool) -> Roots:
    """The roots of the mesh belong on the VM, but nobody is cut off by that unasked."""
    there, wanted = _by_fingerprint(_text(seen)), _by_fingerprint(wanted_root)
    if there.keys() == wanted.keys():
        return Roots(False, "the VM has the mesh's root certificates")
    names = ", ".join(name[:16] for name in sorted(wanted))
    if certificate.fault or not there:
        return Roots(True, f"the mesh's root certificates ({names}) come to the VM")
    if ident.chain_problem(seen["chain"].encode(), wanted_root.encode(), now, VM) is not None:
        if not replace:
            raise BootstrapError(
                f"The VM has a valid certificate of the root {', '.join(name[:16] for name in sorted(there))}, and the "
                f"mesh's roots are {names}: this is another mesh, or its root was replaced in one step. "
                "Nothing is changed, because connections between the two would break. Have istiod trust both roots "
                "first, or set replace_root to true for this VM."
            )
        return Roots(True, f"the mesh's root certificates ({names}) replace those of the VM", replaced=True)
    newest = max(ident.utc(item, "not_valid_before") for item in wanted.values())
    ahead = [name[:16] for name in there.keys() - wanted.keys() if _begin(there[name]) > newest]
    if ahead and wanted.keys() <= there.keys():
        return Roots(False, f"the VM also trusts {', '.join(sorted(ahead))}, which is newer than the mesh's roots")
    return Roots(True, f"the mesh's root certificates are {names} now")


def _begin(certificate: t.Any) -> datetime.datetime:
    return ident.utc(certificate, "not_valid_before")


def _text(seen: Seen) -> str:
    return str(seen["root"]) if seen["files"][ident.ROOT]["exists"] else ""


def _own_root(seen: Seen, wanted_root: str) -> str:
    """What the VM's certificate is held against: its own roots, where there are readable ones."""
    return _text(seen) if _by_fingerprint(_text(seen)) else wanted_root


def _by_fingerprint(pem: str) -> dict[str, t.Any]:
    try:
        return {ident.fingerprint(item): item for item in ident.load_certificates(pem.encode(), "")}
    except ident.IdentityError:
        return {}


def check_roots(pem: str, where: str) -> tuple[str, ...]:
    """The fingerprints of the mesh's roots, which must be readable."""
    try:
        return tuple(sorted(ident.fingerprint(item) for item in ident.load_certificates(pem.encode(), where)))
    except ident.IdentityError as exc:
        raise BootstrapError(f"{exc}. See whether istiod runs; it writes the ConfigMap.") from exc
