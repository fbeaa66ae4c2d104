# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table in a file: JSON with the services in the form of the modules' options. Private to the collection."""

from __future__ import annotations

import json
import os
import tempfile
import typing as t

from . import model, options
from .errors import SaveError, ValidationError
from .wanted import PRESENT, Wanted

FORMAT = "mesh.expansion/ipvs-table"
VERSION = 1
_FIELDS = ("format", "version", "vips", "services")


class SavedTable(t.NamedTuple):
    """What is wanted, and the virtual addresses on which nothing else is."""

    services: list[Wanted]
    vips: list[bytes]


def dumps(services: t.Sequence[t.Mapping[str, t.Any]], vips: t.Sequence[str]) -> str:
    content = {"format": FORMAT, "version": VERSION, "vips": list(vips), "services": list(services)}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def loads(text: str) -> SavedTable:
    """Everything in the file, or a ValidationError."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValidationError([f"the file is not JSON: {exc}"]) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValidationError([f"the file is not a saved table: its format is not {FORMAT}"])
    if content.get("version") != VERSION:
        raise ValidationError(
            [f"version {content.get('version')!r} of the format is unknown: this loader reads version {VERSION}"]
        )
    unknown = sorted(set(content) - set(_FIELDS))
    if unknown:
        raise ValidationError([f"unknown field {unknown[0]}: possible are {', '.join(_FIELDS)}"])
    if not isinstance(content.get("vips", []), list):
        raise ValidationError(["vips must be a list"])
    vips = options.parse_addresses(content.get("vips", []))
    services = options.parse_services(content.get("services"))
    problems = []
    for index, wanted in enumerate(services):
        key = wanted.service.key
        if vips and not key.fwmark and key.address not in vips:
            problems.append(f"services[{index}] ({key}): its address is none of vips")
        for server, state in wanted.servers or ():
            if state != PRESENT:
                problems.append(
                    f"services[{index}] ({key}): real server {server.name} has state {state}: "
                    "a saved table has real servers that are present only"
                )
    if problems:
        raise ValidationError(problems)
    return SavedTable(services, vips)


def load(path: str) -> SavedTable:
    try:
        with open(path, encoding="utf-8") as file:
            return loads(file.read())
    except OSError as exc:
        raise SaveError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ValidationError([f"the file is not UTF-8: {exc}"]) from None


def store(path: str, text: str, mode: int = 0o644) -> None:
    """Replaces the file at once: whoever reads it sees the old or the new one, also after a power cut."""
    directory = os.path.dirname(os.path.abspath(path))
    try:
        handle, temporary = tempfile.mkstemp(dir=directory, prefix=f".{os.path.basename(path)}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        folder = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        raise SaveError(f"cannot write {path}: {exc.strerror}") from exc


def of_table(table: model.Table, vips: t.Sequence[str]) -> str:
    """The services on the given addresses, or all of them if there are none."""
    packed = set(options.parse_addresses(vips))
    keys = [key for key in sorted(table) if not packed or key.address in packed]
    return dumps([options.to_options(table[key]) for key in keys], vips)
