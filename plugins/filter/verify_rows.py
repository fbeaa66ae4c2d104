# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: verify_rows
short_description: Judge what was seen on a running system, row by row
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Compares what a host or the Kubernetes API showed with what the mesh expansion needs, and returns one
    result per row of the procedure.
  - It is the judgement behind the role P(mesh.expansion.verify#role), which gathers the input.
positional: _input
options:
  _input:
    description: What was seen.
    type: dict
    required: true
  scope:
    description: What was looked at.
    type: str
    required: true
    choices:
      exposure: The exposed Services (R1 to R4).
      director: The director (R5).
      vm: One VM (R6 to R14, R16, R17).
      all: The rows of all hosts; those of a host that shows none do not hold.
        The input has the rows of each host, O(wanted) the hosts of the kinds C(director) and C(vm).
      cluster: The registrations, the mesh settings and a request from a pod (R15, R18, R19).
  wanted:
    description: What there should be.
    type: raw
    required: true
  host:
    description: Inventory name of the host that the rows are about.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Judge the exposed Services
  ansible.builtin.debug:
    msg: "{{ found.resources | mesh.expansion.verify_rows(scope='exposure', wanted=manifests, host='cluster') }}"
"""

RETURN = r"""
_value:
  description: The rows.
  type: list
  elements: dict
  contains:
    row:
      description: Row of the procedure.
      type: str
      sample: R5
    what:
      description: What the row is.
      type: str
    check:
      description: How it was checked.
      type: str
    ok:
      description: Whether it holds.
      type: bool
    detail:
      description: What was seen, or what is wrong and how to mend it.
      type: str
    host:
      description: The host that the row is about.
      type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import rows as verify

SCOPES: dict[str, t.Callable[..., list[verify.Row]]] = {
    "exposure": verify.exposure_rows,
    "director": verify.director_rows,
    "vm": verify.vm_rows,
    "cluster": verify.cluster_rows,
    "all": verify.all_rows,
}


def verify_rows(seen: t.Any, scope: str, wanted: t.Any, host: str) -> list[dict[str, t.Any]]:
    """Judge what was seen."""
    if scope not in SCOPES:
        raise AnsibleFilterError(f"mesh.expansion.verify_rows: scope is {scope!r}; use one of {', '.join(SCOPES)}")
    try:
        return [row._asdict() for row in SCOPES[scope](wanted, seen, host)]
    except (KeyError, TypeError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.verify_rows: the {scope} input is incomplete: {exc!r}") from exc


class FilterModule:
    """The filter mesh.expansion.verify_rows."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"verify_rows": verify_rows}
