# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adverts of VRRP."""

from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import vrrp


def packet(protocol: int = vrrp.PROTOCOL, kind: int = 0x31, options: int = 0) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45 + options, 0, 28, 0, 0, 255, protocol, 0)
    return (
        header
        + socket.inet_aton("192.168.0.9")
        + socket.inet_aton("224.0.0.18")
        + bytes(4 * options)
        + bytes([kind, 62, 100, 1, 0, 30])
    )


@pytest.mark.parametrize("options", [0, 2])
def test_an_advert(options: int) -> None:
    wanted = {"source": "192.168.0.9", "version": 3, "router_id": 62, "priority": 100}
    assert vrrp.parse(packet(options=options)) == wanted


@pytest.mark.parametrize("other", [packet(protocol=1), packet(kind=0x32), b"", packet()[:22]])
def test_something_else(other: bytes) -> None:
    assert vrrp.parse(other) is None
