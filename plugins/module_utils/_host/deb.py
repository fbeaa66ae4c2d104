# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Debian package says about itself, read from its first bytes without dpkg. Pure. Private to the collection."""

from __future__ import annotations

import io
import tarfile
import typing as t

FIELDS = ("Package", "Version", "Architecture")

# The control member follows directly after the format version; this is ample for it.
HEAD_BYTES = 256 * 1024

_MAGIC = b"!<arch>\n"
_MEMBER_HEADER = 60


class DebError(Exception):
    """Not a usable Debian package."""


class DebCompressionError(DebError):
    """A package whose compression Python's standard library does not know, such as zstd."""


def control_fields(head: bytes) -> dict[str, str]:
    """The fields of the control file: Package, Version, Architecture and so on."""
    for name, content in _members(head):
        if name.startswith("control.tar"):
            return parse_fields(_control_file(name, content))
    raise DebError("it holds no control archive at its beginning")


def _members(head: bytes) -> t.Iterator[tuple[str, bytes]]:
    if not head.startswith(_MAGIC):
        raise DebError("it is not a Debian package")
    place = len(_MAGIC)
    while place + _MEMBER_HEADER <= len(head):
        header = head[place : place + _MEMBER_HEADER]
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        try:
            size = int(header[48:58])
        except ValueError:
            raise DebError("its archive is damaged") from None
        start = place + _MEMBER_HEADER
        if start + size > len(head):
            if name.startswith("control.tar"):
                raise DebError("its control archive is cut off or unusually large")
            return
        yield name, head[start : start + size]
        # Members begin at even places.
        place = start + size + size % 2


def _control_file(name: str, content: bytes) -> str:
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                if member.isfile() and member.name.lstrip("./") == "control":
                    handle = archive.extractfile(member)
                    if handle is not None:
                        return handle.read().decode("utf-8", "replace")
    except (tarfile.TarError, EOFError, OSError) as exc:
        if name.endswith((".zst", ".lz4")):
            raise DebCompressionError(f"its {name} cannot be unpacked without dpkg-deb") from exc
        raise DebError(f"its {name} is damaged") from exc
    raise DebError("its control archive holds no control file")


def parse_fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if line[:1] not in ("", " ", "\t", "#") and ":" in line:
            key, _colon, value = line.partition(":")
            fields[key.strip()] = value.strip()
    return fields
