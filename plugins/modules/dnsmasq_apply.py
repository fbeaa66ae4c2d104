# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dnsmasq_apply
short_description: Have a VM resolve the mesh's names beside all others, or resolve as before
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Configures and starts dnsmasq on the loopback address, asks it, keeps others from writing C(resolv.conf), and
    switches the host to it. Does nothing on a host where everything is as it should be.
  - When a step fails, the host is put back as it was before the call. A timer on the host does the same after 45
    seconds unless M(mesh.expansion.guard_confirm) stops it, so a host that a change has cut off comes back by itself.
  - How the host was before the first call is kept in C(/var/lib/mesh-expansion/dnsmasq/footprint.json).
  - With O(state=absent) everything goes back to that, except the packages. The call after they have been purged
    removes what they left, and the record.
extends_documentation_fragment:
  - mesh.expansion._dnsmasq
  - mesh.expansion._dnsmasq.probes
  - mesh.expansion._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
notes:
  - The packages have to be installed already, without having been started; the role P(mesh.expansion.dnsmasq#role)
    does that.
seealso:
  - module: mesh.expansion.dnsmasq_look
  - module: mesh.expansion.guard_confirm
"""

EXAMPLES = r"""
- name: Resolve the mesh's names
  mesh.expansion.dnsmasq_apply:
    vip: 192.0.2.62
    service_cidr: 10.96.0.0/12
    services: "{{ 'secure' | mesh.expansion.exposed_services }}"
    probe_names:
      - name: istio-pilot
        expect: [192.0.2.62]
      - name: example.com
"""

RETURN = r"""
operations:
  description: What was done, or would be in check mode, in order. After a failure, what had been done before it.
  returned: always
  type: list
  elements: str
restored:
  description: Whether everything that had been done was put back.
  returned: when a step failed
  type: bool
surplus_packages:
  description: Packages to purge next, those that the role brought and what came with them.
  returned: when O(state=absent)
  type: list
  elements: str
guarded:
  description: Whether a timer was left on the host, which this task stopped over a fresh connection.
  returned: success
  type: bool
remembered:
  description: Whether the host still keeps the record of how it was.
  returned: success
  type: bool
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._host import change
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import settings, work
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule


def outcome(options: t.Mapping[str, t.Any], check: bool) -> work.Outcome:
    if options["state"] == "absent":
        return work.would_leave(options["packages"]) if check else work.leave(options["packages"])
    wanted = settings.parse(options)
    return work.would_join(wanted) if check else work.join(wanted)


def main() -> None:
    module = NestedModule(argument_spec=settings.OPTIONS, required_if=settings.REQUIRED_IF, supports_check_mode=True)
    try:
        done = outcome(module.params, module.check_mode)
    except (HostError, MeshError) as exc:
        broken = exc if isinstance(exc, change.Broken) else None
        shown: dict[str, t.Any] = {"operations": broken.done if broken else []}
        if broken:
            shown["restored"] = broken.restored
        module.fail_json(msg=work.explain(exc, module.params["vip"] or ""), **shown)
    result: dict[str, t.Any] = {
        "changed": bool(done.texts),
        "operations": list(done.texts),
        "guarded": bool(done.operations) and not module.check_mode,
        "remembered": done.remembered,
    }
    if module.params["state"] == "absent":
        result["surplus_packages"] = list(done.packages)
    if module._diff:
        result["diff"] = change.diff(done.operations, done.actual)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
