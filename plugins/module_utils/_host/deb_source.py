# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about a Debian package in a file or behind a URL, from its first bytes. Private to the collection."""

from __future__ import annotations

import re
import tempfile
import typing as t
from urllib.error import HTTPError, URLError

from . import commands
from .deb import FIELDS, HEAD_BYTES, DebCompressionError, DebError, control_fields, parse_fields


def read_head(source: str, timeout: int) -> bytes:
    """The first bytes of the file or of the URL's answer."""
    if re.match(r"(https?|ftp)://", source):
        # Here, since to load it takes a host a tenth of a second, and few packages are looked at again.
        from ansible.module_utils.urls import open_url

        with open_url(source, timeout=timeout, headers={"Range": f"bytes=0-{HEAD_BYTES - 1}"}) as answer:
            return t.cast(bytes, answer.read(HEAD_BYTES))
    with open(source, "rb") as handle:
        return handle.read(HEAD_BYTES)


def inspect(source: str, timeout: int) -> dict[str, t.Any]:
    """What is known about the package, or why it is not known."""
    try:
        head = read_head(source, timeout)
    except HTTPError as exc:
        return {"exists": exc.code not in (404, 410), "error": f"the server answers {exc.code} {exc.reason}"}
    except (URLError, OSError) as exc:
        reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or exc
        return {"exists": False, "error": str(reason)}
    try:
        fields = control_fields(head)
    except DebCompressionError as exc:
        printed = _dpkg_deb(head)
        if printed is None:
            return {"exists": True, "error": str(exc)}
        fields = parse_fields(printed)
    except DebError as exc:
        return {"exists": True, "error": str(exc)}
    return {"exists": True, "error": "", **{name.lower(): fields.get(name, "") for name in FIELDS}}


def _dpkg_deb(head: bytes) -> str | None:
    """The fields as dpkg-deb prints them, where it is installed."""
    # A file and not standard input: dpkg-deb stops reading early, which would look like an error.
    with tempfile.NamedTemporaryFile(suffix=".deb") as handle:
        handle.write(head)
        handle.flush()
        done = commands.run(["dpkg-deb", "--field", handle.name, *FIELDS])
    return done.stdout if done.rc == 0 else None
