# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dnsmasq_look
short_description: Look at a VM's resolver, and say what M(mesh.expansion.dnsmasq_apply) would do
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Reads packages, files, units and name servers of a host in one go, and compares them with what is wanted.
  - The role P(mesh.expansion.dnsmasq#role) decides by it which packages to install and whether there is anything to do.
options:
  remember:
    description:
      - Whether to write down how the host is now, below C(/var/lib/mesh-expansion/dnsmasq), when packages are missing
        and nothing is written there yet. This is what a removal goes by later, so it has to be done before the
        packages are installed.
      - Nothing is written in check mode.
    type: bool
    default: false
extends_documentation_fragment:
  - mesh.expansion._dnsmasq
  - mesh.expansion._dnsmasq.probes
  - mesh.expansion._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
seealso:
  - module: mesh.expansion.dnsmasq_apply
"""

EXAMPLES = r"""
- name: Look at the resolver
  mesh.expansion.dnsmasq_look:
    vip: 192.0.2.62
    service_cidr: 10.96.0.0/12
    services: "{{ 'secure' | mesh.expansion.exposed_services }}"
  register: seen

- name: Say what would be done
  ansible.builtin.debug:
    var: seen.operations
"""

RETURN = r"""
operations:
  description:
    - What would be done, in order; empty when everything is as it should be. The packages are taken to be there.
  returned: success
  type: list
  elements: str
  sample: [write /etc/hosts, write /etc/resolv.conf]
missing_packages:
  description: Those of O(packages) that are not installed.
  returned: when O(state=present)
  type: list
  elements: str
surplus_packages:
  description: Packages to purge, those that the role brought and what came with them.
  returned: when O(state=absent)
  type: list
  elements: str
upstreams:
  description: The name servers for all other names.
  returned: when O(state=present)
  type: list
  elements: str
joined:
  description: Whether the host had been set up, or a run had begun to, before this call.
  returned: success
  type: bool
"""

from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import settings, work
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule


def main() -> None:
    module = NestedModule(
        argument_spec={**settings.OPTIONS, "remember": {"type": "bool", "default": False}},
        required_if=settings.REQUIRED_IF,
        supports_check_mode=True,
    )
    try:
        shown = work.report(module.params, module.check_mode)
    except (HostError, MeshError) as exc:
        module.fail_json(msg=f"Cannot plan the resolver of this host: {exc}")
    module.exit_json(**shown)


if __name__ == "__main__":
    main()
