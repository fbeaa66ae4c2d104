# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: the one place that knows generations by name. Private to the collection."""

from __future__ import annotations

from ..errors import MeshError
from .citadel import CITADEL
from .model import Generation

DEFAULT = CITADEL.name
_ALL = {generation.name: generation for generation in (CITADEL,)}
# Known by name, for a message that helps.
_PLANNED = {"istiod": "'istiod' is not supported by this version, only 'citadel' (Istio 1.0 to 1.4)"}


def generation(name: object) -> Generation:
    """The generation of this name, as C(mesh_control_plane) gives it."""
    found = _ALL.get(str(name))
    if found is not None:
        return found
    if name in _PLANNED:
        raise MeshError(
            f"mesh_control_plane: {_PLANNED[str(name)]}. Set "
            "mesh_control_plane: citadel if that is what the cluster runs."
        )
    raise MeshError(
        f"mesh_control_plane: {name!r} is not known. Set it to 'citadel', the only supported control plane."
    )
