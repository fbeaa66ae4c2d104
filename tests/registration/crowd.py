# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several control nodes at once: each is a process with a connection of its own, and all begin at the same moment.

As a program: `python -m tests.registration.crowd KUBECONFIG`, one control node. It reads one task a line from standard
input, {"at", "backend", "state", "services"}, begins it at the time `at`, and answers with a line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]
NODES = 8
LEAD_SECONDS = 0.05
ROOT = Path(__file__).resolve().parents[2]


class Crowd:
    """The control nodes."""

    def __init__(self, kubeconfig: Path, count: int = NODES) -> None:
        command = [sys.executable, "-m", "tests.registration.crowd", str(kubeconfig)]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        self._nodes = [subprocess.Popen(command, **pipes) for _number in range(count)]
        for node in self._nodes:
            assert node.stdout is not None
            assert node.stdout.readline() == "ready\n"

    def all(self, tasks: list[Json]) -> list[Json]:
        """One task for each control node, all at once; their results, in that order."""
        at = time.time() + LEAD_SECONDS
        for node, task in zip(self._nodes, tasks, strict=True):
            assert node.stdin is not None
            node.stdin.write(json.dumps({"at": at, **task}) + "\n")
            node.stdin.flush()
        return [json.loads(node.stdout.readline()) for node in self._nodes if node.stdout is not None]

    def close(self) -> None:
        for node in self._nodes:
            assert node.stdin is not None
            node.stdin.close()
            node.wait(30)


@contextmanager
def crowd(kubeconfig: Path, count: int = NODES) -> Iterator[Crowd]:
    found = Crowd(kubeconfig, count)
    try:
        yield found
    finally:
        found.close()


def main(kubeconfig: str) -> None:
    from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import parse_registrations
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Registrar

    client = connect(kubeconfig)
    client.server_version()
    print("ready", flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        batch = parse_registrations(task["services"], task["state"] == "present", task["backend"])
        registrar = Registrar(client, Wish(task["state"], task["backend"]))
        time.sleep(max(0.0, task["at"] - time.time()))
        answer: Json = {"error": ""}
        try:
            registrar.plan("default", batch)
            registrar.apply("default", batch)
        except Exception as exc:
            answer["error"] = f"{type(exc).__name__}: {exc}"
        print(json.dumps({**answer, "attempts": registrar.attempts, "written": registrar.written}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
