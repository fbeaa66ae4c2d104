# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations and replies of the kernel's IPVS family: values to bytes and back. Private to the collection."""

from __future__ import annotations

import functools
import socket
import struct
import sys
import typing as t

from .._netlink import codec
from .._netlink.errors import DecodeError
from . import model, plan

FAMILY = "IPVS"
MODULE = "ip_vs"
_VERSION = 1

NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE = 1, 2, 3, 4
NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 5, 6, 7, 8
DEL_DAEMON, GET_DAEMON, GET_CONFIG, GET_INFO = 10, 11, 13, 15
DAEMON_STATES = {1: "master", 2: "backup"}

_COMMANDS = {
    plan.ADD_SERVICE: NEW_SERVICE,
    plan.SET_SERVICE: SET_SERVICE,
    plan.DELETE_SERVICE: DEL_SERVICE,
    plan.ADD_SERVER: NEW_DEST,
    plan.SET_SERVER: SET_DEST,
    plan.DELETE_SERVER: DEL_DEST,
}

_SERVICE, _DEST, _DAEMON, _TIMEOUT_TCP, _TIMEOUT_FIN, _TIMEOUT_UDP = range(1, 7)

_S_AF, _S_PROTOCOL, _S_ADDR, _S_PORT, _S_FWMARK, _S_SCHED, _S_FLAGS, _S_TIMEOUT, _S_NETMASK = range(1, 10)
_S_PE, _S_STATS64 = 11, 12
_D_ADDR, _D_PORT, _D_FORWARDING, _D_WEIGHT, _D_UPPER, _D_LOWER, _D_ACTIVE, _D_INACTIVE, _D_PERSISTENT = range(1, 10)
_D_FAMILY, _D_STATS64, _D_TUN_TYPE, _D_TUN_PORT, _D_TUN_FLAGS = 11, 12, 13, 14, 15

_ADDRESS_SIZE = 16
_FORWARDING_MASK = 7
_ALL_FLAGS = 0xFFFFFFFF

_STATISTICS = (
    "connections",
    "in_packets",
    "out_packets",
    "in_bytes",
    "out_bytes",
    "connections_per_second",
    "in_packets_per_second",
    "out_packets_per_second",
    "in_bytes_per_second",
    "out_bytes_per_second",
)


def command(number: int, attributes: bytes = b"") -> bytes:
    return codec.GENERIC_HEADER.pack(number, _VERSION, 0) + attributes


def encode(operation: plan.Operation) -> bytes:
    number = _COMMANDS[operation.kind]
    if operation.server is None:
        if operation.kind == plan.DELETE_SERVICE:
            return command(number, _key_only(operation.service.key))
        return command(number, _full_service(operation.service))
    return command(number, _key_only(operation.service.key) + _server(operation.server))


def get_servers(key: model.ServiceKey) -> bytes:
    return command(GET_DEST, _key_only(key))


def stop_daemon(state: str) -> bytes:
    number = next(number for number, name in DAEMON_STATES.items() if name == state)
    return command(DEL_DAEMON, codec.nested(_DAEMON, codec.attribute(1, struct.pack("=I", number))))


def _key_attributes(key: model.ServiceKey) -> bytes:
    family = codec.attribute(_S_AF, struct.pack("=H", key.family))
    if key.fwmark:
        # An address would be ignored, and a mark of 0 would make a service for 0.0.0.0:0.
        return family + codec.attribute(_S_FWMARK, struct.pack("=I", key.fwmark))
    return (
        family
        + codec.attribute(_S_PROTOCOL, struct.pack("=H", key.protocol))
        + codec.attribute(_S_ADDR, key.address.ljust(_ADDRESS_SIZE, b"\0"))
        + codec.attribute(_S_PORT, struct.pack("!H", key.port))
    )


@functools.lru_cache(maxsize=64)
def _key_only(key: model.ServiceKey) -> bytes:
    # Cached since the requests for the real servers of a service follow one another.
    return codec.nested(_SERVICE, _key_attributes(key))


def _full_service(service: model.Service) -> bytes:
    key = service.key
    # All flags are in the mask: what is not set here is to be cleared.
    attributes = _key_attributes(key) + codec.attribute(_S_SCHED, codec.text(service.scheduler))
    if service.engine:
        attributes += codec.attribute(_S_PE, codec.text(service.engine))
    attributes += codec.attribute(_S_FLAGS, struct.pack("=II", service.flags & ~model.HASHED, _ALL_FLAGS))
    attributes += codec.attribute(_S_TIMEOUT, struct.pack("=I", service.timeout))
    # A mask is in network order, a prefix length is a number.
    order = "=I" if key.family == socket.AF_INET6 else "!I"
    attributes += codec.attribute(_S_NETMASK, struct.pack(order, service.netmask))
    return codec.nested(_SERVICE, attributes)


