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

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.registration.apiserver import ApiServer

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BACKENDS = ("endpoints", "endpoint_slice", "workload_entry", "auto")
AIMS = {"endpoints": 3.0, "endpoint_slice": 3.0, "workload_entry": 15.0}
NO_CHANGE_AIM, FASTER_AIM, MEMORY_AIM = 1.5, 20.0, 80.0
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
    """One VM serves a port more, on which its group's other members follow with `auto`."""
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
    begun = time.perf_counter()
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    result = json.loads(said)
    if process.returncode:
        raise RuntimeError(f"istio_register failed: {result.get('msg')}")
    return Run(seconds, result["requests"], len(result["operations"]), usage.ru_maxrss / 1024)


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


def objects(server: ApiServer, folder: Path, backend: str, vms: int, count: int) -> list[Json]:
    """What a run of ours makes, as a user would write it down for kubernetes.core.k8s."""
    arguments = {
        "kubeconfig": str(server.kubeconfig),
        "backend": backend,
        "services": services(vms, count, backend),
        "_ansible_check_mode": True,
        "_ansible_diff": True,
    }
    path = program(folder, f"{backend}-{vms}-objects", {})
    del path
    from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import parse_registrations
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import RESOURCES, Registrar

    batch = parse_registrations(arguments["services"], True, backend)
    plan = Registrar(connect(str(server.kubeconfig)), Wish(backend=backend)).plan("default", batch)
    made = {}
    for item in plan.operations:
        resource = RESOURCES[item.kind]
        made[item.label] = {"apiVersion": resource.api_version, "kind": item.kind, **item.body}
    return list(made.values())
