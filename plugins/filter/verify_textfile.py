# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: verify_textfile
short_description: What verify has seen of a host, as node exporter's textfile collector reads it
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Turns the results of M(mesh.expansion.verify_vm), M(mesh.expansion.director_look) and M(mesh.expansion.ipvs_info)
    into metrics, whose names begin with C(mesh_expansion_). The page on monitoring has all of them.
positional: _input
options:
  _input:
    description: The result of M(mesh.expansion.verify_vm); empty of a host that is no VM.
    type: dict
    required: true
  director:
    description: The result of M(mesh.expansion.director_look); empty of a host that is no director.
    type: dict
    default: {}
  ipvs:
    description: The result of M(mesh.expansion.ipvs_info); empty of a host that is no director.
    type: dict
    default: {}
  rows:
    description: Rows, as P(mesh.expansion.verify_rows#filter) makes them. Those of the host become metrics.
    type: list
    elements: dict
    default: []
  host:
    description: The host's name in the rows.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the metrics of a VM
  ansible.builtin.debug:
    msg: "{{ seen | mesh.expansion.verify_textfile }}"
"""

RETURN = r"""
_value:
  description: The content of the file; empty when nothing was seen.
  type: str
"""

import time
import typing as t

from ansible.errors import AnsibleFilterError

Result = t.Mapping[str, t.Any]


def verify_textfile(
    seen: t.Any,
    director: Result | None = None,
    ipvs: Result | None = None,
    rows: t.Sequence[Result] | None = None,
    host: str = "",
) -> str:
    """The metrics of one host."""
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import exposition, metrics

    try:
        return exposition.render(metrics.of_host(seen, director or {}, ipvs or {}, rows or [], host, time.time()))
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as exc:
        raise AnsibleFilterError(
            f"mesh.expansion.verify_textfile: the results are not those of the modules that it takes: {exc!r}"
        ) from exc


class FilterModule:
    """The filter mesh.expansion.verify_textfile."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"verify_textfile": verify_textfile}