def _number(number: int, form: str, value: int) -> bytes:
    return codec.attribute(number, struct.pack(form, value))


@functools.lru_cache(maxsize=1024)
def _qualities(
    forwarding: int, weight: int, upper: int, lower: int, tunnel_type: int, tunnel_port: int, tunnel_flags: int
) -> bytes:
    """All of a real server but where it is. Cached, since a table has many that are alike in this."""
    return (
        _number(_D_FORWARDING, "=I", forwarding)
        + _number(_D_WEIGHT, "=I", weight)
        + _number(_D_TUN_TYPE, "=B", tunnel_type)
        + _number(_D_TUN_PORT, "!H", tunnel_port)
        + _number(_D_TUN_FLAGS, "=H", tunnel_flags)
        + _number(_D_UPPER, "=I", upper)
        + _number(_D_LOWER, "=I", lower)
    )


def _before_address(family: int) -> bytes:
    """How a DEST attribute begins. All that is in it has a fixed size, so its own is known."""
    start = _number(_D_FAMILY, "=H", family) + codec.ATTRIBUTE.pack(codec.ATTRIBUTE.size + _ADDRESS_SIZE, _D_ADDR)
    size = len(start) + _ADDRESS_SIZE + len(_BEFORE_PORT) + _PORT.size + len(_qualities(0, 0, 0, 0, 0, 0, 0))
    return codec.ATTRIBUTE.pack(codec.ATTRIBUTE.size + size, _DEST | codec.NLA_F_NESTED) + start


_PORT = struct.Struct("!H2x")
_BEFORE_PORT = codec.ATTRIBUTE.pack(codec.ATTRIBUTE.size + 2, _D_PORT)
_BEFORE_IPV4, _BEFORE_IPV6 = _before_address(socket.AF_INET), _before_address(socket.AF_INET6)
_IPV4_PADDING = bytes(_ADDRESS_SIZE - 4)


def _server(server: model.RealServer) -> bytes:
    """Everything is always sent, in ipvsadm's order: a change is a replacement, and what is left out would be reset."""
    address = server.address
    start = _BEFORE_IPV6 + address if len(address) == _ADDRESS_SIZE else _BEFORE_IPV4 + address + _IPV4_PADDING
    return start + _BEFORE_PORT + _PORT.pack(server.port) + _qualities(*server[2:])


