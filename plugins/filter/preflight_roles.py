# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_roles
short_description: What the roles of a host would tell their modules
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
description:
  - Makes the option O(mesh.expansion.preflight_look#module:roles) out of the variables of the roles
    P(mesh.expansion.director#role), P(mesh.expansion.real_server#role), P(mesh.expansion.dnsmasq#role) and
    P(mesh.expansion.istio_sidecar#role), so that one look at a host is enough where nothing is to be done.
  - With O(verify), also what P(mesh.expansion.verify#role) would tell M(mesh.expansion.verify_vm), as far as it is not
    told the others.
  - Nothing is made for a director whose role asks the cluster first, for its nodes or for root certificates.
  - What cannot be made of the variables is left out and is no error here, since preflight reports everything at once.
positional: verify
extends_documentation_fragment:
  - mesh.expansion._of_host
options:
  verify:
    description: Whether verification follows in the same run.
    type: boolean
    default: false
"""

EXAMPLES = r"""
---
- name: Show what the roles of this host are told
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | mesh.expansion.preflight_roles }}"
"""

RETURN = r"""
_value:
  description: V(director) for a director, V(real_server) for a node, V(resolver), V(sidecar) and V(verify) for a VM,
    as far as they can be made.
  type: dictionary
"""

import typing as t

from jinja2 import pass_context


@pass_context
def preflight_roles(context: t.Any, host: str, verify: bool = False) -> dict[str, dict[str, t.Any]]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.plugin_utils import _role_options

    return _role_options.options(context, host, verify)


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_roles": preflight_roles}
