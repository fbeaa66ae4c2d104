# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM has of its bootstrap files: no key, and of the token what it is for. Private to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._host import paths
from ..identity import files
from . import token
from .layout import Layout


def look(layout: Layout) -> dict[str, t.Any]:
    """For JSON."""
    # A link stays one: what it leads to is looked at, and written.
    hosts = os.path.realpath(layout.hosts)
    texts = {
        "cluster_env": (layout.cluster_env, paths.read(layout.cluster_env)),
        "mesh": (layout.mesh, paths.read(layout.mesh)),
        "hosts": (hosts, paths.read(hosts)),
    }
    return {
        "identity": files.inspect(layout.certs),
        "files": {name: {"path": path, **state.as_dict()} for name, (path, state) in texts.items()},
        "token": _token(layout.token),
    }


def _token(path: str) -> dict[str, t.Any]:
    seen = files.describe(path)
    text = (paths.read_text(path) or "") if seen["exists"] else ""
    return {**seen, "claims": token.claims(text)}
