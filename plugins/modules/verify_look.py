#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_look
short_description: Look at a VM for everything that verification judges
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Reads in one go what the role P(mesh.expansion.verify#role) judges on a VM, and changes nothing.
  - Needs root, for the packet filter and the sidecar's files. No key is read into the result.
options:
  names:
    description: Names that are looked up, with the program C(host).
    type: list
    elements: str
    default: []
  listeners:
    description: Listeners that Pilot makes for the VM's services. An Envoy that answers but lacks one is asked again.
    type: list
    elements: str
    default: []
  timeout:
    description: How long Envoy may take to receive its configuration, in seconds.
    type: int
    default: 30
extends_documentation_fragment:
  - mesh.expansion._attributes.info
"""

EXAMPLES = r"""
- name: Look at the VM
  mesh.expansion.verify_look:
    names: [istio-pilot, istio-citadel.istio-system]
    listeners: [192.0.2.81_9080]
  register: seen
"""

RETURN = r"""
seen:
  description: Files, units, lookups, packet filter, processes, the public parts of the identity, and what Envoy says.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.look import look


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "listeners": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        seen = look(options["names"], options["listeners"], options["timeout"])
    except HostError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, seen=seen)


if __name__ == "__main__":
    main()
