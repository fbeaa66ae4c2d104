# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to what they are parsed into, and keys that are none. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from .errors import MeshError


def given(cls: t.Any, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The fields that the options give; the others have the dataclass's own defaults."""
    names = [field.name for field in dataclasses.fields(cls)]
    return {name: _plain(options[name]) for name in names if options.get(name) is not None}


def _plain(value: t.Any) -> t.Any:
    """Without what Ansible's own kind of text carries along."""
    return str(value) if isinstance(value, str) else value


def of_module(name: str, spec: dict[str, t.Any], options: t.Mapping[str, t.Any], **rules: t.Any) -> dict[str, t.Any]:
    """The options of another module, given as one option C(name), as that module would get them."""
    # Here, since most who import this have a module of Ansible that does it.
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    found = ArgumentSpecValidator(spec, **rules).validate(dict(options))
    if found.error_messages:
        raise MeshError(f"{name}: {'; '.join(found.error_messages)}. Give it what the role's module takes.")
    return found.validated_parameters


def unknown(mapping: t.Mapping[str, t.Any], known: t.Sequence[str]) -> list[str]:
    """For each key that is none, what may have been meant."""
    # Here, since hosts that are given no wrong keys need not load it.
    import difflib

    found = []
    for key in sorted(set(map(str, mapping)) - set(known)):
        near = difflib.get_close_matches(key, known, n=1)
        found.append(
            f"unknown key {key!r}{f', did you mean {near[0]!r}?' if near else ';'} Known are {', '.join(known)}"
        )
    return found
