# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer of the API server means: an object, or an error of ours. Pure. Private to the collection."""

from __future__ import annotations

import json
import typing as t

from .errors import (
    FieldConflict,
    KubeConflict,
    KubeDenied,
    KubeError,
    KubeFieldConflict,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
    KubeServerError,
    KubeUnauthorized,
)

Object = t.Dict[str, t.Any]

DENIED = "The user has the right; an admission plugin, policy or webhook of the cluster refused it."


def parse(data: bytes) -> Object:
    try:
        document = json.loads(data or b"{}")
    except ValueError:
        return {"message": data[:200].decode("utf-8", "replace").strip()}
    return document if isinstance(document, dict) else {"message": str(document)}


def error_for(status: int, document: Object, attempt: str, reason: str | None) -> KubeError:
    """The error for an answer that is not a success."""
    message = str(document.get("message") or reason or "no reason given")
    message = f"Cannot {attempt}: {message.rstrip('.')} (HTTP {status})."
    if status == 401:
        return KubeUnauthorized(f"{message} The credentials in the kubeconfig are not accepted.")
    if status == 403:
        return KubeForbidden(message)
    if status == 404:
        return KubeNotFound(message)
    if status == 409:
        conflicts = field_conflicts(document)
        return KubeFieldConflict(message, conflicts) if conflicts else KubeConflict(message)
    if status == 422 and _by_admission(document):
        return KubeDenied(f"{message} {DENIED}")
    if status in (400, 422):
        return KubeInvalid(message)
    return KubeServerError(message)


def field_conflicts(document: Object) -> list[FieldConflict]:
    """Which field belongs to whom, from the answer to a server-side apply."""
    return [
        FieldConflict(str(cause.get("field") or ""), _quoted(str(cause.get("message") or "")))
        for cause in _causes(document)
        if cause.get("reason") == "FieldManagerConflict"
    ]


def _quoted(text: str) -> str:
    # conflict with "kubectl-edit" using v1
    return text.split('"')[1] if text.count('"') >= 2 else text


def _by_admission(document: Object) -> bool:
    """Validation names the fields that it refuses; a ValidatingAdmissionPolicy, which answers 422 too, names none."""
    causes = _causes(document)
    return bool(causes) and not any(cause.get("field") for cause in causes)


def _causes(document: Object) -> list[Object]:
    details = document.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [cause for cause in causes or [] if isinstance(cause, dict)]
