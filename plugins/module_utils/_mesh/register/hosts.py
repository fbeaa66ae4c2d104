# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the VMs of an inventory to the batch that istio_register takes. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from .model import RegistrationError, parse_address, parse_port, parse_registrations
from .services import AUTO

JsonObject = t.Dict[str, t.Any]

# Of a Service as a whole; whichever VM says it, says it for all.
_OF_SERVICE = ("selector", "probe")


def registrations(
    hosts: t.Iterable[t.Mapping[str, t.Any]],
    namespace: str,
    service_account: str,
    plain_clients: bool = False,
    backend: str = "",
) -> list[JsonObject]:
    """One entry per Service, with all the VMs that serve it. A host without services takes no part."""
    merged: dict[tuple[str, str], JsonObject] = {}
    for host in hosts:
        name = str(host.get("name") or "")
        services = host.get("services") or []
        if not isinstance(services, (list, tuple)):
            raise RegistrationError(f"{name}: mesh_vm_services is {services!r}, not a list. Write a list of mappings.")
        workload = {**(_of_group(services) if backend == AUTO else {}), **(host.get("workload") or {})}
        for number, service in enumerate(services, 1):
            where = f"{name}: mesh_vm_services entry {number}"
            port = _port(service, where)
            service_name = str(service.get("name") or "")
            if not service_name:
                raise RegistrationError(f"{where}: it has no name. Add the name of the Kubernetes Service.")
            key = (str(service.get("namespace") or host.get("namespace") or namespace), service_name)
            item = merged.setdefault(key, {"name": key[1], "namespace": key[0], "ports": [], "endpoints": []})
            if plain_clients:
                item["plain_clients"] = True
            for name_of_option in _OF_SERVICE:
                _once(item, name_of_option, service.get(name_of_option), where)
            if port not in item["ports"]:
                item["ports"].append(port)
            account = str(service.get("service_account") or host.get("service_account") or service_account)
            _add_endpoint(item, name, parse_address(host.get("address"), name), account, port, workload)
    batch = list(merged.values())
    # The same checks that the module makes, before anything is written; it alone knows the backend.
    parse_registrations(batch, backend="")
    return batch


def _of_group(services: t.Sequence[t.Any]) -> JsonObject:
    """What a WorkloadGroup needs beyond what is given: the name of the first service, by which the VM's own side knows
    it, too, and a probe, without which a VM counts as healthy whatever its services do."""
    known = [service for service in services if isinstance(service, t.Mapping)]
    if not known or known[0].get("name") in (None, ""):
        return {}
    found: JsonObject = {"group": str(known[0]["name"])}
    port = str(known[0].get("port"))
    if port.isdigit() and not any(service.get("probe") for service in known):
        found["probe"] = {"tcpSocket": {"port": int(port)}}
    return found


def _once(item: JsonObject, option: str, value: t.Any, where: str) -> None:
    if not value:
        return
    if item.setdefault(option, value) != value:
        raise RegistrationError(
            f"{where}: {option} is {value!r}, but another VM of the Service says {item[option]!r}. Write it once, or "
            "the same for all."
        )


def _port(service: t.Any, where: str) -> JsonObject:
    if not isinstance(service, t.Mapping):
        raise RegistrationError(f"{where}: {service!r} is not a mapping. Write name, port and protocol.")
    for key, example in (("port", "9080"), ("protocol", "http")):
        if service.get(key) in (None, ""):
            raise RegistrationError(f"{where}: it has no {key}. Add one, for example {key}: {example}.")
    protocol = str(service["protocol"]).lower()
    port_name = str(service.get("port_name") or protocol)
    if port_name.split("-", 1)[0] != protocol:
        raise RegistrationError(
            f"{where}: port_name {port_name!r} does not begin with the protocol {protocol!r}, from which the mesh "
            f"would take another protocol. Write {protocol}-{port_name}."
        )
    port = parse_port({"name": port_name, "port": service["port"]}, where)
    return {"name": port.name, "port": port.number}


def _add_endpoint(
    item: JsonObject, host: str, address: str, account: str, port: JsonObject, workload: t.Mapping[str, t.Any]
) -> None:
    for endpoint in item["endpoints"]:
        if endpoint["host"] == host and endpoint["service_account"] == account:
            endpoint["ports"].append(port)
            return
    item["endpoints"].append(
        {"address": address, "host": host, "service_account": account, "ports": [port], **workload}
    )
