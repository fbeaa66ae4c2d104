#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deb_package_info
short_description: Read name, version and architecture of a Debian package without installing it
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Reads the beginning of a Debian package, from a file or from a URL, and returns the fields that matter before an
    installation. Of a URL no more than the first 256 KiB are transferred.
  - Needs no dpkg, except for packages that are compressed with zstd.
  - A package that is missing or cannot be read is no failure of the module. It is reported in RV(error).
options:
  source:
    description: Path on the host where the module runs, or a URL of the schemes V(http), V(https) or V(ftp).
    type: str
    required: true
  timeout:
    description: Seconds to wait for a server.
    type: int
    default: 20
extends_documentation_fragment:
  - mesh.expansion._attributes.info
requirements:
  - dpkg where the module runs, for packages that are compressed with zstd or lz4
"""

EXAMPLES = r"""
- name: Look at the sidecar package
  mesh.expansion.deb_package_info:
    source: https://downloads.example.com/istio/1.0.5/deb/istio-sidecar.deb
  register: package
"""

RETURN = r"""
exists:
  description: Whether there is something at the source.
  returned: always
  type: bool
  sample: true
error:
  description: Why the package could not be read; empty when it could.
  returned: always
  type: str
  sample: ""
package:
  description: Name of the package.
  returned: when it could be read
  type: str
  sample: istio-sidecar
version:
  description: Version of the package.
  returned: when it could be read
  type: str
  sample: 1.0.5
architecture:
  description: Architecture of the package, V(all) when it fits every one.
  returned: when it could be read
  type: str
  sample: amd64
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host.deb_source import inspect

_KINDS = {
    "timeout": _options.TIMEOUT,
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    module.exit_json(changed=False, **inspect(module.params["source"], module.params["timeout"]))


if __name__ == "__main__":
    main()
