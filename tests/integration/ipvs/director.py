# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's director as tests and benchmarks use it:
files, commands, and a worker in a network namespace of its own."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import config, proc
from lab.hosts.remote import ssh_argv

ROOT = Path(__file__).resolve().parents[3]
SITE = config.topology()
# Nothing but the VIP's neighbours live there: the lab's own table is another namespace's.
NAMESPACE = [
    "unshare",
    "--net",
    "--mount",
    "--",
    "sh",
    "-c",
    'mount -t sysfs sysfs /sys && ip link set lo up && exec "$@"',
    "sh",
]


class DirectorError(Exception):
    """A command on the director failed."""


def is_up() -> bool:
    return proc.netns_path(SITE.netns).exists()


def _ssh(command: list[str]) -> list[str]:
    host = next(host for host in SITE.hosts if host.role == "director")
    return proc.in_netns([*ssh_argv(host), "--", shlex.join(command)], SITE.netns)


def run(
    command: list[str], data: bytes = b"", timeout: float = 600, check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(_ssh(command), input=data, capture_output=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise DirectorError(
            f"{shlex.join(command)}: status {done.returncode}: {done.stderr.decode(errors='replace').strip()}"
        )
    return done


def text(command: list[str], timeout: float = 600) -> str:
    return run(command, timeout=timeout).stdout.decode()


@contextmanager
def directory(*files: Path) -> Iterator[str]:
    """A directory with the package mesh_ipvs, as the role director installs it, and some more files."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("_netlink", "_ipvs"):
            for path in sorted((ROOT / "plugins/module_utils" / name).glob("*.py")):
                tar.add(path, f"mesh_ipvs/{name}/{path.name}")
        for path in files:
            tar.add(path, path.name)
    folder = text(["mktemp", "-d", "/var/tmp/mesh-ipvs-test.XXXXXX"]).strip()
    try:
        run(["tar", "-x", "-C", folder], archive.getvalue())
        yield folder
    finally:
        run(["rm", "-rf", folder])


class Worker:
    """Calls functions of worker.py."""

    def __init__(self, folder: str) -> None:
        command = [*NAMESPACE, "python3", "-B", f"{folder}/worker.py", folder]
        self._process = subprocess.Popen(_ssh(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, function: str, **values: Any) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise DirectorError("the worker has no pipes")
        self._process.stdin.write(json.dumps([function, values]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise DirectorError(f"the worker ended with status {self._process.wait(timeout=10)}")
        answer = json.loads(line)
        if "exception" in answer:
            raise DirectorError(answer["exception"])
        return answer["result"]

    def ipvsadm(self, *arguments: str, given: str = "") -> str:
        done = self.call("shell", arguments=["ipvsadm", *arguments], given=given)
        if done["status"] or done["stderr"]:
            raise DirectorError(f"ipvsadm {shlex.join(arguments)}: {done['stderr']}")
        return str(done["stdout"])

    def saved(self) -> list[str]:
        """What `ipvsadm -S` prints, sorted. It skips services if some of another network namespace go
        meanwhile, so it is asked again."""
        said = self.ipvsadm("-S", "-n")
        for _time in range(5):
            before, said = said, self.ipvsadm("-S", "-n")
            if said == before:
                break
        return sorted(said.splitlines())

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)
        if self._process.stdout is not None:
            self._process.stdout.close()
