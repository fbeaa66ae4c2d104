# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a directory hold exactly the given Python files; one step instead of one for each file.

Usage: install.py DIRECTORY [--check]. Standard input is a JSON object of contents by relative path. Prints what differs,
one line each, and nothing if nothing does. With --check nothing is written.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import typing as t


def differences(root: pathlib.Path, files: t.Mapping[str, str]) -> list[tuple[str, str]]:
    """What to write and what to remove, as (action, relative path)."""
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*.py")}
    writes = [("write", name) for name, text in sorted(files.items()) if name not in found or found[name].read_bytes() != text.encode()]
    return writes + [("remove", name) for name in sorted(set(found) - set(files))]


def apply(root: pathlib.Path, files: t.Mapping[str, str], actions: t.Sequence[tuple[str, str]]) -> None:
    for action, name in actions:
        path = root / name
        if action == "remove":
            path.unlink()
            continue
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # A power cut leaves the old file or the new one, never half of it.
        partial = path.with_name(path.name + ".part")
        with open(partial, "wb") as file:
            file.write(files[name].encode())
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(path)


def main(arguments: t.Sequence[str], text: str) -> int:
    root, files = pathlib.Path(arguments[0]), json.loads(text)
    actions = differences(root, files)
    if "--check" not in arguments:
        apply(root, files, actions)
    for action, name in actions:
        print(action, name)
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(sys.argv[1:], sys.stdin.read()))
