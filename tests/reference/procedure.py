# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what the collection makes with the literal Services and IPVS rules of the manual procedure.

Used on derived data by the unit tests, and on a running system by the Molecule scenarios: ``ipvsadm -S -n`` on the
director and ``kubectl get services -o yaml`` are compared with the same two files.
"""

from __future__ import annotations

import pathlib
import typing as t

import yaml

HERE = pathlib.Path(__file__).resolve().parent
VIP = "192.168.0.62"
NODES = {"k8s-node1": "192.168.0.71", "k8s-node2": "192.168.0.72", "k8s-node3": "192.168.0.73"}
# The procedure forwards DNS to all three nodes and everything else to the last two.
OVERRIDES = {
    name: {"nodes": ["k8s-node2", "k8s-node3"]} for name in ("istio-mixer-lb", "istio-pilot-lb", "istio-citadel-lb")
}


def services() -> list[dict[str, t.Any]]:
    """The literal Service objects, in a form that can be compared."""
    document = yaml.safe_load((HERE / "services.yml").read_text(encoding="utf-8"))
    return comparable_services(document["items"])


def rules() -> list[str]:
    """The literal IPVS rules, sorted."""
    return comparable_rules((HERE / "director.rules").read_text(encoding="utf-8"))


def comparable_rules(text: str) -> list[str]:
    return sorted(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def comparable_services(objects: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """What the procedure says about a Service, without what the API server fills in and the labels that mark ours."""
    result = []
    for item in objects:
        metadata, spec = item["metadata"], item["spec"]
        labels = {
            key: value
            for key, value in (metadata.get("labels") or {}).items()
            if not key.startswith("app.kubernetes.io/")
        }
        ports = [
            {
                "name": port.get("name", ""),
                "port": port["port"],
                "protocol": port.get("protocol", "TCP"),
                "targetPort": port.get("targetPort", port["port"]),
            }
            for port in spec["ports"]
        ]
        result.append(
            {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "labels": labels,
                "type": spec["type"],
                "externalIPs": spec["externalIPs"],
                "selector": spec["selector"],
                "ports": sorted(ports, key=lambda port: (port["protocol"], port["port"])),
            }
        )
    return sorted(result, key=lambda service: service["name"])


def table_as_rules(table: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """The rules that ``ipvsadm -S -n`` would show for the services of the module ipvs_table."""
    forwarding = {"gatewaying": "-g", "masquerading": "-m", "ipip": "-i"}
    lines = []
    for service in table:
        kind, address = next((key[0], value) for key, value in service.items() if key in ("tcp_service", "udp_service"))
        line = f"-A -{kind} {address} -s {service['scheduler']}"
        if service.get("persistent"):
            line += f" -p {service['persistent']}"
        if service.get("ops"):
            line += " -o"
        lines.append(line)
        for server in service["real_servers"]:
            flag = forwarding[server["forwarding"]]
            lines.append(f"-a -{kind} {address} -r {server['real_server']} {flag} -w {server['weight']}")
    return sorted(lines)
