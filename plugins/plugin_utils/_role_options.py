# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles of a host would tell their modules, before their turn comes. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.model import DNSMASQ
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import package
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import SettingsError
from jinja2.exceptions import UndefinedError
from jinja2.runtime import Undefined

_NOT_THERE = (AnsibleError, UndefinedError, SettingsError)


def options(context: t.Any, host: str, verify: bool) -> dict[str, dict[str, t.Any]]:
    """The options by role, without those that the variables do not give."""
    found = {}
    groups = context.resolve_or_missing("groups")
    kinds: dict[str, _Maker] = {}
    for group, makers in _OF_GROUP.items():
        if host in (groups.get(group) or []):
            kinds.update(makers)
    if not verify:
        kinds.pop("verify", None)
    for name, made in kinds.items():
        try:
            found[name] = made(lambda variable: _plain(context.resolve(variable)))
        except _NOT_THERE:
            continue
    return {name: told for name, told in found.items() if told}


def _director(read: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
    """Nothing where the cluster has to be asked first, by the role itself."""
    if boolean(read("director_nodes_from_cluster")):
        return {}
    told = dict(read("__director_options"))
    return told if told["health_roots"] or not _asks_with_tls(told) else {}


def _asks_with_tls(told: t.Mapping[str, t.Any]) -> bool:
    # Here, since workers for VMs and nodes load none of it.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director.model import END_TO_END, KEEPALIVED

    return bool(told["health"] == KEEPALIVED and told["health_check"] == END_TO_END and told["health_tls"])


def _real_server(read: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
    return dict(read("__real_server_options"))


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


_Maker = t.Callable[[t.Callable[[str], t.Any]], t.Dict[str, t.Any]]
# What makes the options of each module, by the group of the hosts that it is for.
_OF_GROUP: dict[str, dict[str, _Maker]] = {
    "director": {"director": _director},
    "k8s_nodes": {"real_server": _real_server},
    "vms": {"resolver": _resolver, "sidecar": _sidecar, "verify": _verify},
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
