# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a machine is there: one that accepts, one that refuses, one that says nothing."""

from __future__ import annotations

import asyncio
import socket

from ansible_collections.mesh.expansion.plugins.modules.tcp_probe import ask


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def test_who_accepts_and_who_refuses_is_there_and_who_is_silent_is_not() -> None:
    with socket.socket() as listening, socket.socket() as deaf:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        # Its queue is full, so it says nothing to anybody else.
        deaf.bind(("127.0.0.2", 0))
        deaf.listen(0)
        with socket.create_connection(deaf.getsockname()):
            targets = [
                {"address": "127.0.0.1", "ports": [listening.getsockname()[1]]},
                {"address": "127.0.0.3", "ports": [free_port()]},
                {"address": "127.0.0.2", "ports": [deaf.getsockname()[1]]},
            ]
            assert asyncio.run(ask(targets, 0.5)) == ["127.0.0.1", "127.0.0.3"]


def test_one_port_that_answers_is_enough() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        targets = [{"address": "127.0.0.1", "ports": [free_port(), listening.getsockname()[1]]}]
        assert asyncio.run(ask(targets, 5)) == ["127.0.0.1"]
    assert asyncio.run(ask([], 5)) == []
