# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the director in a network namespace of its own: the engine by remote control.
One JSON document per line, in and out.

Usage: python3 worker.py DIRECTORY, which holds the package mesh_ipvs.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t

sys.path.insert(0, sys.argv[1])

from mesh_ipvs._ipvs import model, options, plan, reconcile, save  # type: ignore[import-not-found]
from mesh_ipvs._ipvs.client import Client  # type: ignore[import-not-found]
from mesh_ipvs._ipvs.errors import ApplyError, IpvsError  # type: ignore[import-not-found]
from mesh_ipvs._netlink import channel  # type: ignore[import-not-found]


def shell(arguments: list[str], given: str = "") -> dict[str, t.Any]:
    done = subprocess.run(arguments, input=given, capture_output=True, text=True, timeout=120, check=False)
    return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def connect(receive_buffer: int) -> Client:
    """With a receive buffer that is smaller than usual, unless it is 0."""

    def small(timeout: float) -> socket.socket:
        sock = channel.open_socket(timeout)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        return t.cast("socket.socket", sock)

    return Client.open(channel=channel.Channel(opener=small) if receive_buffer else None)


def converge(
    services: list[dict[str, t.Any]], purge: str = "all", vips: t.Sequence[str] = (), receive_buffer: int = 0
) -> dict[str, t.Any]:
    try:
        with connect(receive_buffer) as client:
            outcome = reconcile.converge(client, options.parse_services(services), purge, options.parse_addresses(vips))
        return {"operations": [str(operation) for operation in outcome.operations], "after": model.lines(outcome.after)}
    except ApplyError as exc:
        return {
            "error": str(exc),
            "applied": [str(one) for one in exc.applied],
            "not_applied": [str(one) for one in exc.not_applied],
        }
    except IpvsError as exc:
        return {"error": str(exc)}


def add_blindly(services: list[dict[str, t.Any]], receive_buffer: int = 0) -> dict[str, t.Any]:
    """All additions in batches, whatever is there already:
    as if the table had been read before another writer filled it."""
    with connect(receive_buffer) as client:
        report = client.apply(plan.plan({}, options.parse_services(services)))
    failed = [number for _operation, number in report.failed]
    return {
        "applied": len(report.applied),
        "failed": failed,
        "unknown": len(report.unknown),
        "not_applied": len(report.not_applied),
    }


def read() -> list[str]:
    with Client.open() as client:
        return t.cast("list[str]", model.lines(client.read()))


def states() -> list[dict[str, t.Any]]:
    with Client.open() as client:
        return [
            {
                "service": str(state.service.key),
                "servers": [[one.server.name, *one.connections, dict(one.statistics)] for one in state.servers],
            }
            for state in client.read_states()
        ]


def killed(services: list[dict[str, t.Any]], after: float) -> dict[str, t.Any]:
    """The loader, ended without a word some time after its first write."""
    path = os.path.join(sys.argv[1], "killed.json")
    save.store(path, save.dumps(services, []))
    command = [sys.executable, "-m", "mesh_ipvs._ipvs.loader", "--restore", path]
    process = subprocess.Popen(command, cwd=sys.argv[1], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with open("/proc/net/ip_vs", encoding="ascii") as table:
            if sum(1 for _line in table) > 3:
                break
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return {"status": process.returncode, "lines": len(read())}


class Vandal:
    """Another writer, that adds and removes the same entries all the time."""

    def __init__(self, service: str, server: str) -> None:
        self._service, self._server = service, server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        self.rounds = 0

    def _work(self) -> None:
        while not self._stop.is_set():
            shell(["ipvsadm", "-D", "-t", self._service])
            shell(["ipvsadm", "-A", "-t", self._service, "-s", "rr"])
            shell(["ipvsadm", "-a", "-t", self._service, "-r", self._server, "-m"])
            self.rounds += 1

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.rounds


class Held:
    """A connection through a virtual service that is used now and then."""

    def __init__(self, virtual: tuple[str, int], real: tuple[str, int]) -> None:
        self._server = socket.create_server(real)
        self._client = socket.create_connection(virtual, timeout=5)
        self._peer = self._server.accept()[0]

    def echo(self) -> bool:
        self._client.sendall(b"ping")
        heard = self._peer.recv(4)
        self._peer.sendall(heard)
        return self._client.recv(4) == b"ping"

    def close(self) -> None:
        for sock in (self._client, self._peer, self._server):
            sock.close()


HELD: dict[str, Held] = {}
VANDALS: list[Vandal] = []


def hold(virtual: tuple[str, int], real: tuple[str, int]) -> bool:
    HELD["one"] = Held(tuple(virtual), tuple(real))  # type: ignore[arg-type]
    return HELD["one"].echo()


def echo() -> bool:
    return HELD["one"].echo()


def release() -> None:
    HELD.pop("one").close()


def vandalise(service: str, server: str) -> None:
    VANDALS.append(Vandal(service, server))


def calm() -> int:
    return VANDALS.pop().stop()


COMMANDS: dict[str, t.Callable[..., t.Any]] = {
    function.__name__: function
    for function in (shell, converge, add_blindly, read, states, killed, hold, echo, release, vandalise, calm)
}


def main() -> None:
    for line in sys.stdin:
        name, values = json.loads(line)
        try:
            answer = {"result": COMMANDS[name](**values)}
        # Whatever it is, it is the test's to judge.
        except Exception as exc:
            answer = {"exception": f"{type(exc).__name__}: {exc}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
