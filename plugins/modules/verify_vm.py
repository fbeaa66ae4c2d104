#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_vm
short_description: Check on a VM whether everything of the mesh holds
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Looks at a VM in one go and judges what the role P(mesh.expansion.verify#role) reports, and changes nothing.
  - What M(mesh.expansion.dnsmasq_apply) and M(mesh.expansion.istio_sidecar_apply) would still do is a fault.
  - Needs root, for the packet filter and the sidecar's files. No key is read into the result.
options:
  resolver:
    description: The options of M(mesh.expansion.dnsmasq_look).
    type: dict
    required: true
  sidecar:
    description: The options of M(mesh.expansion.istio_sidecar_apply).
    type: dict
    required: true
  cluster_domain:
    description: The cluster's DNS domain.
    type: str
    default: cluster.local
  timeout:
    description: How long Envoy may take to receive its configuration, in seconds.
    type: int
    default: 30
  host:
    description: What this host is called in messages.
    type: str
    default: this host
extends_documentation_fragment:
  - mesh.expansion._attributes.info
seealso:
  - module: mesh.expansion.verify_cluster
  - plugin: mesh.expansion.verify_rows
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the VM
  mesh.expansion.verify_vm:
    resolver:
      vip: 192.0.2.62
      service_cidr: 10.96.0.0/12
      services: "{{ 'secure' | mesh.expansion.exposed_services }}"
    sidecar:
      vip: 192.0.2.62
      service_cidr: 10.96.0.0/12
      services:
        - {name: web, port: 9080}
  register: seen
"""

RETURN = r"""
checks:
  description:
    - What each check found, by its name. C(problems) is empty when it holds, C(good) is what there is to say then, and
      C(unchecked) says why it could not be checked.
  returned: success
  type: dict
  sample: {names_file: {problems: [], good: 14 lines, unchecked: ""}}
lookups:
  description: Of each name of the mesh the C(addresses) that it answers, or what was C(said) instead.
  returned: success
  type: dict
identity:
  description: What this host has of an identity, for the option O(mesh.expansion.istio_vm_certs#module:actual). No key.
  returned: success
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import vm
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.look import Wanted, look
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import settings as dns
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity import files
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings, argument_spec


def _parsed(name: str, spec: dict[str, t.Any], given: dict[str, t.Any]) -> dict[str, t.Any]:
    """The options of another module, as that module would get them."""
    found = ArgumentSpecValidator(spec).validate(given)
    if found.error_messages:
        raise MeshError(f"{name}: {'; '.join(found.error_messages)}. Give it what the role's module takes.")
    return found.validated_parameters


def wanted_of(params: t.Mapping[str, t.Any]) -> Wanted:
    return Wanted(
        resolver=dns.parse(_parsed("resolver", dns.OPTIONS, params["resolver"])),
        sidecar=Settings.from_options(_parsed("sidecar", argument_spec(), params["sidecar"])),
        cluster_domain=params["cluster_domain"],
        host=params["host"],
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "resolver": {"type": "dict", "required": True},
            "sidecar": {"type": "dict", "required": True},
            "cluster_domain": {"type": "str", "default": "cluster.local"},
            "timeout": {"type": "int", "default": 30},
            "host": {"type": "str", "default": "this host"},
        },
        supports_check_mode=True,
    )
    try:
        wanted = wanted_of(module.params)
        seen = look(wanted, module.params["timeout"])
    except (HostError, MeshError) as exc:
        module.fail_json(msg=f"Cannot check this host: {exc}")
    module.exit_json(
        changed=False,
        checks={name: found.as_dict() for name, found in vm.judge(wanted, seen).items()},
        lookups=vm.parse_lookups(wanted.names(), seen.lookups, seen.lookups_error),
        identity=files.inspect(layout.CERTS),
    )


if __name__ == "__main__":
    main()
