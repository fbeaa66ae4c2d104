# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registering many VMs: one call of istio_register for each backend, beside one kubernetes.core.k8s task per object for
the same end state, on an API server of its own.

Run by `make bench-registration`; needs no lab and no root. Ours is measured as Ansible starts it: the program of the
module, in a process of its own. The peer's playbook runs with fewer VMs, as it takes its time, and is compared with
ours at that size; nothing is extrapolated. Adds its rows to build/bench.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import parse_registrations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import RESOURCES, Registrar

from tests.bench import rows
from tests.registration.apiserver import ApiServer, running

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BACKENDS = ("endpoints", "endpoint_slice", "workload_entry", "auto")
AIMS = {"endpoints": 3.0, "endpoint_slice": 3.0, "workload_entry": 15.0}
NO_CHANGE_AIM, FASTER_AIM, MEMORY_AIM = 1.5, 20.0, 80.0
LAUNCHER = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
said = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE).stdout.decode()
seconds = time.perf_counter() - begun
kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"seconds": seconds, "kib": kib, "said": said}))
"""
Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One execution of the module."""

    seconds: float
    requests: int
    written: int
    memory: float
    """MiB that were resident at most."""


def services(vms: int, count: int, backend: str) -> list[Json]:
    """VMs spread evenly over services; each service has an account of its own."""
    workload = {"network": "vm-network"} if backend in ("workload_entry", "auto") else {}
    found = []
    for number in range(count):
        members = range(number, vms, count)
        found.append(
            {
                "name": f"web{number}",
                "ports": ["http:9080"],
                "service_account": f"web{number}",
                "endpoints": [
                    {
                        "address": f"10.{200 + vm // 62500}.{vm // 250 % 250}.{vm % 250 + 1}",
                        "host": f"vm{vm}",
                        **workload,
                    }
                    for vm in members
                ],
            }
        )
    return found


