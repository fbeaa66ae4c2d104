# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the VMs of an inventory to the batch that istio_register takes. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..options import unknown
from .model import RegistrationError, parse_address, parse_port, parse_registrations, wrong_names
from .services import AUTO

JsonObject = t.Dict[str, t.Any]

# Of a Service as a whole; whichever VM says it, says it for all.
_OF_SERVICE = ("selector", "probe")
SERVICE_KEYS = ("name", "port", "protocol", "port_name", "namespace", "service_account", *_OF_SERVICE)
# What an entry must have.
_EXAMPLES = {"name": "web", "port": "9080", "protocol": "http"}


def registrations(
    hosts: t.Iterable[t.Mapping[str, t.Any]],
    namespace: str,
    service_account: str,
    plain_clients: bool = False,
    backend: str = "",
) -> list[JsonObject]:
    """One entry per Service, with all the VMs that serve it. A host without services takes no part. Everything that is
    wrong is said at once."""
    merged: dict[tuple[str, str], JsonObject] = {}
    problems: list[str] = []
    for number, host in enumerate(hosts, 1):
        if not isinstance(host, t.Mapping):
            problems.append(f"VM {number}: {host!r} is not a mapping. Write name, address and services.")
            continue
        name = str(host.get("name") or "")
        services = host.get("services") or []
        if not isinstance(services, (list, tuple)):
            problems.append(f"{name}: mesh_vm_services is {services!r}, not a list. Write a list of mappings.")
            continue
        workload = {**(_of_group(services) if backend == AUTO else {}), **(host.get("workload") or {})}
        for entry, service in enumerate(services, 1):
            where = f"{name}: mesh_vm_services entry {entry}"
            wrong = list(_wrong(service, where))
            if not wrong:
                try:
                    _add(merged, host, service, (namespace, service_account), workload, where)
                except RegistrationError as exc:
                    wrong = [str(exc)]
            problems += wrong
    if problems:
        raise RegistrationError(" ".join(dict.fromkeys(problems)))
    batch = list(merged.values())
    for item in batch if plain_clients else ():
        item["plain_clients"] = True
    # The same checks that the module makes, before anything is written; it alone knows the backend.
    parse_registrations(batch, backend="")
    return batch


def _add(
    merged: dict[tuple[str, str], JsonObject],
    host: t.Mapping[str, t.Any],
    service: t.Mapping[str, t.Any],
    defaults: tuple[str, str],
    workload: t.Mapping[str, t.Any],
    where: str,
) -> None:
    """Add a VM to one of its Services; C(defaults) are namespace and service account."""
    namespace, account = (
        str(service.get(key) or host.get(key) or default)
        for key, default in zip(("namespace", "service_account"), defaults)
    )
    port, name = _port(service, where), str(service["name"])
    item = merged.setdefault((namespace, name), {"name": name, "namespace": namespace, "ports": [], "endpoints": []})
    for option in _OF_SERVICE:
        _once(item, option, service.get(option), where)
    if port not in item["ports"]:
        item["ports"].append(port)
    own = str(host.get("name") or "")
    _add_endpoint(item, own, parse_address(host.get("address"), own), account, port, workload)


def _wrong(service: t.Any, where: str) -> t.Iterator[str]:
    """All that is wrong with an entry by itself."""
    if not isinstance(service, t.Mapping):
        yield f"{where}: {service!r} is not a mapping. Write name, port and protocol."
        return
    for text in unknown(service, SERVICE_KEYS):
        yield f"{where}: {text}."
    missing = [key for key in _EXAMPLES if service.get(key) in (None, "")]
    for key in missing:
        yield f"{where}: it has no {key}. Add one, for example {key}: {_EXAMPLES[key]}."
    if "name" not in missing:
        yield from wrong_names(str(service["name"]), str(service.get("namespace") or "default"), where)
    if not {"port", "protocol"} & set(missing):
        try:
            _port(service, where)
        except RegistrationError as exc:
            yield str(exc)


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


def _port(service: t.Mapping[str, t.Any], where: str) -> JsonObject:
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
