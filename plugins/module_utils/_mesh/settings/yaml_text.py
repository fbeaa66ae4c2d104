# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML text: written for people, and edited key by key without touching any other byte. Private to the collection.

The one place that imports PyYAML, which comes with the kubernetes library.
"""

from __future__ import annotations

import json
import re
import traceback
import typing as t

try:
    import yaml

    YAML_IMPORT_ERROR: str | None = None
except ImportError:
    YAML_IMPORT_ERROR = traceback.format_exc()


def dump(content: t.Any) -> str:
    """Block style for people to read, in the given order; nothing at all for an empty value."""
    if not content:
        return ""
    if YAML_IMPORT_ERROR is not None:
        return json.dumps(content, indent=2) + "\n"
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=False, width=1000)


def inline(value: t.Any) -> str:
    """One line that may stand for the value at any place of a document, inside flow collections too."""
    text = yaml.safe_dump(
        [value], sort_keys=False, default_flow_style=True, width=float("inf"), allow_unicode=True
    ).rstrip("\n")[1:-1]
    return json.dumps(value) if "\n" in text else text


# What no reader of any version of YAML takes for anything but text, words such as `yes` aside.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]+")


def explicit(content: t.Any) -> str:
    """Block style in a stable order that all readers understand alike: a text that looks like something else, as 1e3
    does to some of them, is in quotes."""

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: t.Any) -> bool:
            return True

    def text(dumper: t.Any, value: str) -> t.Any:
        style = None if _PLAIN.fullmatch(value) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style=style)

    # Ansible's own kind of text too.
    Dumper.add_representer(str, text)
    Dumper.add_multi_representer(str, text)
    return str(yaml.dump(content, Dumper=Dumper, default_flow_style=False, allow_unicode=True, width=float("inf")))


class YamlEditError(Exception):
    """The document cannot be read, or not be edited without touching more than the key."""


def load(text: str) -> dict[str, t.Any]:
    """The document as a mapping whose parts are not shared, even where the text uses aliases."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise YamlEditError(f"is not valid YAML: {' '.join(str(exc).split())}") from exc
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise YamlEditError("is not a mapping")
    return _unshare(content)


def canonical(value: t.Any) -> t.Any:
    """A form whose equality is that of YAML: true is not 1, 1 is not 1.0, the order of keys does not count."""
    if isinstance(value, dict):
        return ("map", sorted((repr(key), canonical(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return ("list", [canonical(item) for item in value])
    return (type(value).__name__, repr(value))


def set_text(text: str, path: t.Sequence[str], raw: str) -> str:
    """Put `raw`, which is one inline value, at the path;
    keys that are missing are added at the end of their mapping."""
    node: t.Any = yaml.compose(text)
    if node is None or _is_null(node):
        return _with_newline(text) + _entry(path, raw) + "\n"
    for depth, key in enumerate(path):
        if not isinstance(node, yaml.MappingNode):
            raise YamlEditError(f"has a value at {'.'.join(path[:depth])} that is not a mapping")
        index = _find(node, key)
        if index is None:
            return _insert(text, node, _entry(path[depth:], raw))
        key_node, node = node.value[index]
        rest = path[depth + 1 :]
        if not rest:
            return _replace(text, key_node, node, raw)
        if _is_null(node):
            return _replace(text, key_node, node, "{" + _entry(rest, raw) + "}")
    raise YamlEditError("needs at least one key to set")


def source(text: str, path: t.Sequence[str]) -> str | None:
    """How the value at the path is written, when that is one line."""
    node: t.Any = yaml.compose(text)
    for key in path:
        index = _find(node, key) if isinstance(node, yaml.MappingNode) else None
        if index is None:
            return None
        node = node.value[index][1]
    raw = text[node.start_mark.index : _content_end(text, node)]
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    return None if block or not raw or "\n" in raw else raw


def remove(text: str, path: t.Sequence[str]) -> str:
    """Remove the key at the path with its value; the mapping it was in stays, possibly empty."""
    node: t.Any = yaml.compose(text)
    parent_key: t.Any = None
    for key in path[:-1]:
        index = _find(node, key)
        if index is None:
            raise YamlEditError(f"has no key {'.'.join(path)}")
        parent_key, node = node.value[index]
    index = _find(node, path[-1])
    if index is None:
        raise YamlEditError(f"has no key {'.'.join(path)}")
    key_node, value = node.value[index]
    end = _content_end(text, value)
    if node.flow_style:
        if index + 1 < len(node.value):
            return text[: key_node.start_mark.index] + text[node.value[index + 1][0].start_mark.index :]
        start = _content_end(text, node.value[index - 1][1]) if index else key_node.start_mark.index
        return text[:start] + text[end:]
    if len(node.value) == 1 and parent_key is not None:
        return _replace(text, parent_key, node, "{}")
    start = text.rfind("\n", 0, key_node.start_mark.index) + 1
    newline = text.find("\n", end)
    if newline >= 0:
        return text[:start] + text[newline + 1 :]
    return text[: max(start - 1, 0)]


def _find(node: t.Any, key: str) -> int | None:
    """The place of a key in a mapping; the last one counts when it is there twice, as for YAML's readers."""
    found = [index for index, (item, _value) in enumerate(node.value) if item.value == key]
    return found[-1] if found else None


def _replace(text: str, key_node: t.Any, node: t.Any, raw: str) -> str:
    colon = text.index(":", key_node.end_mark.index)
    start, end = node.start_mark.index, _content_end(text, node)
    if node.start_mark.line == key_node.end_mark.line and end > start:
        return text[:start] + raw + text[end:]
    if end == start:
        return f"{text[: colon + 1]} {raw}{text[colon + 1 :]}"
    # The value stands on lines of its own: write the new one beside the key, and keep a comment in between.
    return f"{text[: colon + 1]} {raw}{text[colon + 1 : start].rstrip()}{text[end:]}"


def _insert(text: str, node: t.Any, entry: str) -> str:
    last = _content_end(text, node.value[-1][1]) if node.value else 0
    if node.flow_style:
        if not node.value:
            place = node.end_mark.index - 1
            return text[:place] + entry + text[place:]
        return f"{text[:last]}, {entry}{text[last:]}"
    indent = " " * node.start_mark.column
    newline = text.find("\n", last)
    if newline < 0:
        return f"{text}\n{indent}{entry}"
    return f"{text[: newline + 1]}{indent}{entry}\n{text[newline + 1 :]}"


def _content_end(text: str, node: t.Any) -> int:
    """Where the last character of a value is; the marks of block values reach on to the next token."""
    if isinstance(node, yaml.CollectionNode):
        if node.flow_style:
            return node.end_mark.index
        last = node.value[-1]
        return _content_end(text, last[1] if isinstance(last, tuple) else last)
    start = node.start_mark.index
    return start + len(text[start : node.end_mark.index].rstrip())


def _entry(path: t.Sequence[str], raw: str) -> str:
    for key in reversed(path[1:]):
        raw = "{" + f"{inline(key)}: {raw}" + "}"
    return f"{inline(path[0])}: {raw}"


def _is_null(node: t.Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _with_newline(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _unshare(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _unshare(item) for key, item in value.items()}
    return [_unshare(item) for item in value] if isinstance(value, list) else value
