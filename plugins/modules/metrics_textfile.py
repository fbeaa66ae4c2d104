# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_textfile
short_description: Put metrics where node exporter's textfile collector reads them
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Writes one file of a directory that the collector reads as a whole, so that the collector sees the old content or
    the new one, and never a file in the making, which would count beside the old one.
  - A file whose content is the same already stays as it is.
options:
  directory:
    description: The collector's directory (C(--collector.textfile.directory)). It must exist.
    type: path
    required: true
  name:
    description: Name of the file; it has to end with C(.prom).
    type: str
    default: mesh_expansion.prom
  content:
    description: The metrics. Without any there is no file.
    type: str
    default: ""
extends_documentation_fragment:
  - mesh.expansion._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
seealso:
  - plugin: mesh.expansion.verify_textfile
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Tell Prometheus until when the VM's certificate is good
  mesh.expansion.metrics_textfile:
    directory: /var/lib/prometheus/node-exporter
    content: "{{ seen | mesh.expansion.verify_textfile }}"

- name: Take the metrics away again
  mesh.expansion.metrics_textfile:
    directory: /var/lib/prometheus/node-exporter
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /var/lib/prometheus/node-exporter/mesh_expansion.prom
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError

SUFFIX = ".prom"


def execute(params: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    name, directory = params["name"], params["directory"]
    if not name.endswith(SUFFIX) or "/" in name:
        raise HostError(
            f"name is {name!r}, which the collector does not read. Give a file name with {SUFFIX} at its end."
        )
    content, path = params["content"], os.path.join(directory, name)
    if content and not os.path.isdir(directory):
        raise HostError(
            f"Cannot write {path}: there is no directory {directory}. Name the one that node exporter was started with "
            "(--collector.textfile.directory), or install it first."
        )
    before = paths.read(path)
    wanted = paths.text_file(content) if content else paths.NOTHING
    changed = before != wanted
    if changed and not check:
        paths.put(path, wanted)
    shown = (before.content or b"").decode("utf-8", "replace")
    return {
        "changed": changed,
        "path": path,
        "diff": {"before_header": path, "after_header": path, "before": shown, "after": content},
    }


_KINDS = {
    "directory": _options.PATH,
    "name": _options.FILE_NAME,
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "name": {"type": "str", "default": "mesh_expansion.prom"},
            "content": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    try:
        done = execute(module.params, module.check_mode)
    except HostError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**done)


if __name__ == "__main__":
    main()
