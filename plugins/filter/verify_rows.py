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
  - Puts together what the modules of the role P(mesh.expansion.verify#role) found, into one result per row of the
    procedure and host.
  - A host that was not reached, or whose check broke off, has all its rows, and none of them holds.
positional: _input
extends_documentation_fragment:
  - mesh.expansion._seen
options:
  _input:
    description: The result of M(mesh.expansion.verify_cluster), also of a failure.
    type: dict
    required: true
  identities:
    description:
      - Results of M(mesh.expansion.istio_vm_certs) in check mode by host; of M(mesh.expansion.istio_vm_bootstrap) with
        a O(control_plane) that signs a VM's certificate for a token.
    type: dict
    default: {}
  table:
    description: What the director's table holds when all is well, for the row that says so.
    type: str
    default: the table is loaded
  control_plane:
    description: The control plane's generation, which has the rows.
    type: str
    default: istiod
  expiry_days:
    description:
      - A certificate that ends within this number of days makes the row of the VM's identity V(warning).
      - With less than four times that to live it does so in the last quarter of its life. Such a certificate should
        have been renewed at half of it.
    type: int
    default: 30
    version_added: "1.1.0"
  real_servers:
    description:
      - The part V(real_servers) of P(mesh.expansion.mesh_site#filter), where the cluster says who is one. A node
        without a host in the inventory has a row then that is not checked.
    type: dict
    default: {}
    version_added: "1.1.0"
"""

EXAMPLES = r"""
- name: Judge the cluster and one VM
  ansible.builtin.debug:
    msg: "{{ cluster | mesh.expansion.verify_rows(vms={'web1': seen}, identities={'web1': identity}) }}"
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
    state:
      description:
        - V(ok), V(FAILED), V(warning) where something holds today and will not for long, or V(not checked) with the
          reason in C(detail).
      type: str
    ok:
      description: Whether nothing is wrong.
      type: bool
    detail:
      description: What was seen, or what is wrong and how to mend it.
      type: str
    host:
      description: The host that the row is about.
      type: str
"""

import datetime
import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._mesh import generations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.plugin_utils import _judging

Results = t.Mapping[str, t.Any]
_MOST_DAYS = 3650


def verify_rows(
    cluster: t.Any,
    directors: Results | None = None,
    vms: Results | None = None,
    identities: Results | None = None,
    table: str = "the table is loaded",
    control_plane: str = generations.DEFAULT,
    expiry_days: int = 30,
    real_servers: Results | None = None,
) -> list[dict[str, t.Any]]:
    """Judge what was seen."""
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import expiry, rows

    now = datetime.datetime.now(datetime.timezone.utc)
    seen = vms or {}
    with _judging.errors_of("verify_rows", "the results are not those of the modules that it judges"):
        generation = generations.generation(control_plane)
        days = int(expiry_days)
        if not 0 <= days <= _MOST_DAYS:
            raise MeshError(f"expiry_days (verify_expiry_days) is {days}; it must be a number from 0 to {_MOST_DAYS}.")
        forecasts = {host: expiry.warnings(expiry.dated(result), now, days) for host, result in seen.items()}
        judged = rows.rows(generation, cluster, directors or {}, seen, identities or {}, table, forecasts, real_servers)
    return [row._asdict() for row in judged]


class FilterModule:
    """The filter mesh.expansion.verify_rows."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"verify_rows": verify_rows}