def one_changed(batch: list[Json]) -> list[Json]:
    """One VM has another address."""
    changed = json.loads(json.dumps(batch))
    changed[len(changed) // 2]["endpoints"][0]["address"] = "10.254.0.1"
    return list(changed)


def program(folder: Path, name: str, arguments: Json) -> Path:
    path = folder / name
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections")}
    builder = [sys.executable, HERE / "build_module.py", "mesh.expansion.istio_register"]
    subprocess.run(builder, input=json.dumps({str(path): arguments}), text=True, env=environment, check=True)
    return path


def execute(path: Path) -> Run:
    """A process that was forked by a large one counts that one's memory as its own, so a small one starts it."""
    command = [sys.executable, "-S", "-c", LAUNCHER, sys.executable, str(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    measured = json.loads(done.stdout)
    result = json.loads(measured["said"])
    if result.get("failed"):
        raise RuntimeError(f"istio_register failed: {result.get('msg')}")
    return Run(measured["seconds"], result["requests"], len(result["operations"]), measured["kib"] / 1024)


def measure(server: ApiServer, folder: Path, backend: str, vms: int, count: int) -> dict[str, Run]:
    """First run, no change, one VM at another address; everything is taken out again."""
    batch = services(vms, count, backend)
    arguments = {"kubeconfig": str(server.kubeconfig), "backend": backend, "purge": True, "services": batch}
    first = program(folder, f"{backend}-{vms}-first", arguments)
    changed = program(folder, f"{backend}-{vms}-changed", {**arguments, "services": one_changed(batch)})
    leaving = {**arguments, "purge": False, "services": one_changed(batch), "state": "absent"}
    away = program(folder, f"{backend}-{vms}-away", leaving)
    found = {
        "first run": execute(first),
        "no change": execute(first),
        "one VM changed": execute(changed),
        "all leave": execute(away),
    }
    assert found["no change"].written == 0, found
    return found


def objects(server: ApiServer, backend: str, vms: int, count: int) -> list[Json]:
    """What a run of ours makes, as a user would write it down for kubernetes.core.k8s."""
    batch = parse_registrations(services(vms, count, backend), True, backend)
    plan = Registrar(connect(str(server.kubeconfig)), Wish(backend=backend)).plan("default", batch)
    made = {}
    for item in plan.operations:
        resource = RESOURCES[item.kind]
        made[item.label] = {"apiVersion": resource.api_version, "kind": item.kind, **item.body}
    return list(made.values())


def loop(server: ApiServer, folder: Path, definitions: list[Json], state: str) -> float:
    """One task per object; the playbook's own start is left out of the time."""
    playbook = folder / "peer.yml"
    task = {
        "name": "One object",
        "kubernetes.core.k8s": {
            "kubeconfig": str(server.kubeconfig),
            "state": state,
            "definition": "{{ item }}",
        },
        "loop": definitions,
        "loop_control": {"label": "{{ item.metadata.name }}"},
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    empty = {**play, "tasks": [{"name": "Nothing", "ansible.builtin.meta": "noop"}]}
    seconds = []
    for content in (empty, play):
        playbook.write_text(yaml.safe_dump([{"name": "Peer", **content}]), encoding="utf-8")
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_NOCOLOR": "1",
        }
        begun = time.perf_counter()
        command = ["ansible-playbook", "-i", "localhost,", str(playbook)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds.append(time.perf_counter() - begun)
        if done.returncode:
            raise RuntimeError(f"the peer's playbook failed: {done.stdout[-2000:]}")
    return seconds[1] - seconds[0]


def compare(server: ApiServer, folder: Path, backend: str, vms: int, count: int) -> tuple[int, float]:
    """Number of objects and seconds of the peer for the same end state."""
    definitions = objects(server, backend, vms, count)
    seconds = loop(server, folder, definitions, "present")
    loop(server, folder, definitions, "absent")
    return len(definitions), seconds


def table(found: Sequence[Json]) -> str:
    lines = [f"{'':48}{'ours':>9}{'requests':>10}{'written':>9}{'memory':>10}{'one task per object':>22}{'ratio':>8}"]
    for row in found:
        peer = f"{row['peer_s']:.1f} s" if row["peer_s"] is not None else "-"
        ratio = f"{row['peer_s'] / row['ours_s']:.1f}x" if row["peer_s"] is not None else "-"
        lines.append(
            f"{row['case']:48}{row['ours_s']:7.2f} s{row['requests']:10}{row['written']:9}{row['memory_mib']:7.1f} MiB"
            f"{peer:>22}{ratio:>8}"
        )
    return "\n".join(lines)


def row(backend: str, size: str, case: str, run: Run, peer: tuple[int, float] | None) -> Json:
    return {
        "case": f"{size}, {backend}: {case}",
        "ours_s": round(run.seconds, 3),
        "peer": f"kubernetes.core.k8s, {peer[0]} objects one after the other" if peer else None,
        "peer_s": round(peer[1], 1) if peer else None,
        "ratio": round(run.seconds / peer[1], 4) if peer else None,
        "requests": run.requests,
        "written": run.written,
        "memory_mib": round(run.memory, 1),
    }


def missed(found: Sequence[Json], vms: int) -> list[str]:
    """Aims that were not reached."""
    complaints = []
    for item in found:
        backend = item["case"].split(", ")[-1].split(":")[0]
        first = item["case"].startswith(f"{vms} VMs") and item["case"].endswith(": first run")
        if first and item["ours_s"] > AIMS.get(backend, item["ours_s"]):
            complaints.append(f"{item['case']}: {item['ours_s']} s, at most {AIMS[backend]} s")
        if item["case"].endswith(": no change") and item["ours_s"] > NO_CHANGE_AIM:
            complaints.append(f"{item['case']}: {item['ours_s']} s, at most {NO_CHANGE_AIM} s")
        if item["peer_s"] is not None and item["peer_s"] < FASTER_AIM * item["ours_s"]:
            complaints.append(f"{item['case']}: {item['peer_s'] / item['ours_s']:.1f} x faster, at least {FASTER_AIM}")
        if item["memory_mib"] > MEMORY_AIM:
            complaints.append(f"{item['case']}: {item['memory_mib']} MiB, at most {MEMORY_AIM} MiB")
    return complaints


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m tests.bench.registration", description="Measure registering VMs.")
    parser.add_argument("--vms", type=int, default=1000, metavar="N", help="VMs (default: 1000)")
    parser.add_argument("--services", type=int, default=20, metavar="N", help="Services (default: 20)")
    parser.add_argument("--peer-objects", type=int, default=150, metavar="N", help="most objects of the peer's loop")
    parser.add_argument("--backends", default=",".join(BACKENDS), metavar="NAME,NAME")
    options = parser.parse_args(arguments)
    found: list[Json] = []
    with running() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for backend in options.backends.split(","):
            # As large as the peer can be; an entry for each VM makes it too slow for the whole.
            share = 1 if len(objects(server, backend, options.vms, options.services)) <= options.peer_objects else 10
            sizes = {(options.vms, options.services), (options.vms // share, max(1, options.services // share))}
            for vms, count in sorted(sizes, reverse=True):
                runs = measure(server, folder, backend, vms, count)
                peer = None
                if (vms, count) == min(sizes):
                    peer = compare(server, folder, backend, vms, count)
                for case, run in runs.items():
                    size = f"{vms} VMs in {count} Services"
                    found.append(row(backend, size, case, run, peer if case == "first run" else None))
                print(f"[{time.strftime('%H:%M:%S')}] {backend}, {vms} VMs: done", flush=True)
    rows.store("registration", found)
    print(f"\n{table(found)}\nRows: {rows.FILE}")
    complaints = missed(found, options.vms)
    print("\n".join(complaints) or "All aims are reached.")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
