#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_connections
short_description: Wait until nobody is connected to a virtual machine's services
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Counts the TCP connections that other hosts have to the given ports, and waits until there are none. Connections
    that a sidecar took over count at the ports of the sidecar.
  - Meant for a machine that M(mesh.expansion.istio_drain) has drained. Sidecars of clients close what is idle as soon
    as they hear of it; a plain client with an idle connection keeps it, which is why there is a limit.
  - What is left at the end is no failure.
attributes:
  check_mode:
    description: Changes nothing; in check mode it looks once, without waiting.
    support: full
  diff_mode:
    description: Returns no diff.
    support: none
options:
  ports:
    description: The ports of the machine's services.
    type: list
    elements: int
    required: true
  captured:
    description: The ports at which a sidecar receives what it captures.
    type: list
    elements: int
    default: [15001, 15006]
  timeout:
    description: How many seconds to wait at most; V(0) looks once.
    type: int
    default: 300
  settle:
    description:
      - How many seconds clients may take to hear that they shall connect no more. So long is waited in any case, within
        O(timeout).
    type: int
    default: 3
seealso:
  - module: mesh.expansion.istio_drain
requirements:
  - iproute2 on the managed host
"""

EXAMPLES = r"""
- name: Wait for the requests that are on their way
  mesh.expansion.vm_connections:
    ports: [9080]
    timeout: 60
"""

RETURN = r"""
left:
  description: The connections that were there at the end.
  returned: success
  type: list
  elements: str
  sample: ["10.244.1.7 to port 15006"]
waited:
  description: Seconds.
  returned: success
  type: float
  sample: 3.1
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host import connections
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError

_LOOK_SECONDS = 0.5


def wait(look: t.Callable[[], t.List[t.Any]], timeout: float, settle: float) -> tuple[t.List[t.Any], float]:
    """What is left, and how long it took."""
    started = time.monotonic()
    time.sleep(min(settle, timeout))
    while True:
        found = look()
        waited = time.monotonic() - started
        if not found or waited >= timeout:
            return found, waited
        time.sleep(min(_LOOK_SECONDS, timeout - waited))


_KINDS = {
    "ports": _options.PORT,
    "captured": _options.PORT,
    "timeout": _options.SECONDS,
    "settle": _options.SECONDS,
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "ports": {"type": "list", "elements": "int", "required": True},
            "captured": {"type": "list", "elements": "int", "default": [15001, 15006]},
            "timeout": {"type": "int", "default": 300},
            "settle": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    params = module.params
    ports = {*params["ports"], *params["captured"]}
    timeout = 0 if module.check_mode else params["timeout"]
    try:
        left, waited = wait(lambda: connections.from_others(ports), timeout, params["settle"])
    except (HostError, OSError) as exc:
        module.fail_json(msg=f"Cannot look at the connections of this host: {exc}")
    module.exit_json(changed=False, left=[str(item) for item in left], waited=round(waited, 1))


if __name__ == "__main__":
    main()
