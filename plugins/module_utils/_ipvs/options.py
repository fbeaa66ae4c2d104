# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual services in the form of the modules' options: read and validated, and written. Private to the collection.

Whatever ipvsadm refuses is refused here, also where the kernel would take it, and whatever the kernel is known to
refuse, so that a bad entry is found before the first write.
"""

from __future__ import annotations

import socket
import typing as t

from . import model
from .errors import ValidationError
from .wanted import ABSENT, DRAINED, PRESENT, Wanted, WantedServer

# ipvsadm's bounds. The kernel would take more, but it keeps timeouts in ticks, which wrap,
# and weights as signed numbers.
MAX_TIMEOUT = 31 * 86400
MAX_WEIGHT = 2**31 - 1
MAX_THRESHOLD = 2**31 - 1
MAX_FWMARK = 2**32 - 1
MAX_NAME = 15

KEY_OPTIONS = ("tcp_service", "udp_service", "sctp_service", "fwmark_service")
SERVICE_DEFAULTS: dict[str, t.Any] = {
    "tcp_service": None,
    "udp_service": None,
    "sctp_service": None,
    "fwmark_service": None,
    "ipv6": False,
    "scheduler": "wlc",
    "sched_flags": None,
    "ops": False,
    "persistent": 0,
    "netmask": None,
    "pe": None,
    "real_servers": None,
}
SERVER_DEFAULTS: dict[str, t.Any] = {
    "real_server": None,
    "forwarding": "gatewaying",
    "weight": 1,
    "u_threshold": 0,
    "l_threshold": 0,
    "tun_type": "ipip",
    "tun_port": None,
    "tun_flags": "nocsum",
    "state": PRESENT,
}


class _EntryError(Exception):
    """Ends the reading of one entry."""


def parse_services(entries: t.Any, name: str = "services") -> list[Wanted]:
    """All services, or a ValidationError that names every entry that is wrong and says why."""
    if not isinstance(entries, (list, tuple)):
        raise ValidationError([f"{name} must be a list"])
    problems: list[str] = []
    wanted: list[Wanted] = []
    seen: dict[model.ServiceKey, int] = {}
    for index, entry in enumerate(entries):
        place = f"{name}[{index}]"
        found = _parse_service(entry, place, problems)
        if found is None:
            continue
        first = seen.setdefault(found.service.key, index)
        if first != index:
            problems.append(
                f"{place} ({found.service.key}): the same virtual service is in {name}[{first}]: merge the two"
            )
        wanted.append(found)
    if problems:
        raise ValidationError(problems)
    return wanted


def parse_service(entry: t.Any, name: str = "service") -> Wanted:
    problems: list[str] = []
    found = _parse_service(entry, name, problems)
    if found is None or problems:
        raise ValidationError(problems)
    return found


def parse_absent(entry: t.Any, name: str = "service") -> Wanted:
    """A service that is to go: only what it is found by counts."""
    try:
        return Wanted(model.Service(_key(_with_defaults(entry, SERVICE_DEFAULTS))), None, ABSENT)
    except _EntryError as exc:
        raise ValidationError([f"{name}: {exc}"]) from None


def parse_addresses(values: t.Any, name: str = "vips") -> list[bytes]:
    problems = []
    found = []
    for index, value in enumerate(values or []):
        try:
            found.append(_address(value, "an address"))
        except _EntryError as exc:
            problems.append(f"{name}[{index}]: {exc}")
    if problems:
        raise ValidationError(problems)
    return found


def _parse_service(entry: t.Any, place: str, problems: list[str]) -> Wanted | None:
    try:
        values = _with_defaults(entry, SERVICE_DEFAULTS)
        key = _key(values)
    except _EntryError as exc:
        problems.append(f"{place}: {exc}")
        return None
    place = f"{place} ({key})"
    try:
        service = _service(key, values)
    except _EntryError as exc:
        problems.append(f"{place}: {exc}")
        return None
    if values["real_servers"] is None:
        return Wanted(service)
    if not isinstance(values["real_servers"], (list, tuple)):
        problems.append(f"{place}: real_servers must be a list")
        return None
    return Wanted(service, _servers(service, values["real_servers"], place, problems))


def _key(values: t.Mapping[str, t.Any]) -> model.ServiceKey:
    given = [option for option in KEY_OPTIONS if values[option] is not None]
    if len(given) != 1:
        raise _EntryError(f"exactly one of {', '.join(KEY_OPTIONS)} is needed, not {', '.join(given) or 'none'}")
    ipv6 = _boolean(values, "ipv6")
    if given[0] == "fwmark_service":
        mark = _number(values, "fwmark_service", 1, MAX_FWMARK)
        return model.ServiceKey(mark, socket.AF_INET6 if ipv6 else socket.AF_INET, 0, b"", 0)
    if ipv6:
        raise _EntryError("ipv6 is for fwmark_service only: the family of an address shows")
    address, port = _endpoint(values[given[0]], given[0])
    if port is None:
        raise _EntryError(f"{given[0]} {values[given[0]]!r} has no port: write ADDRESS:PORT")
    if _is_multicast(address):
        raise _EntryError(
            f"{given[0]} {values[given[0]]!r} is a multicast address: a virtual service needs a unicast address"
        )
    protocol = model.PROTOCOLS[given[0].split("_", 1)[0]]
    return model.ServiceKey(0, model.family_of(address), protocol, address, port)


def _service(key: model.ServiceKey, values: t.Mapping[str, t.Any]) -> model.Service:
    timeout = _number(values, "persistent", 0, MAX_TIMEOUT)
    flags = model.PERSISTENT if timeout else 0
    if not key.fwmark and key.port == 0 and not timeout:
        raise _EntryError("port 0 stands for all ports and works with persistence only: set persistent")
    if _boolean(values, "ops"):
        if not key.fwmark and key.protocol != socket.IPPROTO_UDP:
            raise _EntryError("ops is for udp_service and fwmark_service only")
        flags |= model.ONE_PACKET
    scheduler = _name(values, "scheduler")
    if not scheduler:
        raise _EntryError("scheduler must not be empty")
    return model.Service(
        key=key,
        scheduler=scheduler,
        flags=flags | _sched_flags(scheduler, values["sched_flags"]),
        timeout=timeout,
        netmask=_netmask(key.family, values["netmask"]),
        engine=_name(values, "pe"),
    )


def _sched_flags(scheduler: str, names: t.Any) -> int:
    if names is not None and not isinstance(names, (list, tuple)):
        raise _EntryError("sched_flags must be a list")
    known = {**model.SCHED_FLAGS, **model.NAMED_SCHED_FLAGS.get(scheduler, {})}
    flags = 0
    for name in names or ():
        if not isinstance(name, str) or name not in known:
            raise _EntryError(
                f"sched_flags: {name!r} is not a flag of the scheduler {scheduler}: possible are {', '.join(known)}"
            )
        flags |= known[name]
    return flags


def _netmask(family: int, value: t.Any) -> int:
    if value is None or value == "":
        return model.host_mask(family)
    text = str(value).lstrip("/")
    limit = 128 if family == socket.AF_INET6 else 32
    if text.isascii() and text.isdigit() and len(text) <= 3:
        prefix = int(text)
        if not 1 <= prefix <= limit:
            raise _EntryError(f"netmask {value!r} is not a prefix length between 1 and {limit}")
        return prefix if limit == 128 else (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    if family == socket.AF_INET6:
        raise _EntryError(f"netmask {value!r} is not a prefix length between 1 and {limit}, as IPv6 needs it")
    try:
        # Any mask does: the kernel takes the bits as they are.
        return int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
    except (OSError, ValueError):
        raise _EntryError(f"netmask {value!r} is neither a mask like 255.255.255.0 nor a prefix length") from None


def _servers(service: model.Service, entries: t.Sequence[t.Any], place: str, problems: list[str]) -> list[WantedServer]:
    seen: dict[tuple[bytes, int], int] = {}
    wanted = []
    for index, entry in enumerate(entries):
        try:
            found = _server(service, entry)
        except _EntryError as exc:
            name = entry.get("real_server") if isinstance(entry, dict) else None
            problems.append(f"{place}: real_servers[{index}]{f' ({name})' if name else ''}: {exc}")
            continue
        first = seen.setdefault(found.server.key, index)
        if first != index:
            problems.append(
                f"{place}: real_servers[{index}] ({found.server.name}): "
                f"the same real server is in real_servers[{first}]: remove one"
            )
        wanted.append(found)
    return wanted


def _server(service: model.Service, entry: t.Any) -> WantedServer:
    values = _with_defaults(entry, SERVER_DEFAULTS)
    address, port = _endpoint(values["real_server"], "real_server")
    if port is None:
        port = service.key.port
    state = _choice(values, "state", (PRESENT, DRAINED, ABSENT))
    if state != PRESENT:
        # Only its key counts: what drains or goes keeps its other attributes.
        return WantedServer(model.RealServer(address, port), state)
    _check_unicast(address)
    forwarding = model.FORWARDING[_choice(values, "forwarding", model.FORWARDING)]
    if forwarding != model.MASQUERADING and not service.key.fwmark and port != service.key.port:
        raise _EntryError(
            f"port {port} differs from the service's port {service.key.port}, "
            f"but {values['forwarding']} leaves the port as it is: use port {service.key.port}, or masquerading"
        )
    if forwarding != model.TUNNEL and model.family_of(address) != service.key.family:
        raise _EntryError("its family differs from the service's, which only forwarding ipip can bridge")
    upper = _number(values, "u_threshold", 0, MAX_THRESHOLD)
    lower = _number(values, "l_threshold", 0, MAX_THRESHOLD)
    if lower > upper:
        raise _EntryError(f"l_threshold {lower} is above u_threshold {upper}: exchange them")
    weight = _number(values, "weight", 0, MAX_WEIGHT)
    return WantedServer(model.RealServer(address, port, forwarding, weight, upper, lower, *_tunnel(forwarding, values)))


def _tunnel(forwarding: int, values: t.Mapping[str, t.Any]) -> tuple[int, int, int]:
    kind = _choice(values, "tun_type", model.TUNNEL_TYPES)
    flag = _choice(values, "tun_flags", model.TUNNEL_FLAGS)
    port = 0 if values["tun_port"] is None else _number(values, "tun_port", 1, 65535)
    if forwarding != model.TUNNEL and kind == "ipip" and flag == "nocsum" and not port:
        return 0, 0, 0
    if forwarding != model.TUNNEL:
        raise _EntryError(f"tun_type, tun_port and tun_flags are for forwarding ipip, not {values['forwarding']}")
    if kind == "gue" and not port:
        raise _EntryError("tun_type gue needs tun_port")
    if kind != "gue" and port:
        raise _EntryError(f"tun_port is for tun_type gue, not {kind}")
    if flag == "remcsum" and kind != "gue" or flag == "csum" and kind == "ipip":
        raise _EntryError(f"tun_flags {flag} does not go with tun_type {kind}")
    return model.TUNNEL_TYPES[kind], port, model.TUNNEL_FLAGS[flag]


def _with_defaults(entry: t.Any, defaults: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    if not isinstance(entry, dict):
        raise _EntryError("must be a mapping")
    # None stands for an option that was not given.
    given = {option: value for option, value in entry.items() if value is not None} if None in entry.values() else entry
    values = {**defaults, **given}
    if len(values) > len(defaults):
        unknown = min(str(option) for option in entry if option not in defaults)
        raise _EntryError(f"unknown option {unknown}: possible are {', '.join(defaults)}")
    return values


def _number(values: t.Mapping[str, t.Any], option: str, least: int, most: int) -> int:
    value = values[option]
    if not isinstance(value, int) or isinstance(value, bool):
        raise _EntryError(f"{option} {value!r} is not a whole number")
    if not least <= value <= most:
        raise _EntryError(f"{option} {value} is not between {least} and {most}")
    return value


def _boolean(values: t.Mapping[str, t.Any], option: str) -> bool:
    if not isinstance(values[option], bool):
        raise _EntryError(f"{option} {values[option]!r} is neither true nor false")
    return bool(values[option])


def _name(values: t.Mapping[str, t.Any], option: str) -> str:
    value = "" if values[option] is None else values[option]
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise _EntryError(f"{option} {value!r} is not a name")
    if len(value) > MAX_NAME:
        raise _EntryError(f"{option} {value!r} is longer than {MAX_NAME} characters")
    return value


def _choice(values: t.Mapping[str, t.Any], option: str, choices: t.Collection[str]) -> str:
    value = values[option]
    if not isinstance(value, str) or value not in choices:
        raise _EntryError(f"{option} {value!r} is not one of {', '.join(choices)}")
    return value


def _endpoint(value: t.Any, option: str) -> tuple[bytes, int | None]:
    """Packed address and port, which is None if there is none."""
    if not isinstance(value, str) or not value:
        raise _EntryError(f"{option} is missing: write ADDRESS:PORT, or [ADDRESS]:PORT for IPv6")
    host, port = value, ""
    if value.startswith("["):
        host, bracket, rest = value[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _EntryError(f"{option} {value!r} is not of the form [ADDRESS]:PORT")
        port = rest[1:] if rest else ""
        if rest and not port:
            raise _EntryError(f"{option} {value!r} has an empty port")
        if ":" not in host:
            raise _EntryError(f"{option} {value!r}: only an IPv6 address stands in brackets")
    elif value.count(":") == 1:
        host, _colon, port = value.partition(":")
        if not port:
            raise _EntryError(f"{option} {value!r} has an empty port")
    address = _address(host, option)
    if not port:
        return address, None
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        raise _EntryError(f"{option} {value!r}: {port!r} is not a port between 0 and 65535")
    return address, int(port)


def _address(value: t.Any, option: str) -> bytes:
    text = str(value)
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):
        raise _EntryError(f"{option}: {text!r} is not an IPv4 or IPv6 address; names are not looked up") from None


def _is_multicast(address: bytes) -> bool:
    return address[0] == 0xFF if len(address) == 16 else 224 <= address[0] <= 239


def _check_unicast(address: bytes) -> None:
    link_local = len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80
    if not address.strip(b"\0") or address == b"\xff\xff\xff\xff" or _is_multicast(address) or link_local:
        raise _EntryError("a real server needs a unicast address that is not link-local")


def to_options(entry: model.Entry) -> dict[str, t.Any]:
    """A service as the options that make it. Options that say nothing are left out."""
    service = entry.service
    key = service.key
    options: dict[str, t.Any] = {}
    if key.fwmark:
        options["fwmark_service"] = key.fwmark
        options["ipv6"] = key.family == socket.AF_INET6
    else:
        protocol = model.name_of(model.PROTOCOLS, key.protocol)
        options[f"{protocol}_service"] = model.endpoint(key.address, key.port)
    options["scheduler"] = service.scheduler
    options["sched_flags"] = model.sched_flag_names(service.scheduler, service.flags)
    options["ops"] = bool(service.flags & model.ONE_PACKET)
    options["persistent"] = service.timeout if service.flags & model.PERSISTENT else 0
    if service.netmask != model.host_mask(key.family):
        is_prefix = key.family == socket.AF_INET6
        options["netmask"] = str(service.netmask) if is_prefix else socket.inet_ntoa(service.netmask.to_bytes(4, "big"))
    if service.engine:
        options["pe"] = service.engine
    servers = sorted(entry.servers.values(), key=lambda server: (len(server.address), server.address, server.port))
    options["real_servers"] = [server_options(server) for server in servers]
    return options


def server_options(server: model.RealServer) -> dict[str, t.Any]:
    options: dict[str, t.Any] = {
        "real_server": model.endpoint(server.address, server.port),
        "forwarding": model.name_of(model.FORWARDING, server.forwarding),
        "weight": server.weight,
        "u_threshold": server.upper,
        "l_threshold": server.lower,
    }
    if server.forwarding == model.TUNNEL:
        options["tun_type"] = model.name_of(model.TUNNEL_TYPES, server.tunnel_type)
        options["tun_flags"] = model.tunnel_flag_name(server.tunnel_flags)
        if server.tunnel_port:
            options["tun_port"] = server.tunnel_port
    return options
