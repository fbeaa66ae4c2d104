# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the director in a network namespace of its own: times the engine, the module and ipvsadm on the same tables.

Usage: python3 ipvs_director.py DIRECTORY SERVICES REPEATS. DIRECTORY holds the package mesh_ipvs, and for each module
call a program module-SERVICES-CASE. Prints a JSON object of times (seconds, the median), numbers of system calls, and
memory.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import typing as t

sys.path.insert(0, sys.argv[1])

from mesh_ipvs._ipvs import model, options, plan, reconcile, save  # type: ignore[import-not-found]
from mesh_ipvs._ipvs.client import Client  # type: ignore[import-not-found]
from mesh_ipvs._netlink import channel  # type: ignore[import-not-found]

FOLDER = sys.argv[1]
CLONE_NEWNET = 0x40000000  # linux/sched.h
Table = t.List[t.Dict[str, t.Any]]


class CountingSocket:
    """Every call on it is one system call."""

    calls = 0

    def __init__(self, timeout: float) -> None:
        self._socket = channel.open_socket(timeout)

    def __getattr__(self, name: str) -> t.Any:
        CountingSocket.calls += 1
        return getattr(self._socket, name)


def engine(
    table: Table, purge: str = "real_servers", vips: t.Sequence[str] = (), opener: t.Any = channel.open_socket
) -> int:
    """Parse, validate, read, plan, apply."""
    with Client.open(channel=channel.Channel(opener=opener)) as client:
        return len(
            reconcile.reconcile(client, options.parse_services(table), purge, options.parse_addresses(vips)).operations
        )


def flush() -> None:
    subprocess.run(["ipvsadm", "-C"], check=True)


def boot() -> None:
    """An empty table as after a boot. After a flush the kernel keeps the removed real servers for two minutes, and
    searches them at each addition."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def fill(lines: str) -> None:
    flush()
    subprocess.run(["ipvsadm", "-R"], input=lines, text=True, check=True)


def command(arguments: t.Sequence[str], given: str = "") -> None:
    subprocess.run(arguments, input=given, text=True, stdout=subprocess.DEVNULL, check=True)


def calls_of(arguments: t.Sequence[str], given: str = "") -> int | None:
    """Counted by strace, children included; nothing without it."""
    if shutil.which("strace") is None:
        return None
    log = os.path.join(FOLDER, "strace")
    subprocess.run(
        ["strace", "-f", "-c", "-S", "name", "-o", log, *arguments],
        input=given,
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    with open(log, encoding="ascii") as file:
        rows = [line.split() for line in file if line.rstrip().endswith(" total")]
    return int(rows[-1][3])


def timed(work: t.Callable[[], t.Any], before: t.Callable[[], t.Any], repeats: int) -> float:
    times = []
    for _time in range(repeats):
        before()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main(table: Table, count: int, repeats: int) -> dict[str, t.Any]:
    lines = "".join(
        f"{line}\n" for line in model.lines(plan.simulate({}, plan.plan({}, options.parse_services(table))))
    )
    changed = json.loads(json.dumps(table))
    changed[count // 2]["real_servers"][5]["weight"] = 7
    change = (
        f"-e -t {changed[count // 2]['tcp_service']} -r "
        f"{changed[count // 2]['real_servers'][5]['real_server']} -g -w 7\n"
    )
    vip = "10.0.0.1"
    purge = "".join(
        f"-D -t {service['tcp_service']}\n" for service in table if service["tcp_service"].startswith(f"{vip}:")
    )
    program = os.path.join(FOLDER, "rules.sh")
    with open(program, "w", encoding="ascii") as file:
        file.writelines(f"ipvsadm {line}\n" for line in lines.splitlines())
    modules = {
        case: [sys.executable, os.path.join(FOLDER, f"module-{count}-{case}")] for case in ("load", "change", "purge")
    }
    saved = os.path.join(FOLDER, "table.json")
    save.store(saved, save.dumps(table, []))
    loader = [sys.executable, "-m", "mesh_ipvs._ipvs.loader", "--restore", saved]
    os.chdir(FOLDER)

    def full() -> None:
        fill(lines)

    def nothing() -> None:
        pass

    full()
    result: dict[str, t.Any] = {"rules": lines.count("\n")}
    work: dict[str, tuple[t.Callable[[], t.Any], t.Callable[[], t.Any]]] = {
        "no change": (lambda: engine(table), nothing),
        "no change, module": (lambda: command(modules["load"]), nothing),
        "no change, ipvsadm -S -n": (lambda: command(["ipvsadm", "-S", "-n"]), nothing),
        "one change": (lambda: engine(changed), lambda: engine(table)),
        "one change, module": (lambda: command(modules["change"]), lambda: engine(table)),
        "one change, ipvsadm": (
            lambda: command(["sh", "-c", f"ipvsadm -S -n >/dev/null; ipvsadm {change}"]),
            lambda: engine(table),
        ),
        "purge": (lambda: engine([], "services", [vip]), full),
        "purge, module": (lambda: command(modules["purge"]), full),
        "purge, ipvsadm": (lambda: (command(["ipvsadm", "-S", "-n"]), command(["ipvsadm", "-R"], purge)), full),
        "load": (lambda: engine(table), boot),
        "load, module": (lambda: command(modules["load"]), boot),
        "load, ipvsadm -R": (lambda: command(["ipvsadm", "-R"], lines), boot),
    }
    result["seconds"] = {name: timed(action, before, repeats) for name, (action, before) in work.items()}
    # Once is enough: it takes minutes.
    result["seconds"]["load, ipvsadm per rule"] = timed(lambda: command(["sh", program]), boot, 1)

    calls: dict[str, int | None] = {}
    prepared: dict[str, tuple[t.Callable[[], t.Any], t.Callable[[], t.Any]]] = {
        "load": (flush, lambda: engine(table, opener=CountingSocket)),
        "no change": (nothing, lambda: engine(table, opener=CountingSocket)),
        "one change": (nothing, lambda: engine(changed, opener=CountingSocket)),
        "purge": (nothing, lambda: engine([], "services", [vip], CountingSocket)),
    }
    for name, (before, action) in prepared.items():
        before()
        CountingSocket.calls = 0
        action()
        calls[name] = CountingSocket.calls
    full()
    calls["no change, ipvsadm -S -n"] = calls_of(["ipvsadm", "-S", "-n"])
    calls["no change, module"] = calls_of(modules["load"])
    flush()
    calls["load, ipvsadm -R"] = calls_of(["ipvsadm", "-R"], lines)
    flush()
    calls["load, module"] = calls_of(modules["load"])
    flush()
    process = subprocess.Popen(loader, stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the loader ended with status {status}")
    flush()
    return {**result, "calls": calls, "memory_mib": usage.ru_maxrss / 1024}


if __name__ == "__main__":
    with open(os.path.join(FOLDER, f"table-{sys.argv[2]}.json"), encoding="ascii") as given:
        print(json.dumps(main(json.load(given), int(sys.argv[2]), int(sys.argv[3]))))
