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
GET_DAEMON, GET_CONFIG, GET_INFO = 11, 13, 15

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


def _server_layout() -> tuple[struct.Struct, tuple[int, ...]]:
    """The form of a DEST attribute, all of whose parts have fixed sizes, and the headers in it."""
    parts = (
        (_D_FAMILY, 2, "H2x"),
        (_D_ADDR, _ADDRESS_SIZE, f"{_ADDRESS_SIZE}s"),
        (_D_PORT, 2, "2s2x"),
        (_D_FORWARDING, 4, "I"),
        (_D_WEIGHT, 4, "I"),
        (_D_TUN_TYPE, 1, "B3x"),
        (_D_TUN_PORT, 2, "2s2x"),
        (_D_TUN_FLAGS, 2, "H2x"),
        (_D_UPPER, 4, "I"),
        (_D_LOWER, 4, "I"),
    )
    layout = struct.Struct("=HH" + "".join("HH" + form for _number, _size, form in parts))
    headers = [layout.size, _DEST | codec.NLA_F_NESTED]
    for number, size, _form in parts:
        headers += [size + 4, number]
    return layout, tuple(headers)


_SERVER, _SERVER_HEADERS = _server_layout()
(_H0, _H1, _F0, _F1, _A0, _A1, _P0, _P1, _M0, _M1, _W0, _W1, _T0, _T1, _TP0, _TP1, _TF0, _TF1, _U0, _U1, _L0, _L1) = _SERVER_HEADERS
_NETWORK_PORT = struct.Struct("!H")


def _server(server: model.RealServer) -> bytes:
    """Everything is always sent: a change is a replacement, and what is left out would be reset."""
    address, port, forwarding, weight, upper, lower, tunnel_type, tunnel_port, tunnel_flags = server
    pack_port = _NETWORK_PORT.pack
    # In ipvsadm's order, with `16s` padding an IPv4 address.
    return _SERVER.pack(
        _H0, _H1,
        _F0, _F1, model.family_of(address),
        _A0, _A1, address,
        _P0, _P1, pack_port(port),
        _M0, _M1, forwarding,
        _W0, _W1, weight,
        _T0, _T1, tunnel_type,
        _TP0, _TP1, pack_port(tunnel_port),
        _TF0, _TF1, tunnel_flags,
        _U0, _U1, upper,
        _L0, _L1, lower,
    )  # fmt: skip


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
        return model.ServerState(self._to_server(values, family), model.Connections(*counts), self._counters(values[-1]))

    def timeouts(self, buffer: bytes | bytearray, start: int, end: int) -> dict[str, int]:
        return dict(zip(("tcp", "tcp_fin", "udp"), _complete(self._config.read(buffer, start, end))))

    def info(self, buffer: bytes | bytearray, start: int, end: int) -> dict[str, t.Any]:
        version, size = _complete(self._info.read(buffer, start, end))
        return {"version": f"{version >> 16 & 255}.{version >> 8 & 255}.{version & 255}", "connection_table_size": size}

    def daemon(self, buffer: bytes | bytearray, start: int, end: int) -> dict[str, t.Any]:
        state, interface, number = _complete(self._daemon.read(*self._nest(_DAEMON, buffer, start, end)))
        return {"state": {1: "master", 2: "backup"}.get(state, "unknown"), "mcast_interface": interface, "syncid": number}

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
        return model.Service(key, scheduler, flags & ~model.HASHED, timeout, int.from_bytes(netmask, order), engine or "")

    @staticmethod
    def _to_server(values: tuple[t.Any, ...], family: int) -> model.RealServer:
        address, port, forwarding, weight, upper, lower, tunnel_type, tunnel_port, tunnel_flags, own_family = values[:10]
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
