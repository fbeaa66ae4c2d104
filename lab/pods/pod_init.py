# Part of the lab's stand-in for the kubelet: the first process of a container.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enter the pod's network namespace, build the pod's view of the file system, run one process, reap the rest.

Started as a script, with nothing but the standard library, and told what to do by a JSON document on standard input
(so that tokens in it never touch the disk). The root file system is the control machine's own, read-only; /run and
/tmp are the pod's own (but for folders to keep), /etc is an overlay, so that files can be put there.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import signal
import sys
from typing import Any

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x20000000,
    0x40000000,
)
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
SETUP_FAILED = 125
NOT_STARTED = 127
OWN_TREES = ("/run", "/tmp", "/etc")
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *args: Any) -> None:
    if getattr(_libc, name)(*args) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}{args!r}: {os.strerror(code)}")


def _mount(source: str, target: str, fstype: str | None, flags: int = 0, data: str | None = None) -> None:
    _call(
        "mount",
        source.encode(),
        target.encode(),
        fstype.encode() if fstype else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )


def _die_with_parent(parent: int) -> None:
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the request took effect
        os._exit(SETUP_FAILED)


def _mount_points() -> list[str]:
    with open("/proc/self/mountinfo") as handle:
        return [line.split()[4].encode().decode("unicode_escape") for line in handle]


def _release_mounts(prefixes: list[str]) -> None:
    """Let go of mounts of the lab and of other namespaces, which would stay busy as long as this pod lives."""
    below = [m for m in _mount_points() if any(m.startswith(p + "/") for p in prefixes)]
    for point in sorted(below, key=len):
        try:
            _call("umount2", point.encode(), MNT_DETACH)
        except OSError:
            continue  # it went with the mount it was below


def _write(path: str, content: bytes, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as handle:
        os.fchmod(handle.fileno(), mode)
        handle.write(content)


def _place(directory: str) -> None:
    """Make `directory` one that the pod may have files of its own in."""
    if any(directory == t or directory.startswith(t + "/") for t in OWN_TREES):
        os.makedirs(directory, exist_ok=True)
    elif os.path.isdir(directory):
        _mount("tmpfs", directory, "tmpfs", data="mode=0755")
    else:
        raise OSError(f"mountPath {directory} does not exist; use an existing folder or one below {OWN_TREES}")


def _build_view(spec: dict[str, Any]) -> None:
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _release_mounts(["/run", *spec["release"]])
    hidden = [p for p in spec["keep"] if p.startswith(("/run/", "/tmp/"))]
    kept = {path: os.open(path, os.O_PATH | os.O_DIRECTORY) for path in hidden}
    _mount("tmpfs", "/run", "tmpfs", data="mode=0755,size=64m")
    _mount("tmpfs", "/tmp", "tmpfs", data="mode=1777,size=256m")
    for path, fd in kept.items():
        os.makedirs(path)
        _mount(f"/proc/self/fd/{fd}", path, None, MS_BIND)
        os.close(fd)
    for name in ("upper", "work"):
        os.makedirs(f"/run/.etc/{name}")
    _mount("overlay", "/etc", "overlay", data="lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work")
    for path, content in spec["etc"].items():
        if os.path.islink(path):
            os.unlink(path)
        _write(path, content.encode(), 0o644)
    for volume in spec["volumes"]:
        directory = os.path.realpath(volume["path"])
        _place(directory)
        for name, encoded in volume["files"].items():
            _write(f"{directory}/{name}", base64.b64decode(encoded), volume["mode"])
    _mount("none", "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def _forward(pid: int) -> None:
    def handler(number: int, _frame: object) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return

    for number in FORWARDED:
        signal.signal(number, handler)


def _wait_for(pid: int) -> int:
    """Reap everything until `pid` has ended; return its exit code as a shell would."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _run_process(spec: dict[str, Any]) -> None:
    os.setsid()
    os.chdir(spec["cwd"])
    for number in FORWARDED:
        signal.signal(number, signal.SIG_DFL)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    argv = spec["argv"]
    try:
        os.execvpe(argv[0], argv, spec["env"])
    except OSError as error:
        os.write(2, f"cannot start {argv[0]}: {error.strerror}\n".encode())
    os._exit(NOT_STARTED)


def _first_process(spec: dict[str, Any]) -> int:
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # the parent is in another pid namespace: no check
    _mount("proc", "/proc", "proc")
    pid = os.fork()
    if pid == 0:
        _run_process(spec)
    _forward(pid)
    return _wait_for(pid)


def main() -> int:
    parent = os.getppid()
    spec = json.load(sys.stdin.buffer)
    report = spec["report_fd"]
    try:
        _die_with_parent(parent)
        with open(spec["netns"]) as handle:
            _call("setns", handle.fileno(), CLONE_NEWNET)
        _call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID)
        hostname = spec["hostname"].encode()
        _call("sethostname", hostname, len(hostname))
        _build_view(spec)
        pid = os.fork()
    except OSError as error:
        os.write(report, f"error {error}".encode())
        return SETUP_FAILED
    if pid == 0:
        os.close(report)
        try:
            code = _first_process(spec)
        except OSError as error:
            os.write(2, f"cannot set the container up: {error}\n".encode())
            code = SETUP_FAILED
        os._exit(code)
    _forward(pid)
    os.write(report, str(pid).encode())
    os.close(report)
    return _wait_for(pid)


if __name__ == "__main__":
    sys.exit(main())
