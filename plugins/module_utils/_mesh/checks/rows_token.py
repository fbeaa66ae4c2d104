# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What istio_vm_bootstrap says of a VM in check mode, as rows: its files, its token, its certificate. Pure.

Private to the collection.
"""

from __future__ import annotations

import typing as t

from .model import Finding

Mapping = t.Mapping[str, t.Any]
_NOTHING_NEEDED = "none"


def _unread(result: Mapping, what: str) -> Finding:
    reasons = result.get("reasons") or [result.get("msg") or f"{what} could not be read"]
    return Finding([str(reasons[0])])


def files_finding(result: Mapping) -> Finding:
    """I5: the files are what the cluster makes of the VM's group, and only the sidecar reads its token."""
    if not result.get("files"):
        return _unread(result, "the bootstrap files")
    outdated = result["outdated"]
    problems = [f"{path} is not what the cluster and the inventory say" for path in outdated]
    seen = result["actual"]["token"]
    if seen["exists"] and int(seen["mode"], 8) & 0o077:
        problems.append(f"the token has the mode {seen['mode']}: others than {seen['owner']} may read it")
    names = ", ".join(file["path"] for file in result["files"] if file["kind"] == "file")
    return Finding(problems, f"{names}; {result['host']} is the control plane")


def certificate_finding(result: Mapping) -> Finding:
    """I8: a valid certificate of the mesh, with its key."""
    if "certificate" not in result:
        return _unread(result, "the certificate")
    found = result["certificate"]
    # Of the root certificates, and of the certificate.
    problems = [] if result["token"]["action"] == _NOTHING_NEEDED else [str(result["reasons"][-1])]
    key = result["actual"]["identity"]["files"]["key.pem"]
    if key["exists"] and int(key["mode"], 8) & 0o077:
        problems.append(f"the key has the mode {key['mode']}: others than {key['owner']} may read it")
    return Finding(problems, f"{found.get('identity')} valid until {found.get('not_after')}")
