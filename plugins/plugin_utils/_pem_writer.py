# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""Write the files of an identity on a VM from one JSON document on standard input.

Stands alone (standard library only, Python 3.9): the action plugin C(istio_vm_certs) passes this source to the VM's
Python as an argument and the document, which holds the key, over the connection's standard input. Nothing of it is ever
printed.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import sys
import tempfile
import typing as t


def _stage(path: str, content: str, uid: int, gid: int, mode: int) -> str:
    """Write a file next to `path`; it is private from its creation on."""
    handle, temporary = tempfile.mkstemp(prefix=".mesh-expansion-", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode())
            stream.flush()
            os.fsync(stream.fileno())
        os.chown(temporary, uid, gid)
        os.chmod(temporary, mode)
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def write(document: dict[str, t.Any]) -> list[str]:
    """Stage all files, then rename them; put owner and mode right of those without content."""
    uid = pwd.getpwnam(document["owner"]).pw_uid
    gid = grp.getgrnam(document["group"]).gr_gid
    directory = document["directory"]
    if not os.path.isdir(directory):
        os.makedirs(directory, 0o755)
    os.chown(directory, uid, gid)
    staged = []
    try:
        for item in document["files"]:
            path = os.path.join(directory, item["name"])
            mode = int(item["mode"], 8)
            if item.get("content") is None:
                os.chown(path, uid, gid)
                os.chmod(path, mode)
            else:
                staged.append((_stage(path, item["content"], uid, gid, mode), path))
        for temporary, path in list(staged):
            os.rename(temporary, path)
            staged.remove((temporary, path))
    finally:
        for temporary, _dummy in staged:
            os.unlink(temporary)
    return [item["name"] for item in document["files"]]


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
