# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do when the API server refuses a Service. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._kube.errors import KubeDenied, KubeError, KubeFieldConflict
from ..._kube.resources import FIELD_MANAGER


def only_with_ourselves(exc: KubeFieldConflict) -> bool:
    """A merge patch makes its values ours under the same name, but not those of the apply: take them over."""
    return all(conflict.manager == FIELD_MANAGER for conflict in exc.conflicts)


def explain(failures: t.Sequence[KubeError], vip: str) -> str:
    """The refusals, and what to do about them, each once."""
    remedies = [_remedy(exc, vip) for exc in failures]
    return " ".join(dict.fromkeys(text for text in [*map(str, failures), *remedies] if text))


def _remedy(exc: KubeError, vip: str) -> str:
    if isinstance(exc, KubeFieldConflict):
        fields = ", ".join(f"{conflict.field} to {conflict.manager}" for conflict in exc.conflicts)
        adopt = "adopt: true (exposure_adopt: true in the role exposure)"
        return f"Another writer owns a field ({fields}). Undo its change, or take the field over with {adopt}."
    if isinstance(exc, KubeDenied):
        by = "admission plugin DenyServiceExternalIPs, or a policy"
        return f"Where the cluster forbids external addresses ({by}), allow {vip} there."
    return ""
