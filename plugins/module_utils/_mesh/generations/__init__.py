# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: the one place that knows generations by name. Private to the collection."""

from __future__ import annotations

import typing as t

from ..errors import MeshError
from .citadel import CITADEL
from .istiod import ISTIOD
from .model import Generation

DEFAULT = ISTIOD.name
_ALL = {generation.name: generation for generation in (CITADEL, ISTIOD)}


def generation(name: object) -> Generation:
    """The generation of this name, as C(mesh_control_plane) gives it."""
    found = _ALL.get(str(name))
    if found is None:
        known = " or ".join(f"{item.name!r} ({item.releases})" for item in _ALL.values())
        raise MeshError(f"mesh_control_plane: {name!r} is not known. Set it to {known}.")
    return found


def of_pods(labels: t.Mapping[str, str]) -> Generation | None:
    """The generation whose control plane has pods with these labels. Those of istiod have Pilot's label as well."""
    found = [item for item in reversed(list(_ALL.values())) if item.control_plane_pods.items() <= labels.items()]
    return found[0] if found else None
