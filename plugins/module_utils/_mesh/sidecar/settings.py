# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sidecar of one VM is to be: the role's variables, parsed and checked. Private to the collection."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ... import _options
from ..._host.paths import PathState
from .. import generations
from ..errors import MeshError
from ..options import given
from . import bootstrap, layout
from .bootstrap import BootstrapError
from .layout import Layout

_ROLE_PREFIX = "istio_sidecar_"
# Of the options, whatever else the generation makes of them.
_KINDS = {
    "istio_namespace": _options.NAMESPACE,
    "namespace": _options.NAMESPACE,
    "management_ports": _options.PORT,
    "timeout": _options.TIMEOUT,
}


class SettingsError(MeshError):
    """A variable that cannot be used; the text names it, its value and what to do."""


def refuse(option: str, value: t.Any, fault: str, remedy: str) -> SettingsError:
    return SettingsError(f"{_ROLE_PREFIX}{option} is {value!r}: {fault}. {remedy}")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that the files on the VM are made from, except the address that a route may give."""

    vip: str
    # Of a layout that is bootstrapped nothing is made from it.
    service_cidr: str = ""
    istio_namespace: str = "istio-system"
    control_plane_auth: str = "MUTUAL_TLS"
    namespace: str = "default"
    # Empty: the source address of the route to the virtual IP.
    address: str = ""
    services: t.Sequence[t.Mapping[str, t.Any]] = ()
    management_ports: t.Sequence[int] = (22,)
    extra_env: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    timeout: int = 60
    layout: Layout = layout.AGENT_AND_PROXY
    # Of a layout that is bootstrapped: what istio_vm_bootstrap has made, by path.
    files: t.Mapping[str, PathState] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_options(cls, options: t.Mapping[str, t.Any]) -> Settings:
        """Everything that is wrong is found here, before anything is looked at."""
        wrong = _options.wrong(options, _KINDS, _ROLE_PREFIX)
        if wrong:
            raise SettingsError(" ".join(wrong))
        made = cls(**{**given(cls, options), "layout": layout_of(options), "files": _files(options.get("files") or [])})
        made.check()
        return made

    def check(self) -> None:
        try:
            vip = str(ipaddress.ip_address(self.vip))
        except ValueError:
            remedy = "Set it (mesh_vip) to the virtual IP of the control plane"
            raise refuse("vip", self.vip, "it is not an IP address", remedy) from None
        if self.control_plane_auth not in bootstrap.CONTROL_PLANE_AUTH:
            remedy = f"Set it (mesh_control_plane_auth) to one of {', '.join(bootstrap.CONTROL_PLANE_AUTH)}"
            raise refuse("control_plane_auth", self.control_plane_auth, "there is no such way", remedy)
        if self.service_cidr or not self.layout.bootstrapped:
            self.cluster_env()
        self.sidecar_env(self.address or vip)

    def cluster_env(self) -> dict[str, str]:
        """The content of cluster.env: what the VM must know about the cluster."""
        try:
            return bootstrap.cluster_env(self.service_cidr, self.istio_namespace, self.control_plane_auth)
        except BootstrapError as exc:
            remedy = "Set it (mesh_service_cidr) to the cluster's Service network, such as 10.96.0.0/12"
            raise refuse("service_cidr", self.service_cidr, str(exc), remedy) from None

    def sidecar_env(self, address: str) -> dict[str, t.Any]:
        """The keys of sidecar.env that are ours; None takes a key out."""
        try:
            bootstrap.inbound_ports(self.services, self.management_ports)
        except BootstrapError as exc:
            remedy = "Put that service right (mesh_vm_services), or istio_sidecar_management_ports"
            raise refuse("services", list(self.services), str(exc), remedy) from None
        try:
            ours = bootstrap.sidecar_env(self.services, address, self.namespace, self.management_ports)
        except BootstrapError as exc:
            found = "" if self.address else ", and the route to the virtual IP was looked up"
            remedy = "Set it (mesh_vm_address) to the VM's address as pods reach it"
            raise refuse("address", self.address, f"{exc}{found}", remedy) from None
        for key, value in self.extra_env.items():
            try:
                bootstrap.env_line(key, "" if value is None else value)
            except BootstrapError as exc:
                raise refuse("extra_env", {key: value}, str(exc), "Put that key and value right") from None
        return {**ours, **self.extra_env}

    def cluster_text(self) -> str:
        return bootstrap.edit_env("", self.cluster_env())

    def sidecar_text(self, text: str, address: str) -> str:
        """One script lets cluster.env win, the other sidecar.env: a key must be in one of them only."""
        return bootstrap.edit_env(text, self.sidecar_env(address), list(self.cluster_env()))


def layout_of(options: t.Mapping[str, t.Any]) -> Layout:
    return generations.generation(options.get("generation") or generations.DEFAULT).sidecar


def _files(given: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, PathState]:
    """As the module istio_vm_bootstrap returns them."""
    found = {}
    for file in given:
        try:
            found[str(file["path"])] = PathState.from_dict(file)
        except (KeyError, TypeError, ValueError) as exc:
            raise SettingsError(
                f"files has an entry without {exc}: pass what mesh.expansion.istio_vm_bootstrap returned under files."
            ) from None
    return found


def argument_spec() -> dict[str, t.Any]:
    """The options that both modules of the role have."""
    return {
        "generation": {"type": "str", "default": generations.DEFAULT},
        "vip": {"type": "str"},
        "service_cidr": {"type": "str"},
        "istio_namespace": {"type": "str", "default": "istio-system"},
        "control_plane_auth": {"type": "str", "default": "MUTUAL_TLS"},
        "namespace": {"type": "str", "default": "default"},
        "address": {"type": "str", "default": ""},
        "services": {"type": "list", "elements": "dict", "default": []},
        "management_ports": {"type": "list", "elements": "int", "default": [22]},
        "extra_env": {"type": "dict", "default": {}},
        "timeout": {"type": "int", "default": 60},
    }
