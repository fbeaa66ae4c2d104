# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""Write files on a VM from one JSON document on standard input.

Stands alone (standard library only, Python 3.9): action plugins pass this source to the VM's Python as an argument and
the document, which holds a key or a token, over the connection's standard input. Nothing of it is ever printed.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import sys
import tempfile
import typing as t


def _ids(item: dict[str, t.Any]) -> tuple[int, int]:
    owner, group = item["owner"], item["group"]
    uid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
    return uid, int(group) if group.isdigit() else grp.getgrnam(group).gr_gid


def _own(path: str, item: dict[str, t.Any]) -> None:
    os.chown(path, *_ids(item))
    if item.get("mode"):
        os.chmod(path, int(item["mode"], 8))


def _stage(item: dict[str, t.Any]) -> str:
    """Write a file next to its place; it is private from its creation on."""
    handle, temporary = tempfile.mkstemp(prefix=".mesh-expansion-", dir=os.path.dirname(item["path"]))
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(item["content"].encode("utf-8", "surrogateescape"))
            stream.flush()
            os.fsync(stream.fileno())
        _own(temporary, item)
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def write(document: dict[str, t.Any]) -> list[str]:
    """Make directories, stage all files, then rename them; put owner and mode right of those without content."""
    for item in (*document["directories"], *document["files"]):
        # Before anything is touched: an account that is missing.
        _ids(item)
    for item in document["directories"]:
        if not os.path.isdir(item["path"]):
            os.makedirs(item["path"], 0o755)
        _own(item["path"], item)
    staged = []
    try:
        for item in document["files"]:
            if item.get("content") is None:
                _own(item["path"], item)
            else:
                staged.append((_stage(item), item["path"]))
        for temporary, path in list(staged):
            os.rename(temporary, path)
            staged.remove((temporary, path))
    finally:
        for temporary, _dummy in staged:
            os.unlink(temporary)
    for path in document.get("remove", []):
        if os.path.lexists(path):
            os.unlink(path)
    return [item["path"] for item in document["files"]]


def main() -> None:
    try:
        print(json.dumps({"written": write(json.load(sys.stdin))}))
    except KeyError as exc:
        # getpwnam and getgrnam name the missing account; a missing key of the document is a name as well.
        sys.exit(f"not found: {exc}")
    except OSError as exc:
        sys.exit(f"{exc.filename or 'write'}: {exc.strerror or exc}")
    except ValueError:
        sys.exit("the document on standard input is not readable")


if __name__ == "__main__":
    main()
