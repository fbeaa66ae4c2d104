"""Print as JSON what a host looks like, as far as the collection could change it. Runs on the host;
standard library only."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

FOLDERS = (
    *("/etc", "/usr/local", "/var/lib/istio", "/var/lib/mesh-expansion", "/var/cache/mesh-expansion"),
    *("/var/log/istio", "/run/secrets", "/opt"),
)
# Backups that account tools leave, caches, and what systemd writes by itself.
VOLATILE = re.compile(
    r"^/etc/(?:(?:passwd|group|shadow|gshadow|subuid|subgid)-|ld\.so\.cache|\.updated|\.pwd\.lock|mtab|adjtime)$"
)
INTERFACES = ("all", "default", "lo", "eth0", "vec0")


def output(*command: str) -> str:
    """Return what a command prints; nothing when it is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    except FileNotFoundError:
        return ""


def active_services() -> list[str]:
    """A systemd that is too busy to answer must not pass for one that has none."""
    # Its clients wait 25 s by themselves.
    environment = {**os.environ, "SYSTEMD_BUS_TIMEOUT": "100s"}
    command = ["systemctl", "list-units", "--type=service", "--state=active", "--no-legend", "--plain"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True, env=environment)
    return sorted(line.split()[0] for line in done.stdout.splitlines())


def enabled_units() -> list[str]:
    """The links that enable them, until the next boot or for good; `systemctl list-unit-files` takes 3 to 13 s."""
    roots = [Path("/etc/systemd/system"), Path("/run/systemd/system")]
    links = [path for root in roots for path in root.rglob("*") if path.is_symlink()]
    return sorted(f"{path} -> {os.readlink(path)}" for path in links)


def describe(path: Path) -> str:
    status = path.lstat()
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        owner, group = str(status.st_uid), str(status.st_gid)
    content = ""
    if path.is_symlink():
        content = f"-> {os.readlink(path)}"
    elif path.is_file():
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return f"{status.st_mode & 0o7777:04o} {owner}:{group} {content}".strip()


def files() -> dict[str, str]:
    found = {}
    for folder in FOLDERS:
        if os.path.lexists(folder):
            found[folder] = describe(Path(folder))
        for parent, folders, names in os.walk(folder):
            for name in folders + names:
                path = os.path.join(parent, name)
                if not VOLATILE.match(path):
                    found[path] = describe(Path(path))
    return found


def addresses() -> list[str]:
    links = json.loads(output("ip", "-j", "address", "show") or "[]")
    return sorted(
        f"{link['ifname']} {item['local']}/{item['prefixlen']}"
        for link in links
        if link["ifname"] in INTERFACES
        for item in link["addr_info"]
    )


def namespaces() -> list[str]:
    """Network namespaces of the collection; those of pods come and go."""
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.glob("mesh-*")) if folder.exists() else []


def sysctls() -> dict[str, str]:
    found = {}
    for interface in INTERFACES:
        for name in ("arp_ignore", "arp_announce", "rp_filter", "accept_local", "route_localnet", "forwarding"):
            path = Path(f"/proc/sys/net/ipv4/conf/{interface}/{name}")
            if path.exists():
                found[f"{interface}.{name}"] = path.read_text().strip()
    return found


def firewall() -> list[str]:
    """Rules that are not kube-proxy's, which follow the pods."""
    programs = ("iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save")
    lines = "".join(map(output, programs)).splitlines()
    rules = [re.sub(r"\[\d+:\d+\]", "", line).strip() for line in lines if line.startswith(("-", ":"))]
    return sorted(
        rule
        for rule in rules
        if "KUBE-" not in rule and not re.match(r":(?:PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) ACCEPT$", rule)
    )


def own_rules() -> dict[str, str]:
    """Tables of nftables that are neither iptables' nor kube-proxy's, as they are listed; and in their order the rules
    of the old kind of iptables."""
    tables = [line.split()[1:] for line in output("nft", "list", "tables").splitlines()]
    found = {
        f"{family} {name}": output("nft", "--stateless", "list", "table", family, name)
        for family, name in tables
        if name != "kube-proxy" and not (family in ("ip", "ip6") and name in ("filter", "nat", "mangle", "raw"))
    }
    old = [line for line in output("iptables-legacy-save").splitlines() if line.startswith("-A") or " DROP " in line]
    return {**found, "iptables-legacy": "\n".join(re.sub(r"\[\d+:\d+\]", "", line) for line in old)}


def ipvs() -> list[str]:
    """Services and servers, without the two numbers of connections that a server has at the moment."""
    table = Path("/proc/net/ip_vs")
    lines = table.read_text().splitlines()[3:] if table.exists() else []
    return [" ".join(line.split()[:-2]) if line.split()[0] == "->" else line.strip() for line in lines]


def main() -> None:
    state = {
        "files": files(),
        "packages": sorted(output("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n").splitlines()),
        "enabled units": enabled_units(),
        "active services": active_services(),
        "addresses": addresses(),
        "namespaces": namespaces(),
        "sysctls": sysctls(),
        "firewall": firewall(),
        "own rules": own_rules(),
        "ipvs": ipvs(),
    }
    json.dump(state, sys.stdout)


if __name__ == "__main__":
    main()
