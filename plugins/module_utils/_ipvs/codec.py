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
        self._top = codec.AttributeReader({_SERVICE: "raw", _DEST: "raw", _DAEMON: "raw"})
        self._service = codec.AttributeReader(
            {
                _S_AF: "H", _S_PROTOCOL: "H", _S_ADDR: "16s", _S_PORT: "2s", _S_FWMARK: "I", _S_SCHED: "text",
                _S_FLAGS: "I4x", _S_TIMEOUT: "I", _S_NETMASK: "4s", _S_PE: "text", _S_STATS64: "raw",
            }
        )  # fmt: skip
        self._dest = codec.AttributeReader(
            {
                _D_ADDR: "16s", _D_PORT: "2s", _D_FORWARDING: "I", _D_WEIGHT: "I", _D_UPPER: "I", _D_LOWER: "I",
                _D_ACTIVE: "I", _D_INACTIVE: "I", _D_PERSISTENT: "I", _D_FAMILY: "H", _D_STATS64: "raw",
                _D_TUN_TYPE: "B", _D_TUN_PORT: "2s", _D_TUN_FLAGS: "H",
            }
        )  # fmt: skip
        self._statistics = codec.AttributeReader(dict.fromkeys(range(1, len(_STATISTICS) + 1), "Q"))
        self._config = codec.AttributeReader({_TIMEOUT_TCP: "I", _TIMEOUT_FIN: "I", _TIMEOUT_UDP: "I"})
        self._info = codec.AttributeReader({1: "I", 2: "I"})
        self._daemon = codec.AttributeReader({1: "I", 2: "text", 3: "I"})

    def service(self, buffer: bytes | bytearray, start: int, end: int) -> model.Service:
        return self._to_service(self._service_values(buffer, start, end))

    def service_state(self, buffer: bytes | bytearray, start: int, end: int) -> tuple[model.Service, dict[str, int]]:
        values = self._service_values(buffer, start, end)
        return self._to_service(values), self._counters(values.get(_S_STATS64))

    def server(self, buffer: bytes | bytearray, start: int, end: int, family: int) -> model.RealServer:
        return self._to_server(self._server_values(buffer, start, end), family)

    def server_state(self, buffer: bytes | bytearray, start: int, end: int, family: int) -> model.ServerState:
        values = self._server_values(buffer, start, end)
        counts = (values.get(number, 0) for number in (_D_ACTIVE, _D_INACTIVE, _D_PERSISTENT))
        return model.ServerState(self._to_server(values, family), model.Connections(*counts), self._counters(values.get(_D_STATS64)))

    def timeouts(self, buffer: bytes | bytearray, start: int, end: int) -> dict[str, int]:
        values = self._config.read(buffer, start, end)
        names = (("tcp", _TIMEOUT_TCP), ("tcp_fin", _TIMEOUT_FIN), ("udp", _TIMEOUT_UDP))
        return {name: _needed(values, number) for name, number in names}

    def info(self, buffer: bytes | bytearray, start: int, end: int) -> dict[str, t.Any]:
        values = self._info.read(buffer, start, end)
        version = _needed(values, 1)
        text = f"{version >> 16 & 255}.{version >> 8 & 255}.{version & 255}"
        return {"version": text, "connection_table_size": _needed(values, 2)}

    def daemon(self, buffer: bytes | bytearray, start: int, end: int) -> dict[str, t.Any]:
        values = self._daemon.read(_needed(self._top.read(buffer, start, end), _DAEMON), 0)
        state = {1: "master", 2: "backup"}.get(_needed(values, 1), "unknown")
        return {"state": state, "mcast_interface": _needed(values, 2), "syncid": _needed(values, 3)}

    def _service_values(self, buffer: bytes | bytearray, start: int, end: int) -> dict[int, t.Any]:
        return self._service.read(_needed(self._top.read(buffer, start, end), _SERVICE), 0)

    def _server_values(self, buffer: bytes | bytearray, start: int, end: int) -> dict[int, t.Any]:
        return self._dest.read(_needed(self._top.read(buffer, start, end), _DEST), 0)

    @staticmethod
    def _to_service(values: t.Mapping[int, t.Any]) -> model.Service:
        family = _family(_needed(values, _S_AF))
        mark = values.get(_S_FWMARK, 0)
        if mark:
            key = model.ServiceKey(mark, family, 0, b"", 0)
        else:
            address = _packed(_needed(values, _S_ADDR), family)
            port = _NETWORK_PORT.unpack(_needed(values, _S_PORT))[0]
            key = model.ServiceKey(0, family, _needed(values, _S_PROTOCOL), address, port)
        netmask = _needed(values, _S_NETMASK)
        order: t.Literal["little", "big"] = sys.byteorder if family == socket.AF_INET6 else "big"
        return model.Service(
            key=key,
            scheduler=_needed(values, _S_SCHED),
            flags=_needed(values, _S_FLAGS) & ~model.HASHED,
            timeout=_needed(values, _S_TIMEOUT),
            netmask=int.from_bytes(netmask, order),
            engine=values.get(_S_PE, ""),
        )

    @staticmethod
    def _to_server(values: t.Mapping[int, t.Any], family: int) -> model.RealServer:
        # Kernels before 3.18 do not send the family: it is the service's.
        address = _packed(_needed(values, _D_ADDR), _family(values.get(_D_FAMILY, family)))
        return model.RealServer(
            address,
            _NETWORK_PORT.unpack(_needed(values, _D_PORT))[0],
            _needed(values, _D_FORWARDING) & _FORWARDING_MASK,
            _needed(values, _D_WEIGHT),
            _needed(values, _D_UPPER),
            _needed(values, _D_LOWER),
            values.get(_D_TUN_TYPE, 0),
            _NETWORK_PORT.unpack(values.get(_D_TUN_PORT, b"\0\0"))[0],
            values.get(_D_TUN_FLAGS, 0),
        )

    def _counters(self, block: bytes | None) -> dict[str, int]:
        """The 64-bit counters; kernels before 4.1 have none."""
        values = {} if block is None else self._statistics.read(block, 0)
        return {name: values.get(number, 0) for number, name in enumerate(_STATISTICS, 1)}


def _needed(values: t.Mapping[int, t.Any], number: int) -> t.Any:
    try:
        return values[number]
    except KeyError:
        raise DecodeError(f"a reply lacks attribute {number}") from None


def _family(value: int) -> int:
    if value not in (socket.AF_INET, socket.AF_INET6):
        raise DecodeError(f"{value} is not an address family that IPVS has")
    return value


def _packed(union: bytes, family: int) -> bytes:
    return union if family == socket.AF_INET6 else union[:4]
