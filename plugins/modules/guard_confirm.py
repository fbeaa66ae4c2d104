# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guard_confirm
short_description: Keep what an apply module changed on a host that can still be reached
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Modules such as M(mesh.expansion.dnsmasq_apply) leave a timer on the host that puts the old state back after 45
    seconds. This module stops it.
  - Call it over a fresh connection (C(meta) with C(reset_connection)), since an established one may outlive a change
    that lets no new one in. That it runs at all proves that the host can be reached.
  - Fails when the timer was faster, and the old state is back. Does nothing on a host without such a timer.
options:
  role:
    description: The role whose change is meant.
    type: str
    choices: [dnsmasq, istio_sidecar]
    required: true
  keep:
    description:
      - Whether what leads back to the old state is kept on the host beyond that, for
        O(mesh.expansion.istio_sidecar_apply#module:state=returned).
    type: bool
    default: false
extends_documentation_fragment:
  - mesh.expansion._attributes
attributes:
  check_mode:
    support: full
    details: Does nothing in check mode.
  diff_mode:
    support: none
requirements:
  - systemd on the managed host
"""

EXAMPLES = r"""
- name: Use a fresh connection
  ansible.builtin.meta: reset_connection

- name: Keep what was changed
  mesh.expansion.guard_confirm:
    role: dnsmasq
"""

RETURN = r"""
confirmed:
  description: Whether nothing will be put back.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._host import guard
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "role": {"type": "str", "choices": ["dnsmasq", "istio_sidecar"], "required": True},
            "keep": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    role = module.params["role"]
    if module.check_mode:
        module.exit_json(changed=False, confirmed=True)
    try:
        confirmed = guard.confirm(role, module.params["keep"])
    except HostError as exc:
        module.fail_json(msg=f"Cannot confirm the change of {role}: {exc}", confirmed=False)
    if not confirmed:
        module.fail_json(msg=guard.too_late(role), confirmed=False)
    module.exit_json(changed=False, confirmed=True)


if __name__ == "__main__":
    main()
