# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: env_file
short_description: Set keys in an environment file and leave its other lines alone
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Edits the text of a file of C(KEY=value) lines that a shell sources; values are quoted where the shell needs it.
  - A key keeps its place; new keys go to the end.
positional: _input, settings, unset
options:
  _input:
    description: Text of the file.
    type: str
    required: true
  settings:
    description: Keys and values to set. A null value takes the key out.
    type: dict
    required: true
  unset:
    description: Keys to take out.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the text
  ansible.builtin.debug:
    msg: "{{ 'A=1' | mesh.expansion.env_file({'B': 2}) }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import bootstrap


def env_file(text: str, settings: dict[str, t.Any], unset: t.Sequence[str] = ()) -> str:
    """An environment file with these settings."""
    try:
        return bootstrap.edit_env(text, settings, unset)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.env_file: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.env_file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"env_file": env_file}
