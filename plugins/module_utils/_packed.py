# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large table on its way between the control node and a module, as one text. Private to the collection.

On its way Ansible looks at each value of options and results several times: copies, tags, and searches it for secrets.
For ten thousand real servers that takes longer than all that a module does with them. The text is compressed, since it
is copied, and written as JSON within JSON, a dozen times.
"""

from __future__ import annotations

import base64
import json
import typing as t
import zlib

_PACKED = "packed"
# What Ansible itself wants to see of a result.
_PLAIN = ("changed", "msg", "invocation")


def pack(entries: t.Any) -> t.Any:
    """A list of mappings as one that holds a text only; anything else as it is, for the module to complain about."""
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        return entries
    try:
        return [{_PACKED: _text(entries)}]
    except (TypeError, ValueError):
        return entries


def unpack(entries: t.Sequence[t.Any]) -> list[t.Any] | None:
    """What was packed; None where nothing was."""
    if len(entries) != 1 or not isinstance(entries[0], dict) or list(entries[0]) != [_PACKED]:
        return None
    try:
        return list(_value(entries[0][_PACKED]))
    except (TypeError, ValueError, zlib.error):
        # An option that somebody calls so; the module complains about it.
        return None


def unpack_result(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """A module's result, as it would have been without all this."""
    plain = dict(result)
    packed = plain.pop(_PACKED, None)
    return result if packed is None else {**plain, **_value(packed)}


class Unpacked:
    """A module that got an option packed, and packs its result: beside that it is the module itself."""

    def __init__(self, module: t.Any, option: str, value: list[t.Any]) -> None:
        self._module = module
        self.params = {**module.params, option: value}

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._module, name)

    def exit_json(self, **result: t.Any) -> None:
        self._module.exit_json(**_pack_result(result))

    def fail_json(self, **result: t.Any) -> None:
        self._module.fail_json(**_pack_result(result))


def _pack_result(result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    plain = {name: value for name, value in result.items() if name in _PLAIN}
    return {**plain, _PACKED: _text({name: value for name, value in result.items() if name not in _PLAIN})}


def _text(value: t.Any) -> str:
    return base64.b64encode(zlib.compress(json.dumps(value).encode(), 1)).decode()


def _value(text: str) -> t.Any:
    return json.loads(zlib.decompress(base64.b64decode(text)))
