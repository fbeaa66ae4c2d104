# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_sidecar_apply
short_description: Make a VM run the Istio sidecar, or leave it as it was
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Writes the sidecar's settings, or puts O(files) in place, enables and starts its units in order, and waits until
    Envoy has its configuration. The package and the identity must be there.
  - If a step fails, everything is put back. A timer of systemd on the host does the same unless the host can be reached
    over a fresh connection afterwards, which is tried in the same task; so captured connections lock nobody out.
  - The units are restarted only when settings, package or identity have changed.
options:
  state:
    description:
      - V(present) makes the sidecar run.
      - V(prepared) remembers how the host was, and makes the directory for the package; it is run before the package is
        fetched.
      - V(reverted) installs the package of before again, when the installation of another one failed.
      - V(returned) puts the sidecar of another generation back that V(present) has replaced with O(keep_former), with
        its package, certificate and units, and waits until its Envoy has its configuration. It does nothing after
        V(settled), nor when V(present) has changed something since.
      - V(settled) forgets what V(returned) would put back.
      - V(absent) takes everything out that was not there before V(prepared) was run for the first time.
    type: str
    choices: [present, prepared, reverted, returned, settled, absent]
    default: present
  files:
    description:
      - With a O(generation) whose sidecar gets its certificate for a token, the files that it reads, as
        RV(mesh.expansion.istio_vm_bootstrap#module:files) has them.
      - Used with V(present).
    type: list
    elements: dict
    default: []
  restart:
    description: Whether to restart the units although no setting has changed, because the identity has.
    type: bool
    default: false
  package_file:
    description:
      - File on the host of the package that takes the place of a sidecar of another generation. That one is stopped
        first, and comes back whole when a step fails or the run is cut.
      - Used with V(present), where M(mesh.expansion.istio_sidecar_look) says C(moves).
    type: str
    default: ""
  remove:
    description: Certificate and key that the control plane does not take, and that are removed once the sidecar stands.
      Absolute paths.
    type: list
    elements: str
    default: []
  keep_former:
    description:
      - Whether a sidecar of another generation that is replaced can be put back by V(returned). Its certificate and key
        stay on the host, where only root can read them, until V(settled) or the next change.
      - Used with V(present).
    type: bool
    default: false
  upgraded_from:
    description:
      - Version of the package that this run has replaced. It is installed again when a step fails.
      - Used with V(present) and V(reverted).
    type: str
    default: ""
extends_documentation_fragment:
  - mesh.expansion._istio_sidecar
attributes:
  check_mode:
    description: Can run in check mode and predict changes.
    support: full
  diff_mode:
    description: Returns the files of settings before and after. Keys are not among them.
    support: full
seealso:
  - module: mesh.expansion.istio_sidecar_look
  - module: mesh.expansion.istio_vm_bootstrap
  - module: mesh.expansion.guard_confirm
"""

EXAMPLES = r"""
- name: Run the sidecar
  mesh.expansion.istio_sidecar_apply:
    vip: 192.0.2.62
    service_cidr: 10.96.0.0/12
    services:
      - {name: web, port: 9080}

- name: Run the sidecar of an istiod
  mesh.expansion.istio_sidecar_apply:
    generation: istiod
    vip: 192.0.2.62
    service_cidr: 10.96.0.0/12
    files: "{{ bootstrap.files }}"

- name: Take it out again
  mesh.expansion.istio_sidecar_apply:
    state: absent
"""

RETURN = r"""
operations:
  description: What was done, or would be in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [write /var/lib/istio/envoy/cluster.env, restart istio.service]
guarded:
  description: Whether a timer stood ready to put the old state back, and the proof was made.
  returned: success
  type: bool
pause:
  description: For how many seconds at most a sidecar that ran before was not to be had; 0 when it went on running.
  returned: success
  type: float
kept:
  description: Whether the sidecar of another generation was replaced, and O(state=returned) puts it back.
  returned: success
  type: bool
done:
  description: The steps before the one that failed.
  returned: when a step failed
  type: list
  elements: str
restored:
  description: Whether all of them were put back.
  returned: when a step failed
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host.change import Broken
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import apply, move
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import (
    Settings,
    argument_spec,
    layout_of,
)


def execute(params: t.Mapping[str, t.Any], check: bool) -> apply.Outcome:
    if params["state"] == "prepared":
        return apply.prepare(layout_of(params), check)
    if params["state"] == "reverted":
        return apply.revert(params["upgraded_from"], check)
    if params["state"] == "returned":
        return apply.go_back(params["timeout"], params["istio_namespace"], check)
    if params["state"] == "settled":
        return apply.settle(check)
    if params["state"] == "absent":
        return apply.absent(check)
    wrong = _options.wrong(params, {"package_file": _options.PATH, "remove": _options.PATH})
    if wrong:
        raise MeshError(" ".join(wrong))
    arrival = move.Arrival(params["package_file"], params["remove"], params["keep_former"])
    settings = Settings.from_options(params)
    return apply.present(settings, params["restart"], params["upgraded_from"], check, arrival=arrival)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **argument_spec(),
            "state": {
                "type": "str",
                "choices": ["present", "prepared", "reverted", "returned", "settled", "absent"],
                "default": "present",
            },
            "files": {"type": "list", "elements": "dict", "default": []},
            "restart": {"type": "bool", "default": False},
            "package_file": {"type": "str", "default": ""},
            "remove": {"type": "list", "elements": "str", "default": []},
            "keep_former": {"type": "bool", "default": False},
            "upgraded_from": {"type": "str", "default": ""},
        },
        required_if=[("state", "present", ("vip",))],
        supports_check_mode=True,
    )
    try:
        outcome = execute(module.params, module.check_mode)
    except Broken as exc:
        back = "Everything was put back." if exc.restored else "This host is between the old state and the new one."
        text = str(exc).rstrip(".")
        module.fail_json(msg=f"Cannot {text}. {back}", done=exc.done, restored=exc.restored)
    except (MeshError, HostError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**outcome._asdict())


if __name__ == "__main__":
    main()
