# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles see of a host when they begin. Private to the collection."""

from __future__ import annotations

import typing as t

from ... import _options
from ..dns import settings as dns
from ..dns import work
from ..generations.model import DNSMASQ
from ..options import of_module
from ..sidecar import report
from ..sidecar.settings import argument_spec


def resolver(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As the module dnsmasq_look returns it."""
    taken = of_module("resolver", dns.OPTIONS, options, required_if=dns.REQUIRED_IF)
    return work.report({**taken, "remember": False}, check=True)


def sidecar(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As the module istio_sidecar_look returns it."""
    return report.report(of_module("sidecar", report.look_spec(), options))


def director(options: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """As the module director_look returns it; None where it would refuse its options."""
    # Here and below, since a VM loads none of it.
    from ..director import work as of_director

    taken = of_module("director", of_director.spec(), options, required_if=of_director.REQUIRED_IF)
    return None if _options.wrong(taken, of_director.KINDS) else of_director.look_at(taken)


def real_server(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As the module real_server_look returns it."""
    from ..real_server import work as of_node

    return of_node.look_at(of_module("real_server", of_node.spec(), options))


def verified(told: t.Mapping[str, t.Any], seen: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """As the module verify_vm returns it, where the roles have nothing to do and all checks hold at once; None where
    there is something to do, wait for or complain of, which is verification's at the end of the run."""
    # Here, since most VMs on which there is work load none of it.
    from ..checks import of_vm
    from . import settled

    if settled.unsettled(seen):
        return None
    sidecar_told = {name: told["sidecar"][name] for name in argument_spec() if name in told["sidecar"]}
    mode = told["verify"]["dns_mode"]
    resolver_told = told["resolver"] if mode == DNSMASQ else None
    found = of_vm.check({**told["verify"], "sidecar": sidecar_told, "resolver": resolver_told, "timeout": 0})
    return found if of_vm.all_hold(found) else None
