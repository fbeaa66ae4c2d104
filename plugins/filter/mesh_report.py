# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mesh_report
short_description: What verification found on a site, as a page to read
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Makes one self-contained HTML page of the rows of P(mesh.expansion.verify_rows#filter) and of what was seen beside
    them; a picture of the site with the state of each connection, what ends when, versions, drift, and what changed
    since the former report.
  - Everything that comes from hosts is escaped, and what is a key or a token by its looks is left out.
positional: _input
extends_documentation_fragment:
  - mesh.expansion._seen
options:
  _input:
    description: Rows as P(mesh.expansion.verify_rows#filter) returns them.
    type: list
    elements: dict
    required: true
  site:
    description: The part V(picture) of the site, as P(mesh.expansion.mesh_site#filter) gives it.
    type: dict
    required: true
  facts:
    description: >-
      Results of M(ansible.builtin.setup) by host. A host that is not among them was not looked at.
    type: dict
    default: {}
  envoys:
    description: Results of M(mesh.expansion.envoy_info) by host.
    type: dict
    default: {}
  cluster:
    description: The result of M(mesh.expansion.verify_cluster).
    type: dict
    default: {}
  api:
    description: The result of M(mesh.expansion.kube_access_info), with the Deployments of the control plane.
    type: dict
    default: {}
  former:
    description: The value RV(_value.json) of the former report; empty without one.
    type: str
    default: ""
  expiry_days:
    description: A certificate that ends within this number of days is shown as one that will not hold for long.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Make the page
  ansible.builtin.copy:
    content: "{{ (rows | mesh.expansion.mesh_report(site=site, cluster=cluster)).html }}"
    dest: ./mesh-report.html
    mode: "0644"
  vars:
    site: "{{ inventory_hostname | mesh.expansion.mesh_site('picture') }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    html:
      description: The page.
      type: str
    json:
      description: The same as data, which the next report is compared with.
      type: str
    changed:
      description: Whether the page shows anything that the former one did not, but the time.
      type: bool
    summary:
      description: The page's first sentence.
      type: str
    next:
      description: The command to go on with; empty when there is nothing to do.
      type: str
"""

import datetime
import json
import typing as t

from ansible_collections.mesh.expansion.plugins.plugin_utils import _judging

Mapping = t.Mapping[str, t.Any]


def mesh_report(
    rows: t.Any,
    site: Mapping,
    directors: Mapping | None = None,
    vms: Mapping | None = None,
    facts: Mapping | None = None,
    envoys: Mapping | None = None,
    cluster: Mapping | None = None,
    api: Mapping | None = None,
    former: str = "",
    expiry_days: int = 30,
) -> dict[str, t.Any]:
    """Make the report."""
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report import build, changes, page, troubles

    looks = build.Looks(directors or {}, vms or {}, facts or {}, envoys or {}, cluster or {}, api or {})
    with _judging.errors_of("mesh_report", "needs the results of the modules that it shows"):
        now = datetime.datetime.now(datetime.timezone.utc)
        report = build.build(site, rows, looks, now, int(expiry_days))
        document = changes.document(report)
        changed = changes.since(former, document)
    return {
        "html": page.page(report, changed),
        "json": json.dumps(changes.recorded(document, changed), indent=2, ensure_ascii=False) + "\n",
        "changed": not changed.since or changed.seen == document["time"],
        "summary": troubles.headline(report)[0],
        "next": troubles.next_step(report),
    }


class FilterModule:
    """The filter mesh.expansion.mesh_report."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"mesh_report": mesh_report}
