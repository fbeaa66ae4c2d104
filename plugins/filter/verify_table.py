# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: verify_table
short_description: Show judged rows as lines that people read
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Turns the result of P(mesh.expansion.verify_rows#filter) into sorted lines, one per row.
positional: _input
options:
  _input:
    description: Rows as P(mesh.expansion.verify_rows#filter) returns them.
    type: list
    elements: dict
    required: true
  control_plane:
    description: The control plane's generation, which has the order of the rows.
    type: str
    default: istiod
"""

EXAMPLES = r"""
- name: Show the rows
  ansible.builtin.debug:
    msg: "{{ rows | mesh.expansion.verify_table }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample:
    - "ok    R5  the director forwards each port to its nodes:
      8 virtual services, 17 real servers, VIP 192.0.2.62 held"
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._mesh import generations
from ansible_collections.mesh.expansion.plugins.plugin_utils import _judging


def verify_table(rows: t.Any, control_plane: str = generations.DEFAULT) -> list[str]:
    """Show judged rows as lines."""
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.rows import table

    with _judging.errors_of("verify_table", "needs the rows of mesh.expansion.verify_rows"):
        return table(generations.generation(control_plane), rows)


class FilterModule:
    """The filter mesh.expansion.verify_table."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"verify_table": verify_table}
