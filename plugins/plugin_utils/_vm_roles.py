# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles of a VM would tell their modules, before their turn comes. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.model import DNSMASQ
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import package
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import SettingsError
from jinja2.exceptions import UndefinedError
from jinja2.runtime import Undefined

_NOT_THERE = (AnsibleError, UndefinedError, SettingsError)


def options(context: t.Any, verify: bool) -> dict[str, dict[str, t.Any]]:
    """The options by role, without those that the variables do not give."""
    found = {}
    kinds = {"resolver": _resolver, "sidecar": _sidecar, **({"verify": _verify} if verify else {})}
    for name, made in kinds.items():
        try:
            found[name] = made(lambda variable: _plain(context.resolve(variable)))
        except _NOT_THERE:
            continue
    return found


def _resolver(read: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
    if read("dnsmasq_mode") != DNSMASQ:
        return {"state": "absent", "packages": read("dnsmasq_packages")}
    return dict(read("__dnsmasq_options"))


def _sidecar(read: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
    source, checksum = read("istio_sidecar_package"), read("istio_sidecar_checksum")
    told = {
        **read("__istio_sidecar_options"),
        "package": source,
        "checksum": checksum,
        "allow_downgrade": read("istio_sidecar_allow_downgrade"),
    }
    if source and not package.is_url(source):
        told["offer"] = dataclasses.asdict(package.local_offer(source, checksum))
    return told


def _verify(read: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
    return {
        "dns_mode": read("istio_sidecar_dns_mode"),
        "revision": read("istio_sidecar_revision"),
        "vm_to_pods": read("verify_vm_to_pods"),
        "server": read("verify_server"),
        "cluster_domain": read("verify_cluster_domain"),
        "host": read("inventory_hostname"),
    }


def _plain(value: t.Any) -> t.Any:
    """With every template in it evaluated, so that what cannot be is known here and now."""
    if isinstance(value, Undefined):
        raise UndefinedError
    if isinstance(value, t.Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
