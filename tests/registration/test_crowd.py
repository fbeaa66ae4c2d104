# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight control nodes register and deregister at once, for every backend, and nobody is lost.

MESH_EXPANSION_ROUNDS says how often; `make stress` takes 50.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.registration.apiserver import ApiServer
from tests.registration.crowd import NODES, Crowd, crowd
from tests.registration.seen import Seen

Json = dict[str, Any]
ROUNDS = int(os.environ.get("MESH_EXPANSION_ROUNDS", "3"))
BACKENDS = ("endpoints", "endpoint_slice", "workload_entry", "auto")
SERVICES = ("web", "shop")


@pytest.fixture(name="nodes", scope="module")
def fixture_nodes(server: ApiServer) -> Iterator[Crowd]:
    with crowd(server.kubeconfig) as nodes:
        yield nodes


def services(*addresses: str) -> list[Json]:
    """The VMs serve both Services, by an account of their own."""
    vms = [{"address": address, "host": address} for address in addresses]
    ports = {"web": "http:9080", "shop": "grpc:9443"}
    return [
        {"name": name, "ports": [ports[name]], "service_account": "web", "plain_clients": True, "endpoints": vms}
        for name in SERVICES
    ]


def task(backend: str, state: str, *addresses: str) -> Json:
    return {"backend": backend, "state": state, "services": services(*addresses)}


def at_once(nodes: Crowd, tasks: list[Json]) -> int:
    """The largest number of attempts."""
    results = nodes.all(tasks)
    assert [result["error"] for result in results] == [""] * len(results)
    return max(result["attempts"] for result in results)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nobody_is_lost(server: ApiServer, nodes: Crowd, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen(server.api())
    most = 0
    for number in range(ROUNDS):
        first = [f"10.1.{number}.{node + 1}" for node in range(NODES)]
        late = [f"10.2.{number}.{node + 1}" for node in range(NODES // 2)]
        most = max(most, at_once(nodes, [task(backend, "present", address) for address in first]))
        for name in SERVICES:
            assert seen.addresses(name, backend) == sorted(first), (number, name)
        # Half of them leave while others come.
        leaving = [task(backend, "absent", address) for address in first[: NODES // 2]]
        most = max(most, at_once(nodes, leaving + [task(backend, "present", address) for address in late]))
        for name in SERVICES:
            assert seen.addresses(name, backend) == sorted(first[NODES // 2 :] + late), (number, name)
        # All leave at once, and twice.
        most = max(most, at_once(nodes, [task(backend, "absent", address) for address in first[NODES // 2 :] + late]))
        assert seen.ours() == set(), number
    with capsys.disabled():
        print(f"\n{backend}: {ROUNDS} rounds, at most {most} attempts")
