# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_probe
short_description: Ask one name server for addresses and check the answers
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Asks a name server directly, past C(resolv.conf) and C(/etc/hosts), and fails unless every
    name is answered as expected.
  - The role P(mesh.expansion.dnsmasq#role) uses it to be sure that a new resolver works before
    the host is switched to it.
options:
  server:
    description: Address of the name server.
    type: str
    default: 127.0.0.1
  port:
    description: Port of the name server.
    type: int
    default: 53
  timeout:
    description: Seconds to wait for one answer.
    type: float
    default: 2.0
  attempts:
    description: How often each name is asked for, with a second between attempts, until it is answered as expected.
    type: int
    default: 3
extends_documentation_fragment:
  - mesh.expansion._dnsmasq.queries
  - mesh.expansion._attributes.info
"""

EXAMPLES = r"""
- name: Check a resolver
  mesh.expansion.dns_probe:
    server: 127.0.0.1
    queries:
      - name: istio-pilot
        expect: [192.0.2.62]
      - name: istio-pilot
        type: AAAA
        empty: true
      - name: example.com
"""

RETURN = r"""
answers:
  description: What was answered.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      returned: always
    type:
      description: The record type.
      type: str
      returned: always
    rcode:
      description: The response code, or empty if nothing came.
      type: str
      returned: always
      sample: NOERROR
    addresses:
      description: The addresses.
      type: list
      elements: str
      returned: always
    problem:
      description: What is wrong, or empty.
      type: str
      returned: always
"""

import time
import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host import dns, dns_client
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns.settings import QUERY, QUERY_KINDS
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule

_KINDS = {
    "server": _options.HOST,
    "port": _options.PORT,
    "timeout": _options.TIMEOUT,
    "attempts": _options.ATTEMPTS,
}


def main() -> None:
    module = NestedModule(
        argument_spec={
            "server": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 53},
            "queries": {"type": "list", "elements": "dict", "required": True, "options": QUERY},
            "timeout": {"type": "float", "default": 2.0},
            "attempts": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    wrong = _options.wrong(module.params, _KINDS)
    for number, query in enumerate(module.params["queries"]):
        wrong += _options.wrong(query, QUERY_KINDS, f"queries[{number}]: ")
    _options.refuse(module, wrong)
    options = module.params

    def last_answer(item: dict[str, t.Any]) -> dict[str, t.Any]:
        def once() -> dns.Answer:
            return dns_client.ask(
                options["server"], options["port"], item["name"], item["type"], item["protocol"], options["timeout"]
            )

        return list(dns_client.tries(item, once, options["attempts"], time.sleep))[-1]

    answers = [last_answer(item) for item in options["queries"]]
    problems = dns_client.said(answers)
    if problems:
        module.fail_json(msg=f"Name server {options['server']}: {problems}", answers=answers)
    module.exit_json(changed=False, answers=answers)


if __name__ == "__main__":
    main()
