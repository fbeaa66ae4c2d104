#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_result
short_description: End a run with the status of an audit
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Fails when something has drifted, and ends as a host that cannot be reached does when something could not be looked
    at. As the last task of the last play it makes C(ansible-playbook) end with the status 2 or 4, and with 0 when
    everything is as it should be.
  - What could not be looked at outweighs what has drifted, since more may have.
extends_documentation_fragment:
  - mesh.expansion._attributes.info
options:
  drift:
    description: What has drifted, as P(mesh.expansion.audit_drift#filter) returns it.
    type: list
    elements: dict
    required: true
  unreached:
    description: What could not be looked at, and why.
    type: dict
    default: {}
seealso:
  - plugin: mesh.expansion.audit_drift
    plugin_type: filter
"""

EXAMPLES = r"""
- name: End with the status of the audit
  mesh.expansion.audit_result:
    drift: "{{ audit.drift }}"
    unreached: "{{ audit.unreached }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
msg:
  description: What was found, in a sentence.
  returned: always
  type: str
  sample: Everything is as the inventory says.
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule


def sentence(drift: t.Sequence[t.Mapping[str, t.Any]], unreached: t.Iterable[str]) -> str:
    found = []
    if drift:
        places = ", ".join(dict.fromkeys(str(item.get("where") or "?") for item in drift))
        found.append(
            f"{len(drift)} {'thing is' if len(drift) == 1 else 'things are'} not as the inventory says ({places})."
        )
    missed = list(unreached)
    if missed:
        found.append(f"Not looked at, since it could not be reached: {', '.join(missed)}.")
    return " ".join([*found, "The lines above say more."]) if found else "Everything is as the inventory says."


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "drift": {"type": "list", "elements": "dict", "required": True},
            "unreached": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    drift, unreached = module.params["drift"], module.params["unreached"]
    text = sentence(drift, unreached)
    if unreached:
        # What Ansible says of a host that it does not reach.
        module.exit_json(unreachable=True, msg=text)
    if drift:
        module.fail_json(msg=text)
    module.exit_json(changed=False, msg=text)


if __name__ == "__main__":
    main()
