# Part of the lab's stand-in for the kubelet: the first process of a container.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enter the pod's network namespace, build the container's file system, run one process, reap the rest.

Started as a script, with nothing but the standard library, and told what to do by a JSON document on standard input.
The root file system is an overlay: the image's own trees over the control machine's root, whose /run, /tmp and
/var/tmp are hidden; what the container writes goes to the Pod's tmpfs. Folders to keep (the checkout, the caches) and
programs on other mounts are bound from outside, read-only.
"""

from __future__ import annotations

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
HIDDEN_TREES = {"/run": 0o755, "/tmp": 0o1777, "/var/tmp": 0o1777}
PROGRAM_TREES = ("/usr", "/opt", "/bin", "/sbin", "/lib", "/lib64")
OLD = "/.old"
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *args: Any) -> None:
    if getattr(_libc, name)(*args) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{os.strerror(code)}: {name}{args!r}")


def _mount(source: str, target: str, fstype: str | None, flags: int = 0, data: str | None = None) -> None:
    _call(
        "mount",
        source.encode(),
        target.encode(),
        fstype.encode() if fstype else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )


def _read_only(target: str) -> None:
    _mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def _die_with_parent(parent: int) -> None:
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the request took effect
        os._exit(SETUP_FAILED)


def _inside(path: str, trees: Any) -> bool:
    return any(path == tree or path.startswith(f"{tree}/") for tree in trees)


def _program_mounts() -> list[str]:
    """Mounts below the root's program folders: an overlay of the root does not see into them."""
    with open("/proc/self/mountinfo") as handle:
        points = [line.split()[4].encode().decode("unicode_escape") for line in handle]
    return sorted({p for p in points if _inside(p, PROGRAM_TREES)}, key=len)


def _escape(path: str) -> str:
    """A path in an overlay's options."""
    return "".join(f"\\{c}" if c in "\\:," else c for c in path)


def _overlay(base: str, layers: list[str]) -> str:
    """Mount the container's root; returns where."""
    for name in ("upper", "work", "root", "none"):
        os.mkdir(f"{base}/{name}")
    for tree, mode in HIDDEN_TREES.items():
        os.makedirs(f"{base}/upper{tree}")
        os.chmod(f"{base}/upper{tree}", mode)
        os.setxattr(f"{base}/upper{tree}", "trusted.overlay.opaque", b"y")
    lower = []
    for number, layer in enumerate(layers):
        # A folder below another layer (the root) is refused; in an overlay of its own it is not below anything.
        wrapped = f"{base}/layer{number}"
        os.mkdir(wrapped)
        _mount("overlay", wrapped, "overlay", data=f"lowerdir={_escape(layer)}:{_escape(base)}/none")
        lower.append(_escape(wrapped))
    lowerdir = ":".join([*lower, "/"])
    try:
        options = f"lowerdir={lowerdir},upperdir={_escape(base)}/upper,workdir={_escape(base)}/work"
        _mount("overlay", f"{base}/root", "overlay", data=options)
    except OSError as error:
        message = f"this machine's root file system cannot be the lower layer of an overlay: {error.strerror}"
        raise OSError(message) from error
    return f"{base}/root"


def _bind(path: str, source: str, recursive: bool = False) -> None:
    """Bind from outside onto a path that is made when it is missing."""
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o644))
    _mount(source, path, None, MS_BIND | (MS_REC if recursive else 0))


def _keep(path: str, root_device: int) -> None:
    """Make an outside folder visible, also to users other than root."""
    if _inside(path, HIDDEN_TREES) or os.stat(OLD + path).st_dev != root_device:
        _bind(path, OLD + path)
        _read_only(path)
    parent = os.path.dirname(path)
    while parent != "/":
        mode = os.stat(parent).st_mode & 0o7777
        if mode | 0o111 != mode:
            os.chmod(parent, mode | 0o111)
        parent = os.path.dirname(parent)


def _write(path: str, content: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path):
        os.unlink(path)
    with open(path, "w", encoding="utf-8") as handle:
        os.fchmod(handle.fileno(), 0o644)
        handle.write(content)


def _mount_volumes(mounts: list[dict[str, Any]]) -> None:
    """Outer ones first; read-only only when those inside have their place."""
    placed = [(os.path.realpath(mount["path"]), mount) for mount in mounts]
    for path, mount in sorted(placed, key=lambda pair: pair[0]):
        _mount_volume(path, mount)
    for path, mount in placed:
        if mount["read_only"]:
            _read_only(path)


def _mount_volume(path: str, mount: dict[str, Any]) -> None:
    source = OLD + mount["source"]
    if mount["create"] and not os.path.lexists(source):
        os.makedirs(source)
        os.chmod(source, 0o777)
    _bind(path, source)


def _build_view(spec: dict[str, Any]) -> None:
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    programs, root_device = _program_mounts(), os.stat("/").st_dev
    root = _overlay(spec["root"], spec["layers"])
    os.mkdir(root + OLD)
    _call("pivot_root", root.encode(), (root + OLD).encode())
    os.chdir("/")
    os.chmod("/", 0o755)
    for tree in ("/dev", "/sys", "/proc"):
        _bind(tree, OLD + tree, recursive=True)
    for path in programs:
        _bind(path, OLD + path)
        _read_only(path)
    for path in spec["keep"]:
        _keep(path, root_device)
    for path, content in spec["files"].items():
        _write(path, content)
    _mount_volumes(spec["mounts"])
    _call("umount2", OLD.encode(), MNT_DETACH)
    os.rmdir(OLD)
    os.makedirs(spec["cwd"], exist_ok=True)
    if spec["read_only"]:
        _read_only("/")


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
    os.chdir(spec["cwd"])
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
