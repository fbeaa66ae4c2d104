"""Print as JSON every file of a host that joining could change, and what else host_state.py does not tell.

Runs on the host (`python3 -`); standard library only.
"""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDERS = (
    "/etc",
    "/home",
    "/opt",
    "/root",
    "/srv",
    "/usr/lib/systemd",
    "/usr/lib/tmpfiles.d",
    "/usr/local",
    "/usr/sbin",
    "/var/cache/mesh-expansion",
    "/var/lib",
    "/var/log/istio",
    "/var/spool",
)
# The collection's own bookkeeping, which may change its form; what dpkg, systemd, Ansible and a running sidecar keep.
SKIPPED = re.compile(
    r"^(?:/var/lib/(?:apt|dpkg|mesh-expansion|systemd|private|nginx|dbus|istio/proxy/[^/]+)"
    r"|/root/(?:\.ansible|\.cache|\.ssh)"
    r"|/etc/(?:(?:passwd|group|shadow|gshadow|subuid|subgid)-|ld\.so\.cache|\.updated|\.pwd\.lock|mtab|adjtime))(?:/|$)"
)
# Written by programs while they run, or as large as the package that a lab happens to serve: owner and mode only.
OPAQUE = re.compile(r"^(?:/var/log/istio/|/var/lib/istio/config/|/var/cache/mesh-expansion/)")
# Programs that the collection installs: it may better them. Their place, owners and modes stay.
PROGRAMS = re.compile(r"^/usr/local/lib/mesh-expansion/")
ACCOUNTS = re.compile(r"^/etc/(?:passwd|group|shadow|gshadow|subuid|subgid)$")
PEM = re.compile(rb"^-----BEGIN ([A-Z ]+)-----$", re.MULTILINE)
LONGEST_TEXT = 16384


def output(*command: str) -> str:
    """What a command prints; nothing when it is not there. A failure is raised: it must not pass for an empty state."""
    # systemd on a busy machine takes longer than the 25 s that its clients wait by themselves.
    environment = {**os.environ, "SYSTEMD_BUS_TIMEOUT": "100s"}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=110, check=True, env=environment).stdout
    except FileNotFoundError:
        return ""


def packaged() -> dict[str, str]:
    """Path -> MD5 of files that packages brought."""
    found = {}
    for listing in Path("/var/lib/dpkg/info").glob("*.md5sums"):
        for line in listing.read_text().splitlines():
            digest, name = line.split(None, 1)
            found[os.path.realpath(f"/{name}")] = digest
    conffiles = output("dpkg-query", "-W", "-f", "${Conffiles}\n")
    for line in conffiles.splitlines():
        words = line.split()
        if len(words) >= 2:
            found[words[0]] = words[1]
    return found


def names(status: os.stat_result) -> str:
    try:
        return f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
    except KeyError:
        return f"{status.st_uid}:{status.st_gid}"


def accounts(text: str) -> list[str]:
    """Names only: numbers and dates depend on the machine and on the day."""
    return [line.split(":", 1)[0] for line in text.splitlines()]


def describe(path: str, known: dict[str, str]) -> dict[str, Any]:
    status = os.lstat(path)
    entry: dict[str, Any] = {"owner": names(status), "mode": f"{stat.S_IMODE(status.st_mode):04o}"}
    if stat.S_ISLNK(status.st_mode):
        return {"link": os.readlink(path)}
    if stat.S_ISDIR(status.st_mode):
        return entry | {"directory": True}
    if not stat.S_ISREG(status.st_mode):
        return entry | {"special": True}
    if OPAQUE.match(path):
        return entry
    data = Path(path).read_bytes()
    if path in known and hashlib.md5(data, usedforsecurity=False).hexdigest() == known[path]:
        return entry | {"packaged": True}
    kinds = [kind.decode() for kind in PEM.findall(data)]
    if path.startswith("/etc/certs/") or any("PRIVATE" in kind for kind in kinds):
        return entry | {"pem": kinds}
    if ACCOUNTS.match(path):
        return entry | {"accounts": accounts(data.decode())}
    return entry | content(data, readable=bool(status.st_mode & stat.S_IROTH))


def content(data: bytes, readable: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest()}
    if readable and len(data) <= LONGEST_TEXT and b"\0" not in data:
        found["text"] = data.decode(errors="replace").split("\n")
    return found


def files() -> dict[str, Any]:
    known = packaged()
    found: dict[str, Any] = {}
    programs = set()
    for top in FOLDERS:
        if os.path.isdir(top):
            found[top] = describe(top, known)
        for parent, folders, leaves in os.walk(top):
            folders[:] = [name for name in folders if not SKIPPED.match(os.path.join(parent, name))]
            for name in folders + leaves:
                path = os.path.join(parent, name)
                if SKIPPED.match(path) or path.endswith(".pyc"):
                    continue
                if PROGRAMS.match(path):
                    entry = describe(path, {})
                    kind = "directory" if "directory" in entry else "file"
                    programs.add(f"{kind} {entry.get('owner')} {entry.get('mode')}")
                    continue
                found[path] = describe(path, known)
    if programs:
        found["/usr/local/lib/mesh-expansion/**"] = {"programs": sorted(programs)}
    return found


def chains() -> list[str]:
    """The sidecar's rules in their order, accounts by name."""
    lines = []
    for table in ("nat", "mangle"):
        lines += [line for line in output("iptables-save", "-t", table).splitlines() if "ISTIO" in line]
    try:
        entry = pwd.getpwnam("istio-proxy")
    except KeyError:
        return []
    owner = re.compile(rf"(--[ug]id-owner) (?:{entry.pw_uid}|{entry.pw_gid})\b")
    lines = [owner.sub(r"\1 istio-proxy", line) for line in lines]
    return [re.sub(r"\[\d+:\d+\]", "", line).strip() for line in lines]


def ipvs_settings() -> dict[str, str]:
    # Joining loads the module, and it stays; without it there would be nothing to compare the settings with.
    subprocess.run(["modprobe", "ip_vs"], capture_output=True, check=False)
    return {path.name: path.read_text().strip() for path in sorted(Path("/proc/sys/net/ipv4/vs").glob("*"))}


def units(*question: str) -> list[str]:
    lines = output("systemctl", *question, "--no-legend", "--plain").splitlines()
    # These start and end as sessions come and go.
    passing = ("user@", "user-runtime-dir@")
    return sorted(line.split()[0] for line in lines if not line.startswith(passing))


def main() -> None:
    state = {
        "enabled units": units("list-unit-files", "--state=enabled"),
        "active services": units("list-units", "--type=service", "--state=active"),
        "files": files(),
        "sidecar rules": chains(),
        # Without ip_vs in its kernel a host has no table to ask for.
        "ipvs rules": sorted(output("ipvsadm", "-S", "-n").splitlines()) if Path("/proc/net/ip_vs").exists() else [],
        "ipvs settings": ipvs_settings(),
    }
    json.dump(state, sys.stdout)


if __name__ == "__main__":
    main()
