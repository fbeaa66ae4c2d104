# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times the IPVS engine against ipvsadm on the kernel of the lab's director, on the same tables in the same run.

Run by `make bench` as root, with the lab up. Takes some minutes, most of them for one ipvsadm process per rule.
Writes build/bench.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils import _packed

from tests.bench import rows as bench_rows
from tests.integration.ipvs import director

ROOT = Path(__file__).resolve().parents[2]
SIZES = [int(size) for size in os.environ.get("MESH_EXPANSION_BENCH", "10,100,1000").split(",")]
REPEATS = 5
VIPS = 10

# The case as people call it, ours, the peer's name, the peer's measurement.
CASES = [
    ("full load", "load", "ipvsadm -R", "load, ipvsadm -R"),
    ("full load, module", "load, module", "ipvsadm -R", "load, ipvsadm -R"),
    ("full load", "load", "one ipvsadm per rule", "load, ipvsadm per rule"),
    ("full load, module", "load, module", "one ipvsadm per rule", "load, ipvsadm per rule"),
    ("no change", "no change", "ipvsadm -S -n", "no change, ipvsadm -S -n"),
    ("no change, module", "no change, module", "ipvsadm -S -n", "no change, ipvsadm -S -n"),
    ("one change", "one change", "ipvsadm -S -n, then -e", "one change, ipvsadm"),
    ("one change", "one change", "our no change", "no change"),
    ("one change, module", "one change, module", "ipvsadm -S -n, then -e", "one change, ipvsadm"),
    ("one VIP's purge", "purge", "ipvsadm -S -n, then -R", "purge, ipvsadm"),
    ("one VIP's purge, module", "purge, module", "ipvsadm -S -n, then -R", "purge, ipvsadm"),
]


def table(count: int) -> list[dict[str, Any]]:
    """Services on some addresses, ten real servers each."""
    return [
        {
            "tcp_service": f"10.0.0.{number % VIPS + 1}:{number // VIPS + 1}",
            "scheduler": "wrr",
            "real_servers": [
                {"real_server": f"10.1.{number % 250}.{server + 1}:{number // VIPS + 1}", "weight": server + 1}
                for server in range(10)
            ],
        }
        for number in range(count)
    ]


def changed(count: int) -> list[dict[str, Any]]:
    """The table with another weight for one real server."""
    services = table(count)
    services[count // 2]["real_servers"][5]["weight"] = 7
    return services


def module_programs(folder: Path) -> list[Path]:
    """Calls of the module ipvs_table, as Ansible makes them for a host."""
    calls: dict[str, dict[str, Any]] = {}
    common = {"drain_timeout": 300, "drain_remove": False}
    for size in SIZES:
        # As its action sends them.
        for case, services in (("load", table(size)), ("change", changed(size))):
            told = {"services": _packed.pack(services), "purge": "real_servers", **common}
            calls[str(folder / f"module-{size}-{case}")] = told
        calls[str(folder / f"module-{size}-purge")] = {
            "services": [],
            "purge": "services",
            "vips": ["10.0.0.1"],
            **common,
        }
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections")}
    builder = [sys.executable, Path(__file__).with_name("build_module.py"), "mesh.expansion.ipvs_table"]
    subprocess.run(builder, input=json.dumps(calls), text=True, env=environment, check=True)
    return [Path(path) for path in calls]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    if not director.is_up():
        pytest.skip("the lab is not up: lab/lab up")
    scratch = tmp_path_factory.mktemp("bench")
    files = [Path(__file__).with_name("ipvs_director.py"), *module_programs(scratch)]
    for size in SIZES:
        files.append(scratch / f"table-{size}.json")
        files[-1].write_text(json.dumps(table(size)))
    if director.run(["sh", "-c", "command -v strace"], check=False).returncode:
        # For the numbers of system calls; it is in the lab's package repository.
        director.run(["sh", "-c", "apt-get -q update && apt-get -q -y install strace"], check=False)
    results = {}
    with director.directory(*files) as folder:
        for size in SIZES:
            command = [
                *director.NAMESPACE,
                "python3",
                "-B",
                f"{folder}/ipvs_director.py",
                folder,
                str(size),
                str(REPEATS),
            ]
            results[size] = json.loads(director.text(command, timeout=1800))
    return results


@pytest.fixture(scope="module")
def rows(measured: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for size, result in measured.items():
        for name, ours, peer, theirs in CASES:
            seconds, calls = result["seconds"], result["calls"]
            found.append(
                {
                    "case": f"{size} services, {result['rules']} rules: {name}",
                    "ours_s": round(seconds[ours], 5),
                    "peer": peer,
                    "peer_s": round(seconds[theirs], 5),
                    "ratio": round(seconds[ours] / seconds[theirs], 3),
                    "ours_calls": calls.get(ours),
                    "peer_calls": calls.get(theirs),
                }
            )
    bench_rows.store("ipvs", found)
    return found


def test_report(
    rows: list[dict[str, Any]], measured: dict[int, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{'case':52} {'ours':>9} {'calls':>7}  {'peer':24} {'peer':>9} {'calls':>7} {'ratio':>6}")
        for row in rows:
            ours, theirs = (row[name] if row[name] is not None else "-" for name in ("ours_calls", "peer_calls"))
            print(
                f"{row['case']:52} {row['ours_s']:8.4f}s {ours:>7}  {row['peer']:24} {row['peer_s']:8.4f}s "
                f"{theirs:>7} {row['ratio']:6.3f}"
            )
        for size, result in measured.items():
            print(f"memory of the loader, {size} services: {result['memory_mib']:.1f} MiB")
    assert rows


@pytest.mark.parametrize(
    ("case", "peer", "most"),
    [("full load", "ipvsadm -R", 0.2), ("no change", "ipvsadm -S -n", 1.0), ("one change", "our no change", 1.05)],
)
def test_aims_for_a_large_table(rows: list[dict[str, Any]], case: str, peer: str, most: float) -> None:
    (row,) = (
        row
        for row in rows
        if row["case"].startswith(f"{max(SIZES)} services")
        and row["case"].endswith(f": {case}")
        and row["peer"] == peer
    )
    assert row["ratio"] <= most, row


def test_memory(measured: dict[int, dict[str, Any]]) -> None:
    assert max(result["memory_mib"] for result in measured.values()) <= 60
