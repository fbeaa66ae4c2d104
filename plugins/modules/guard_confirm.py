# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guard_confirm
short_description: Keep what a role has changed on a host
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - A role that changes what a connection depends on leaves a timer on the host that puts the old state back.
  - This module stops the timer. Run it over a new connection, which proves that the host can be reached.
options:
  role:
    description: The role that changed the host.
    type: str
    required: true
attributes:
  check_mode:
    description: Can run in check mode and predict changes.
    support: full
  diff_mode:
    description: Has nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Keep the new state
  mesh.expansion.guard_confirm:
    role: istio_sidecar
"""

RETURN = r"""# """

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._host import guard
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError


def main() -> None:
    module = AnsibleModule(argument_spec={"role": {"type": "str", "required": True}}, supports_check_mode=True)
    role = module.params["role"]
    try:
        kept = module.check_mode or guard.confirm(role)
    except HostError as exc:
        module.fail_json(msg=str(exc))
    if not kept:
        module.fail_json(
            msg=f"This host could not be reached within {guard.SECONDS} s after the role {role} had changed it, and has "
            "its old state back. Look at what was slow or cut off, and run again."
        )
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
