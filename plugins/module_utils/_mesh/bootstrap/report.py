# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What istio_vm_bootstrap returns: nothing of a token or of a key. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host import paths
from ..._host.paths import PathState
from ..identity import certificates as ident
from . import document, plan
from .control_plane import ControlPlane
from .options import Options
from .plan import Decision, File

Json = dict[str, t.Any]


def of(
    decision: Decision, options: Options, control_plane: ControlPlane, actual: t.Mapping[str, t.Any], expires: str
) -> Json:
    summary = decision.certificate.summary
    shown = document.written(decision, options)
    return {
        "changed": document.changes(decision, options),
        "files": [{"path": file.path, **file.wanted.as_dict()} for file in decision.files],
        "outdated": [file.path for file in decision.outdated],
        "token": {
            "action": decision.token,
            "attributes": decision.token_attributes,
            **({"expires": expires} if expires else {}),
        },
        "removed": list(decision.remove),
        "reasons": list(decision.reasons),
        "certificate": summary.as_dict() if summary else {},
        "root_fingerprints": list(decision.root_fingerprints),
        "host": control_plane.host,
        "actual": dict(actual),
        "diff": [*(_file_diff(file) for file in shown), *_token_diff(decision, options, actual)],
    }


def without_group(reason: str) -> Json:
    """In check mode, of a VM whose group a run would have made by now: what it will hold is not known."""
    return {
        "changed": True,
        "files": [],
        "outdated": [],
        "token": {"action": plan.REQUEST, "attributes": False},
        "reasons": [reason],
    }


def _file_diff(file: File) -> Json:
    return _diff(file.path, _text(file.actual), _text(file.wanted))


def _text(state: PathState) -> str:
    if state.kind == paths.ABSENT:
        return ""
    header = f"# {state.kind} of {state.owner}:{state.group}, mode {state.mode}\n"
    text = (state.content or b"").decode("utf-8", "replace")
    if "-----BEGIN" not in text:
        return header + text
    try:
        found = ident.load_certificates(text.encode(), "")
    except ident.IdentityError:
        return header + "# nothing readable\n"
    return header + "".join(f"{ident.fingerprint(item)} {item.subject.rfc4514_string()}\n" for item in found)


def _token_diff(decision: Decision, options: Options, actual: t.Mapping[str, t.Any]) -> t.Iterator[Json]:
    if decision.token == plan.REQUEST:
        before = "a token\n" if actual["token"]["exists"] else ""
        yield _diff(options.layout.token, before, "a new token\n")
    elif decision.token_attributes:
        seen = actual["token"]
        before = f"{seen['owner']}:{seen['group']}, mode {seen['mode']}\n"
        yield _diff(options.layout.token, before, f"{options.owner}:{options.group}, mode {plan.TOKEN_MODE}\n")
    for path in decision.remove:
        yield _diff(path, "there\n", "")


def _diff(path: str, before: str, after: str) -> Json:
    return {"before_header": path, "after_header": path, "before": before, "after": after}
