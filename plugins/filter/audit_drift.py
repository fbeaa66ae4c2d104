# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_drift
short_description: Say what of a site is not as the inventory says
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Puts together what C(tasks_from=audit.yml) of the role P(mesh.expansion.verify#role) has looked at.
positional: _input
extends_documentation_fragment:
  - mesh.expansion._seen
options:
  _input:
    description: Rows as P(mesh.expansion.verify_rows#filter) returns them.
    type: list
    elements: dict
    required: true
  cluster:
    description: The result of M(mesh.expansion.verify_cluster), also of a failure.
    type: dict
    required: true
  nodes:
    description: Results of M(mesh.expansion.real_server_look) by host.
    type: dict
    default: {}
  packages:
    description: Results of M(mesh.expansion.istio_sidecar_look) by host.
    type: dict
    default: {}
  labels:
    description: The result of M(mesh.expansion.istio_network_labels) in check mode.
    type: dict
    default: {}
  orphans:
    description: The result of M(mesh.expansion.istio_orphans).
    type: dict
    default: {}
  control_plane:
    description: The control plane's generation, which has the rows.
    type: str
    default: istiod
seealso:
  - module: mesh.expansion.audit_result
"""

EXAMPLES = r"""
- name: Say what has drifted
  ansible.builtin.debug:
    msg: "{{ (rows | mesh.expansion.audit_drift(cluster=cluster, vms={'web1': seen})).lines }}"
"""

RETURN = r"""
_value:
  description: What was found.
  type: dict
  contains:
    drift:
      description: Each thing with C(where) and C(what) it is, in C(detail) what was found and is wanted, and what is
        C(next).
      type: list
      elements: dict
    unreached:
      description: Hosts that could not be looked at, C(cluster) among them, and why.
      type: dict
    notes:
      description: What is no drift, and worth a word.
      type: list
      elements: str
    lines:
      description: All of it as people read it.
      type: list
      elements: str
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._mesh import generations
from ansible_collections.mesh.expansion.plugins.plugin_utils import _judging

Results = t.Mapping[str, t.Any]


def audit_drift(
    rows: t.Any,
    cluster: Results,
    directors: Results | None = None,
    vms: Results | None = None,
    nodes: Results | None = None,
    packages: Results | None = None,
    labels: Results | None = None,
    orphans: Results | None = None,
    control_plane: str = generations.DEFAULT,
) -> dict[str, t.Any]:
    """What has drifted."""
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import audit

    given = (directors, vms, nodes, packages, labels, orphans)
    with _judging.errors_of("audit_drift", "the results are not those of the modules that it judges"):
        looks = audit.Looks(cluster, *({} if item is None else item for item in given))
        found = audit.audit(generations.generation(control_plane), rows, looks)
    return {
        "drift": [item._asdict() for item in found.drift],
        "unreached": found.unreached,
        "notes": found.notes,
        "lines": found.lines(),
    }


class FilterModule:
    """The filter mesh.expansion.audit_drift."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"audit_drift": audit_drift}
