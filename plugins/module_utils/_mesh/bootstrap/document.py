# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the writer on a VM is told to do. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host import paths
from ..._host.paths import PathState
from . import plan
from .options import Options
from .plan import Decision, File

Json = dict[str, t.Any]


def changes(decision: Decision, options: Options) -> bool:
    return bool(
        decision.token == plan.REQUEST or decision.remove or decision.token_attributes or written(decision, options)
    )


def written(decision: Decision, options: Options) -> list[File]:
    """The files without a secret that this run itself puts in place."""
    return decision.outdated if options.deliver == "all" else []


def removed(decision: Decision, options: Options) -> tuple[str, ...]:
    """Who puts the other files in place removes as well, while the sidecar is stopped: one that runs could write its
    certificate anew, or half of it."""
    return decision.remove if options.deliver == "all" else ()


def document(decision: Decision, options: Options, token: str = "") -> Json:
    """Directories, files and removals; with a token, that as well."""
    directories: list[Json] = []
    files: list[Json] = []
    for file in written(decision, options):
        (directories if file.wanted.kind == paths.DIRECTORY else files).append(_item(file.path, file.wanted))
    own = {"owner": options.owner, "group": options.group}
    if files:
        directories += [{"path": path, **own} for path in options.layout.parents]
    if token:
        directories += [{"path": path, "mode": "0755", **own} for path in options.layout.token_parents]
        files.append({"path": options.layout.token, "mode": plan.TOKEN_MODE, "content": token, **own})
    elif decision.token_attributes:
        files.append({"path": options.layout.token, "mode": plan.TOKEN_MODE, **own})
    return {"directories": directories, "files": files, "remove": list(removed(decision, options))}


def _item(path: str, state: PathState) -> Json:
    item: Json = {"path": path, "owner": state.owner, "group": state.group, "mode": state.mode}
    same = state.kind == paths.DIRECTORY or state.content is None
    return item if same else {**item, "content": (state.content or b"").decode("utf-8", "surrogateescape")}
