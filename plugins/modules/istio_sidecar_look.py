# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_sidecar_look
short_description: What has to be done for a VM to run the Istio sidecar
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Looks once at everything that the role P(mesh.expansion.istio_sidecar#role) decides on, and says what has to be
    done.
  - Refuses settings that cannot work, a package for another host, and one that is older than the installed one.
options:
  package:
    description:
      - The Debian package, a path on the control node or a URL.
      - Without one, what is installed stays as it is, and no server is asked.
    type: str
    default: ""
  checksum:
    description:
      - Checksum of the package as C(algorithm:value), for a URL also C(algorithm:URL), as M(ansible.builtin.get_url)
        takes it.
      - It is required for a URL.
    type: str
    default: ""
  allow_downgrade:
    description: Whether a package that is older than the installed one is fine.
    type: bool
    default: false
  offer:
    description: What a package on the control node is. The module fills it in by itself.
    type: dict
extends_documentation_fragment:
  - mesh.expansion._istio_sidecar
  - mesh.expansion._attributes.info
seealso:
  - module: mesh.expansion.istio_sidecar_apply
  - module: mesh.expansion.istio_vm_certs
  - module: mesh.expansion.istio_vm_bootstrap
"""

EXAMPLES = r"""
- name: Look at the host
  mesh.expansion.istio_sidecar_look:
    package: https://downloads.example.com/istio-sidecar.deb
    checksum: sha256:https://downloads.example.com/istio-sidecar.deb.sha256
    vip: 192.0.2.62
    service_cidr: 10.96.0.0/12
    services:
      - {name: web, port: 9080}
  register: sidecar

- name: Show what would be done
  ansible.builtin.debug:
    var: sidecar.operations
"""

RETURN = r"""
joined:
  description: Whether the role has changed this host before.
  returned: success
  type: bool
installed:
  description: Version of the installed package, or empty.
  returned: success
  type: str
  sample: 1.0.5
architecture:
  description: Architecture of this host.
  returned: success
  type: str
  sample: amd64
package:
  description: The package that the options name.
  returned: success
  type: dict
  contains:
    file:
      description: Where it is kept on this host.
      type: str
      returned: success
      sample: /var/cache/mesh-expansion/istio-sidecar.deb
    checksum:
      description: Its checksum with its algorithm.
      type: str
      returned: success
    version:
      description: Its version, or empty if it could not be read.
      type: str
      returned: success
    fetch:
      description: Whether it is not on this host yet.
      type: bool
      returned: success
    install:
      description: Whether it is not installed yet.
      type: bool
      returned: success
former:
  description: Whether the sidecar of another generation than O(generation) is installed on this host.
  returned: success
  type: bool
moves:
  description: Whether that one's package is on this host too, so that it can be put back. Then
    O(mesh.expansion.istio_sidecar_apply#module:package_file) installs the new one.
  returned: success
  type: bool
account:
  description: Whether there is an account of the sidecar.
  returned: success
  type: bool
identity:
  description: What this host has of an identity, for the option O(mesh.expansion.istio_vm_certs#module:actual). No key.
  returned: success
  type: dict
bootstrap:
  description:
    - What this host has of its bootstrap files, for the option O(mesh.expansion.istio_vm_bootstrap#module:actual). No
      key and no token.
  returned: with a O(generation) whose sidecar gets its certificate for a token
  type: dict
units:
  description: State of the units by name, with C(active), C(enabled) and C(state).
  returned: success
  type: dict
newer:
  description: Settings that are newer than the sidecar's start.
  returned: success
  type: list
  elements: str
envoy:
  description: What Envoy or its agent says of the state, V(LIVE) when it has its configuration.
  returned: success
  type: str
  sample: LIVE
operations:
  description: What M(mesh.expansion.istio_sidecar_apply) would do now, in order.
  returned: success
  type: list
  elements: str
  sample: [write /var/lib/istio/envoy/cluster.env, restart istio.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.report import look_spec, report


def main() -> None:
    module = AnsibleModule(argument_spec=look_spec(), supports_check_mode=True)
    try:
        found = report(module.params)
    except (MeshError, HostError) as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"Cannot read {exc.filename}: {exc.strerror}. Run with become, as root.")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
