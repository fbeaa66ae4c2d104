# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of a VM's bootstrap files. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..settings import yaml_text
from ..sidecar import bootstrap as env
from .control_plane import ControlPlane
from .errors import BootstrapError
from .group import WorkloadGroup
from .options import Options
from .proxy_config import Config

# Ports of the agent and of Envoy, which are not captured: metrics and health; and the one for both, unless it is moved.
_AGENT_PORTS = (15090, 15021)
_STATUS_PORT = 15020


def mesh_text(config: Config) -> str:
    return yaml_text.explicit({"defaultConfig": config})


def cluster_env(control_plane: ControlPlane, group: WorkloadGroup, config: Config, options: Options) -> dict[str, str]:
    """The variables of the sidecar's start script and of the agent, by name."""
    found = {
        **config["proxyMetadata"],
        "ISTIO_INBOUND_PORTS": _inbound(group, options.management_ports),
        "ISTIO_NAMESPACE": group.namespace,
        "ISTIO_SERVICE": f"{group.name}.{group.namespace}",
        "ISTIO_SERVICE_CIDR": "*",
        "ISTIO_LOCAL_EXCLUDE_PORTS": _excluded(config, options.management_ports),
        "SERVICE_ACCOUNT": group.service_account,
    }
    if control_plane.is_elsewhere:
        found["CA_ADDR"] = control_plane.address
    if options.address:
        found["ISTIO_SVC_IP"] = options.address
    elif options.external_address:
        found["ISTIO_SVC_IP"] = options.external_address
        # The address is not the VM's own, so probes go to localhost.
        found["REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION"] = "true"
    found.update({key: str(value) for key, value in options.extra_env.items()})
    return dict(sorted(found.items()))


def env_text(variables: t.Mapping[str, str]) -> str:
    try:
        return env.edit_env("", variables)
    except env.BootstrapError as exc:
        raise BootstrapError(
            f"cluster.env cannot be made: {exc}. Put that key of proxyMetadata right, in the mesh document or in the "
            "WorkloadGroup's annotation."
        ) from exc


def _inbound(group: WorkloadGroup, management_ports: t.Sequence[int]) -> str:
    services = [{"name": name, "port": port} for name, port in group.ports.items()]
    try:
        # Without ports, everything that comes in.
        return env.inbound_ports(services, management_ports) or "*"
    except env.BootstrapError as exc:
        raise BootstrapError(f"{group}: {exc}. Take the port out of its template, or out of management_ports.") from exc


def _excluded(config: Config, management_ports: t.Sequence[int]) -> str:
    given = config.get("statusPort", 0)
    try:
        status = int(given) or _STATUS_PORT
    except (TypeError, ValueError):
        raise BootstrapError(
            f"statusPort of the proxy's configuration is {given!r}, not a number. Put it right in the mesh document or "
            "in the WorkloadGroup's annotation."
        ) from None
    return ",".join(str(port) for port in dict.fromkeys([*management_ports, *_AGENT_PORTS, status]))
