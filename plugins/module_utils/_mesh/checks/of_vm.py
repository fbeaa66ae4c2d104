# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks of a VM, of either kind of identity. Changes nothing. Private to the collection."""

from __future__ import annotations

import typing as t

from ..bootstrap import control_plane
from ..bootstrap import look as bootstrap
from ..bootstrap.layout import Layout
from ..dns import settings as dns
from ..errors import MeshError
from ..generations.model import DNSMASQ
from ..identity import files
from ..options import of_module
from ..sidecar import layout
from ..sidecar.settings import Settings, argument_spec
from . import look, look_istiod, proxy, vm, vm_istiod


def _resolver(params: t.Mapping[str, t.Any]) -> dns.Settings | None:
    if params["dns_mode"] != DNSMASQ:
        return None
    if params["resolver"] is None:
        raise MeshError("resolver is not given: with dns_mode dnsmasq, give what mesh.expansion.dnsmasq_look takes.")
    return dns.parse(of_module("resolver", dns.OPTIONS, params["resolver"]))


def _with_secret(params: t.Mapping[str, t.Any], sidecar: Settings) -> dict[str, t.Any]:
    resolver = _resolver(params)
    if resolver is None:
        raise MeshError(f"dns_mode is {params['dns_mode']!r}, which this generation's sidecar cannot do. Use dnsmasq.")
    wanted = look.Wanted(resolver, sidecar, params["cluster_domain"], params["host"])
    seen = look.look(wanted, params["timeout"])
    return {
        "checks": vm.judge(wanted, seen),
        "lookups": dict(seen.lookups),
    }


def _with_token(params: t.Mapping[str, t.Any], sidecar: Settings) -> dict[str, t.Any]:
    wanted = look_istiod.Wanted(
        sidecar=sidecar,
        dns_mode=params["dns_mode"],
        resolver=_resolver(params),
        control_plane=control_plane.host(params["revision"], sidecar.istio_namespace),
        cluster_domain=params["cluster_domain"],
        host=params["host"],
        vm_to_pods=params["vm_to_pods"],
        server=params["server"],
    )
    seen = look_istiod.look(wanted, params["timeout"])
    return {"checks": vm_istiod.judge(wanted, seen), "bootstrap": bootstrap.look(Layout())}


def check(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    spec = {**argument_spec(), "vip": {"type": "str", "required": True}}
    sidecar = Settings.from_options(of_module("sidecar", spec, params["sidecar"]))
    found = (_with_token if sidecar.layout.bootstrapped else _with_secret)(params, sidecar)
    checks = {name: finding.as_dict() for name, finding in found.pop("checks").items()}
    return {"checks": checks, **found, "identity": files.inspect(layout.CERTS), "proxy": proxy.look()}


def all_hold(found: t.Mapping[str, t.Any]) -> bool:
    """Whether no check has anything to complain of. What names must answer is known to the cluster alone."""
    return not any(said["problems"] for said in found["checks"].values())
