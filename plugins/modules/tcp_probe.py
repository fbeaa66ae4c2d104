#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tcp_probe
short_description: Ask machines whether they are there, by connecting to them
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Connects to each port of each address, all at the same time, and closes the connection again. A machine that refuses
    the connection is there as well.
  - Sends nothing, changes nothing, and needs no root.
  - On a host whose traffic a sidecar captures every connection succeeds. Ask from another one.
extends_documentation_fragment:
  - mesh.expansion._attributes.info
options:
  targets:
    description: Whom to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      address:
        description: Its address.
        type: str
        required: true
      ports:
        description: The ports to try.
        type: list
        elements: int
        required: true
  timeout:
    description: How long to wait for an answer, in seconds.
    type: float
    default: 3
seealso:
  - module: mesh.expansion.istio_orphans
"""

EXAMPLES = r"""
- name: Ask two machines
  mesh.expansion.tcp_probe:
    targets:
      - {address: 192.0.2.81, ports: [22, 9080]}
      - {address: 192.0.2.82, ports: [22]}
  register: asked
"""

RETURN = r"""
answering:
  description: The addresses that answered on one of their ports.
  returned: success
  type: list
  elements: str
  sample: ["192.0.2.81"]
"""

import asyncio
import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule

# So many connections are tried at the same time.
_AT_ONCE = 200


async def _answers(address: str, port: int, timeout: float, turn: asyncio.Semaphore) -> bool:
    async with turn:
        try:
            _reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), timeout)
        except ConnectionRefusedError:
            return True
        except (OSError, asyncio.TimeoutError):
            return False
    writer.close()
    return True


async def ask(targets: t.Sequence[t.Mapping[str, t.Any]], timeout: float) -> list[str]:
    turn = asyncio.Semaphore(_AT_ONCE)
    wanted = [(item["address"], port) for item in targets for port in item["ports"]]
    found = await asyncio.gather(*(_answers(address, port, timeout, turn) for address, port in wanted))
    return list(dict.fromkeys(address for (address, _port), answered in zip(wanted, found) if answered))


def main() -> None:
    target = {
        "address": {"type": "str", "required": True},
        "ports": {"type": "list", "elements": "int", "required": True},
    }
    module = NestedModule(
        argument_spec={
            "targets": {"type": "list", "elements": "dict", "required": True, "options": target},
            "timeout": {"type": "float", "default": 3},
        },
        supports_check_mode=True,
    )
    wrong = _options.wrong(module.params, {"timeout": _options.TIMEOUT})
    for number, item in enumerate(module.params["targets"], 1):
        kinds = {"address": _options.ADDRESS, "ports": _options.PORT}
        wrong += _options.wrong(item, kinds, f"targets, entry {number}: ")
    _options.refuse(module, wrong)
    answering = asyncio.run(ask(module.params["targets"], module.params["timeout"]))
    module.exit_json(changed=False, answering=answering)


if __name__ == "__main__":
    main()
