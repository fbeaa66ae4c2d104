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

import re
import tempfile
import typing as t
from urllib.error import HTTPError, URLError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.mesh.expansion.plugins.module_utils._host.deb import FIELDS, HEAD_BYTES, DebCompressionError, DebError, control_fields, parse_fields


def read_head(source: str, timeout: int) -> bytes:
    """The first bytes of the file or of the URL's answer."""
    if re.match(r"(https?|ftp)://", source):
        with open_url(source, timeout=timeout, headers={"Range": f"bytes=0-{HEAD_BYTES - 1}"}) as answer:
            return t.cast(bytes, answer.read(HEAD_BYTES))
    with open(source, "rb") as handle:
        return handle.read(HEAD_BYTES)


def inspect(source: str, timeout: int, dpkg_deb: t.Callable[[bytes], str | None]) -> dict[str, t.Any]:
    """What is known about the package, or why it is not known. `dpkg_deb` prints the fields, if it is installed."""
    try:
        head = read_head(source, timeout)
    except HTTPError as exc:
        return {"exists": exc.code not in (404, 410), "error": f"the server answers {exc.code} {exc.reason}"}
    except (URLError, OSError) as exc:
        reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or exc
        return {"exists": False, "error": str(reason)}
    try:
        fields = control_fields(head)
    except DebCompressionError as exc:
        printed = dpkg_deb(head)
        if printed is None:
            return {"exists": True, "error": str(exc)}
        fields = parse_fields(printed)
    except DebError as exc:
        return {"exists": True, "error": str(exc)}
    return {"exists": True, "error": "", **{name.lower(): fields.get(name, "") for name in FIELDS}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )

    def dpkg_deb(head: bytes) -> str | None:
        program = module.get_bin_path("dpkg-deb")
        if program is None:
            return None
        # A file and not standard input: dpkg-deb stops reading early, which would look like an error.
        with tempfile.NamedTemporaryFile(suffix=".deb") as handle:
            handle.write(head)
            handle.flush()
            status, output, _errors = module.run_command([program, "--field", handle.name, *FIELDS])
        return output if status == 0 else None

    module.exit_json(changed=False, **inspect(module.params["source"], module.params["timeout"], dpkg_deb))


if __name__ == "__main__":
    main()
