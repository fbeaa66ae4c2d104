#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnose_look
short_description: Gather what somebody else needs to see of a host, without its secrets
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Asks a host for versions, addresses, routes, the packet filter, name servers, units with the end of their journals,
    and the footprints of this collection; a director for its IPVS table; a VM for the sidecar's settings, logs and what
    its Envoy says. Writes them into files of the control node that only their owner reads, in C(hosts/NAME).
  - Changes nothing on the host. A program or file that is not there is no failure, and is said in RV(missing).
  - Keys, tokens, passwords and other secrets are taken out on the host, before anything leaves it. Of the files
    with keys and tokens that the sidecar has, no line is shown in any form, wherever it stands.
options:
  dest:
    description: Directory on the control node. It is made when it is not there.
    type: path
    required: true
  kinds:
    description: What the host is in the site.
    type: list
    elements: str
    choices: [director, node, vm]
    required: true
  lines:
    description: How many lines of each journal and log are shown, the last ones.
    type: int
    default: 500
  size:
    description: How large a file may become, in KiB. What is longer is cut, and says so.
    type: int
    default: 1024
extends_documentation_fragment:
  - mesh.expansion._attributes.info
notes:
  - Without root much cannot be read, so use C(become).
seealso:
  - module: mesh.expansion.diagnose_cluster
"""

EXAMPLES = r"""
- name: Gather what there is to see on a VM
  mesh.expansion.diagnose_look:
    dest: /root/bundle
    kinds: [vm]
"""

RETURN = r"""
path:
  description: Directory on the control node with the files of this host.
  returned: success
  type: str
  sample: /root/bundle/hosts/web1.example.com
files:
  description: The files in it.
  returned: success
  type: list
  elements: str
  sample: [network.txt, system.txt]
missing:
  description: What could not be read, and why.
  returned: success
  type: list
  elements: str
  sample: ["packet-filter.txt: nft list ruleset: nft is not installed"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.diagnose import gather
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.diagnose.catalogue import KINDS

_KINDS = {
    "lines": _options.number(1, 100000, "a number of lines"),
    "size": _options.number(1, 65536, "a number of KiB"),
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "kinds": {"type": "list", "elements": "str", "choices": list(KINDS), "required": True},
            "lines": {"type": "int", "default": 500},
            "size": {"type": "int", "default": 1024},
        },
        supports_check_mode=True,
    )
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    limits = gather.Limits(module.params["lines"], module.params["size"] * 1024)
    found = gather.look(module.params["kinds"], limits)
    module.exit_json(changed=False, parts=found.parts, missing=found.missing)


if __name__ == "__main__":
    main()
