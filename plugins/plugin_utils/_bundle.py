# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what a module has gathered into private files of the control node. Private to the collection."""

from __future__ import annotations

import os
import re
import typing as t
from urllib.parse import quote

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# The host that answers chooses the names.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.(txt|json)")


class BundleAction(ActionBase):
    """Runs the module of the same name, and keeps its parts out of the result: they go into files below C(dest)."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def place(self, task_vars: t.Mapping[str, t.Any]) -> str:
        """Where the parts go, below C(dest)."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        answer = self._execute_module(task_vars=task_vars)
        parts = answer.pop("parts", None)
        result.update(answer)
        if result.get("failed") or parts is None:
            return result
        folder = os.path.join(os.path.expanduser(str(self._task.args["dest"])), self.place(task_vars or {}))
        try:
            write(folder, parts)
        except OSError as exc:
            raise AnsibleActionFail(
                f"Cannot write {exc.filename or folder} on the control node: {exc.strerror}. Give another directory "
                "(dest, mesh_diagnose_path)."
            ) from None
        result.update(path=folder, files=sorted(parts))
        return result


def host_folder(name: str) -> str:
    """A name of a host as that of a folder: no part of it leads elsewhere."""
    return os.path.join("hosts", quote(name, safe="") if name not in (".", "..") else "_")


def write(folder: str, parts: t.Mapping[str, str]) -> None:
    for name, text in parts.items():
        if not _NAME.fullmatch(name) or not isinstance(text, str):
            raise AnsibleActionFail(f"The host has answered with a part {name!r}, which is no name of one.")
    _make(folder)
    for name, text in parts.items():
        path = os.path.join(folder, name)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(text)


def _make(folder: str) -> None:
    """What is made is for its owner only; what is there stays as it is."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    if parent:
        _make(parent)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        # Another host's was made at the same time.
        if not os.path.isdir(folder):
            raise
