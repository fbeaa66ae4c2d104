# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the mesh configuration, and the record by which they are taken back. Pure. Private to the collection."""

from __future__ import annotations

import hashlib
import json
import typing as t

from .yaml_text import YamlEditError, canonical, inline, load, remove, set_text, source

MISSING = object()


class MeshConfigError(Exception):
    """The mesh configuration cannot be changed as asked; the text is fit for a user."""


class Change(t.NamedTuple):
    """One key that was changed: what it was, how that was written, and what it is now. MISSING: not there."""

    key: str
    was: t.Any
    now: t.Any
    text: str | None = None
    # The shortest path that did not exist before: with the key, its empty parents go too.
    missing_from: str = ""


class Edit(t.NamedTuple):
    text: str
    changes: list[Change]
    warnings: list[str]


def edit(text: str, settings: t.Mapping[str, t.Any], absent: t.Sequence[str] = ()) -> Edit:
    """Set and remove keys, given as paths with dots; every other byte of the document stays."""
    _refuse_overlaps([*settings, *absent])
    changes: list[Change] = []
    wanted: list[tuple[str, t.Any]] = [*settings.items(), *((key, MISSING) for key in absent)]
    for key, value in wanted:
        was, missing_from = _look_up(load_document(text), key)
        if _equal(was, value):
            continue
        raw = source(text, _path(key))
        text = _put(text, key, value)
        changes.append(Change(key, was, value, raw, missing_from))
    return Edit(text, changes, [])


def _refuse_overlaps(keys: t.Sequence[str]) -> None:
    paths = sorted(_path(key) for key in keys)
    for one, other in zip(paths, paths[1:]):
        if other[: len(one)] == one:
            raise MeshConfigError(
                f"{'.'.join(one)} and {'.'.join(other)} exclude each other: one value cannot be changed twice. "
                "Keep one of the two."
            )


def restore(text: str, changes: t.Sequence[Change]) -> Edit:
    """Take changes back, the last one first. A key that somebody else changed since is left to them."""
    undone: list[Change] = []
    warnings: list[str] = []
    for change in reversed(changes):
        current, _missing = _look_up(load_document(text), change.key)
        if not _equal(current, change.now):
            warnings.append(
                f"{change.key} is {_show(current)} and not {_show(change.now)} as it was set: "
                "somebody else changed it, so it is left as it is."
            )
            continue
        text = _put(text, change.key, change.was, None if change.was is MISSING else change.text)
        if change.was is MISSING and change.missing_from:
            text = _drop_empty_parents(text, change)
        undone.append(Change(change.key, change.now, change.was))
    return Edit(text, undone, warnings)


def merge_changes(recorded: t.Sequence[Change], new: t.Sequence[Change]) -> list[Change]:
    """The record after more changes: the first `was` of a key counts; a key that is back as it was drops out."""
    merged = {change.key: change for change in recorded}
    for change in new:
        first = merged.get(change.key)
        merged[change.key] = first._replace(now=change.now) if first else change
    return [change for change in merged.values() if not _equal(change.was, change.now)]


def dump_changes(changes: t.Sequence[Change]) -> str:
    """The record as text for an annotation."""
    return json.dumps([_to_json(change) for change in changes], sort_keys=True, separators=(",", ":"))


def load_changes(text: str | None) -> list[Change]:
    try:
        return [
            Change(
                item["key"],
                item.get("was", MISSING),
                item.get("now", MISSING),
                item.get("text"),
                item.get("missing_from", ""),
            )
            for item in json.loads(text or "[]")
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise MeshConfigError(
            f"The record of earlier changes cannot be read ({exc}): somebody edited the annotation. "
            "Remove the annotation and put the settings back by hand."
        ) from exc


def settings_hash(text: str, changes: t.Sequence[Change], edited: str = "") -> str:
    """Fingerprint of the recorded keys' present values and of the edit that set them; empty when nothing is recorded.

    The values alone would not do: somebody who undoes them, and whose Pilot has read that, leaves the fingerprint of
    the next edit to the same values as it was.
    """
    if not changes:
        return ""
    document = load_document(text)
    values = [(key, canonical(_look_up(document, key)[0])) for key in sorted(change.key for change in changes)]
    return hashlib.sha256(repr((edited, values)).encode("utf-8")).hexdigest()


def load_document(text: str) -> dict[str, t.Any]:
    try:
        return load(text)
    except YamlEditError as exc:
        raise MeshConfigError(f"The document {exc}. Repair it by hand, then run again.") from exc


def previous_values(changes: t.Sequence[Change]) -> dict[str, t.Any]:
    """For results: the former value of each changed key, None for one that was not there."""
    return {change.key: None if change.was is MISSING else change.was for change in changes}


def _put(text: str, key: str, value: t.Any, raw: str | None = None) -> str:
    """Change one key in the text, and make sure that exactly this changed."""
    path = _path(key)
    expected = _expect(load_document(text), path, value)
    try:
        new = raw if raw is not None or value is MISSING else inline(value)
        result = remove(text, path) if new is None else set_text(text, path, new)
        matches = canonical(load(result)) == canonical(expected)
    except YamlEditError as exc:
        raise MeshConfigError(f"{key} cannot be changed: the document {exc}. Change it by hand.") from exc
    if not matches:
        raise MeshConfigError(
            f"{key} cannot be changed without touching other parts of the document, which uses anchors or an unusual "
            "layout there. Change it by hand."
        )
    return result


def _expect(document: dict[str, t.Any], path: list[str], value: t.Any) -> dict[str, t.Any]:
    node = document
    for depth, key in enumerate(path[:-1]):
        if node.get(key) is None:
            node[key] = {}
        node = node[key]
        if not isinstance(node, dict):
            where = ".".join(path[: depth + 1])
            raise MeshConfigError(f"{where} is no mapping, so {'.'.join(path)} cannot be set. Set {where} as a whole.")
    if value is MISSING:
        node.pop(path[-1], None)
    else:
        node[path[-1]] = value
    return document


def _drop_empty_parents(text: str, change: Change) -> str:
    path = _path(change.key)
    shortest = len(_path(change.missing_from))
    for length in range(len(path) - 1, shortest - 1, -1):
        parent = ".".join(path[:length])
        if _look_up(load_document(text), parent)[0] != {}:
            break
        text = _put(text, parent, MISSING)
    return text


def _look_up(document: t.Any, key: str) -> tuple[t.Any, str]:
    """The value at a path, or MISSING together with the shortest part of the path that does not exist."""
    path = _path(key)
    for depth, name in enumerate(path):
        if not isinstance(document, dict) or name not in document:
            return MISSING, ".".join(path[: depth + 1])
        document = document[name]
    return document, ""


def _path(key: str) -> list[str]:
    path = str(key).split(".")
    if not all(path):
        raise MeshConfigError(
            f"{key!r} is not a key. Write names joined by dots, as in defaultConfig.discoveryAddress."
        )
    return path


def _equal(one: t.Any, other: t.Any) -> bool:
    if one is MISSING or other is MISSING:
        return one is other
    return bool(canonical(one) == canonical(other))


def _show(value: t.Any) -> str:
    return "absent" if value is MISSING else inline(value)


def _to_json(change: Change) -> dict[str, t.Any]:
    content: dict[str, t.Any] = {"key": change.key}
    for name in ("was", "now"):
        value = getattr(change, name)
        if value is not MISSING:
            content[name] = value
    if change.text is not None:
        content["text"] = change.text
    if change.missing_from:
        content["missing_from"] = change.missing_from
    return content