class ReplyDecoder:
    """Takes replies apart. Keeps the layouts of what it has seen, so use one for a whole read."""

    def __init__(self) -> None:
        self._nests = {number: codec.AttributeReader({number: "raw"}) for number in (_SERVICE, _DEST, _DAEMON)}
        self._service = codec.AttributeReader(
            {
                _S_AF: "H", _S_PROTOCOL: "H", _S_ADDR: "16s", _S_PORT: "H", _S_FWMARK: "I", _S_SCHED: "text",
                _S_FLAGS: "I4x", _S_TIMEOUT: "I", _S_NETMASK: "4s", _S_PE: "text", _S_STATS64: "raw",
            }
        )  # fmt: skip
        self._dest = codec.AttributeReader(
            {
                _D_ADDR: "16s", _D_PORT: "H", _D_FORWARDING: "I", _D_WEIGHT: "I", _D_UPPER: "I", _D_LOWER: "I",
                _D_TUN_TYPE: "B", _D_TUN_PORT: "H", _D_TUN_FLAGS: "H", _D_FAMILY: "H",
                _D_ACTIVE: "I", _D_INACTIVE: "I", _D_PERSISTENT: "I", _D_STATS64: "raw",
            }
        )  # fmt: skip
        self._statistics = codec.AttributeReader(dict.fromkeys(range(1, len(_STATISTICS) + 1), "Q"))
        self._config = codec.AttributeReader({_TIMEOUT_TCP: "I", _TIMEOUT_FIN: "I", _TIMEOUT_UDP: "I"})
        self._info = codec.AttributeReader({1: "I", 2: "I"})
        self._daemon = codec.AttributeReader({1: "I", 2: "text", 3: "I"})

    def service(self, buffer: bytes | bytearray, start: int, end: int) -> model.Service:
        return self._to_service(self._service.read(*self._nest(_SERVICE, buffer, start, end)))

    def service_state(self, buffer: bytes | bytearray, start: int, end: int) -> tuple[model.Service, dict[str, int]]:
        values = self._service.read(*self._nest(_SERVICE, buffer, start, end))
        return self._to_service(values), self._counters(values[-1])

    def server(self, buffer: bytes | bytearray, start: int, end: int, family: int) -> model.RealServer:
        return self._to_server(self._dest.read(*self._nest(_DEST, buffer, start, end)), family)

    def server_state(self, buffer: bytes | bytearray, start: int, end: int, family: int) -> model.ServerState:
        values = self._dest.read(*self._nest(_DEST, buffer, start, end))
        counts = (count or 0 for count in values[-4:-1])
        return model.ServerState(
            self._to_server(values, family), model.Connections(*counts), self._counters(values[-1])
        )

    def timeouts(self, buffer: bytes | bytearray, start: int, end: int) -> dict[str, int]:
        return dict(zip(("tcp", "tcp_fin", "udp"), _complete(self._config.read(buffer, start, end))))

    def info(self, buffer: bytes | bytearray, start: int, end: int) -> dict[str, t.Any]:
        version, size = _complete(self._info.read(buffer, start, end))
        return {"version": f"{version >> 16 & 255}.{version >> 8 & 255}.{version & 255}", "connection_table_size": size}

    def daemon(self, buffer: bytes | bytearray, start: int, end: int) -> dict[str, t.Any]:
        state, interface, number = _complete(self._daemon.read(*self._nest(_DAEMON, buffer, start, end)))
        return {
            "state": DAEMON_STATES.get(state, "unknown"),
            "mcast_interface": interface,
            "syncid": number,
        }

    def _nest(self, number: int, buffer: bytes | bytearray, start: int, end: int) -> tuple[bytes | bytearray, int, int]:
        """Where the attributes of a reply's nest are."""
        if end - start >= codec.ATTRIBUTE.size:
            length, kind = codec.ATTRIBUTE.unpack_from(buffer, start)
            if kind == number and length == end - start:
                return buffer, start + codec.ATTRIBUTE.size, end
        # Not alone, or not there.
        (block,) = _complete(self._nests[number].read(buffer, start, end))
        return block, 0, len(block)

    @staticmethod
    def _to_service(values: tuple[t.Any, ...]) -> model.Service:
        family, protocol, address, port, mark, scheduler, flags, timeout, netmask, engine, _statistics = values
        _complete((family, scheduler, flags, timeout, netmask))
        _check_family(family)
        if mark:
            key = model.ServiceKey(mark, family, 0, b"", 0)
        else:
            _complete((protocol, address, port))
            key = model.ServiceKey(0, family, protocol, _packed(address, family), socket.ntohs(port))
        order: t.Literal["little", "big"] = sys.byteorder if family == socket.AF_INET6 else "big"
        return model.Service(
            key, scheduler, flags & ~model.HASHED, timeout, int.from_bytes(netmask, order), engine or ""
        )

    @staticmethod
    def _to_server(values: tuple[t.Any, ...], family: int) -> model.RealServer:
        address, port, forwarding, weight, upper, lower, tunnel_type, tunnel_port, tunnel_flags, own_family = values[
            :10
        ]
        if None in values[:6]:
            raise DecodeError("a reply about a real server is not complete")
        # Kernels before 3.18 do not send the family: it is the service's.
        if own_family is not None and own_family != family:
            _check_family(own_family)
            family = own_family
        return model.RealServer(
            _packed(address, family),
            socket.ntohs(port),
            forwarding & _FORWARDING_MASK,
            weight,
            upper,
            lower,
            tunnel_type or 0,
            socket.ntohs(tunnel_port or 0),
            tunnel_flags or 0,
        )

    def _counters(self, block: bytes | None) -> dict[str, int]:
        """The 64-bit counters; kernels before 4.1 have none."""
        values = self._statistics.read(block or b"", 0)
        return {name: value or 0 for name, value in zip(_STATISTICS, values)}


def _complete(values: tuple[t.Any, ...]) -> tuple[t.Any, ...]:
    if None in values:
        raise DecodeError("a reply is not complete")
    return values


def _check_family(value: int) -> None:
    if value not in (socket.AF_INET, socket.AF_INET6):
        raise DecodeError(f"{value} is not an address family that IPVS has")


def _packed(union: bytes, family: int) -> bytes:
    return union if family == socket.AF_INET6 else union[:4]
