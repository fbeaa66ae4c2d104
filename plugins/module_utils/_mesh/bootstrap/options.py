# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of istio_vm_bootstrap, parsed and checked. Private to the collection."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible.module_utils.basic import env_fallback

from ... import _options
from ..options import given
from ..sidecar import bootstrap as env
from . import control_plane, layout
from .errors import BootstrapError
from .layout import Layout

# What the API server takes at least.
SHORTEST_TOKEN = 600
_KINDS = {
    "workload_group": _options.OBJECT,
    "namespace": _options.NAMESPACE,
    "istio_namespace": _options.NAMESPACE,
    "revision": _options.NAMESPACE,
    "trust_domain": _options.DOMAIN,
    "management_ports": _options.PORT,
    "token_lifetime": _options.LIFETIME,
    "min_validity": _options.SECONDS,
    "owner": _options.ACCOUNT,
    "group": _options.ACCOUNT,
}

_WORKLOAD: dict[str, t.Any] = {
    "services": {"type": "list", "elements": "dict", "default": []},
    "service_account": {"type": "str", "default": "default"},
    "network": {"type": "str", "default": ""},
    "labels": {"type": "dict", "default": {}},
}


@dataclasses.dataclass(frozen=True)
class Options:
    """All that is wanted of a VM's files, beyond what the cluster says."""

    workload_group: str
    vip: str
    namespace: str = "default"
    istio_namespace: str = "istio-system"
    revision: str = ""
    # Empty: what istiod has.
    cluster_id: str = ""
    trust_domain: str = ""
    address: str = ""
    external_address: str = ""
    dns_capture: bool = True
    auto_register: bool = True
    # What the VM is where no WorkloadGroup says it.
    workload: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    hosts_entry: bool = True
    management_ports: t.Sequence[int] = (22,)
    extra_env: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    token_lifetime: int = 3600
    min_validity: int = 60
    replace_root: bool = False
    deliver: str = "all"
    root: str = "/"
    owner: str = layout.ACCOUNT
    group: str = layout.ACCOUNT

    @classmethod
    def from_options(cls, options: t.Mapping[str, t.Any]) -> Options:
        """Everything that is wrong with the options is found here, before anything is looked at."""
        wrong = _options.wrong(options, _KINDS)
        if wrong:
            raise BootstrapError(" ".join(wrong))
        made = cls(**given(cls, options))
        made.check()
        return dataclasses.replace(made, vip=_canonical(made.vip), revision=control_plane.plain(made.revision))

    def check(self) -> None:
        try:
            usable = not (ipaddress.ip_address(self.vip).is_loopback or ipaddress.ip_address(self.vip).is_unspecified)
        except ValueError:
            usable = False
        if not usable:
            raise _refused("vip", self.vip, "not an address that leads to istiod", "the virtual IP (mesh_vip)")
        for name in ("address", "external_address"):
            value = getattr(self, name)
            try:
                if value:
                    env.reachable_address(value)
            except env.BootstrapError as exc:
                raise _refused(name, value, str(exc), "the VM's address as pods reach it (mesh_vm_address)") from None
        if self.token_lifetime < SHORTEST_TOKEN:
            fault = f"less than the {SHORTEST_TOKEN} s that the API server gives at least"
            raise _refused("token_lifetime", self.token_lifetime, fault, "a number of seconds from 600 on")
        if not self.root.startswith("/"):
            raise _refused("root", self.root, "not an absolute path", "/ or the directory of another file system")
        if self.workload and self.auto_register:
            fault = "istiod registers a VM itself by a WorkloadGroup only (auto_register: true)"
            raise _refused("workload", dict(self.workload), fault, "{}, or auto_register to false")
        for key, value in self.extra_env.items():
            try:
                env.env_line(key, value)
            except env.BootstrapError as exc:
                raise _refused("extra_env", {key: value}, str(exc), "names and values of one line") from None

    @property
    def layout(self) -> Layout:
        return Layout(self.root)


def _canonical(address: str) -> str:
    return str(ipaddress.ip_address(address))


def _refused(option: str, value: t.Any, fault: str, remedy: str) -> BootstrapError:
    return BootstrapError(f"{option} is {value!r}: {fault}. Set it to {remedy}.")


def argument_spec() -> dict[str, t.Any]:
    """For the action plugin and for the module."""
    return {
        "workload_group": {"type": "str", "required": True},
        "vip": {"type": "str", "required": True},
        "namespace": {"type": "str", "default": "default"},
        "istio_namespace": {"type": "str", "default": "istio-system"},
        "revision": {"type": "str", "default": ""},
        "cluster_id": {"type": "str", "default": ""},
        "trust_domain": {"type": "str", "default": ""},
        "address": {"type": "str", "default": ""},
        "external_address": {"type": "str", "default": ""},
        "dns_capture": {"type": "bool", "default": True},
        "auto_register": {"type": "bool", "default": True},
        "workload": {"type": "dict", "options": _WORKLOAD},
        "hosts_entry": {"type": "bool", "default": True},
        "management_ports": {"type": "list", "elements": "int", "default": [22]},
        "extra_env": {"type": "dict", "default": {}},
        "token_lifetime": {"type": "int", "default": 3600, "no_log": False},
        "min_validity": {"type": "int", "default": 60},
        "replace_root": {"type": "bool", "default": False},
        "deliver": {"type": "str", "choices": ["all", "token"], "default": "all"},
        "root": {"type": "path", "default": "/"},
        "owner": {"type": "str", "default": layout.ACCOUNT},
        "group": {"type": "str", "default": layout.ACCOUNT},
        "actual": {"type": "dict"},
        "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG"])},
        "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
    }
