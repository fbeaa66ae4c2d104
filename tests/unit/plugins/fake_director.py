# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A director in a directory: its files, programs that keep what they were told, and a kernel in memory."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import arp, footprint, kernel, paths
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import model
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.client import Client
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import layout, operations, work
from ansible_collections.mesh.expansion.plugins.module_utils._netlink.channel import Channel

from tests.unit.plugins.fake_host import Host
from tests.unit.plugins.fake_ipvs import FakeKernel

VIP = "192.168.0.62"
PILOT = {
    "tcp_service": f"{VIP}:15011",
    "scheduler": "wrr",
    "real_servers": [{"real_server": "192.168.0.72:15011"}, {"real_server": "192.168.0.73:15011", "weight": 2}],
}
DNS = {"udp_service": f"{VIP}:53", "scheduler": "wrr", "real_servers": [{"real_server": "192.168.0.71:53"}]}
SYSCTLS = {"net.ipv4.vs.expire_nodest_conn": 1}

_SYSTEMCTL = """case "$*" in
show*) echo "ActiveState=$(cat {0}/active)"; echo "UnitFileState=$(cat {0}/enabled)";;
"--quiet enable"*) echo enabled > {0}/enabled;;
"--quiet disable"*) echo disabled > {0}/enabled;;
start*|restart*) [ ! -e {0}/unit-fails ] || exit 1; echo active > {0}/active;;
stop*) echo inactive > {0}/active;;
esac"""
_IP = """case "$*" in
"-j "*) cat {0}/links;;
"address delete "*) cp {0}/links.free {0}/links;;
"-o "*) grep -o '"{1}"' {0}/links;;
esac
exit 0"""
_PYTHON = """case "$*" in
*--check*) [ ! -e {0}/rejected ] || {{ echo "ipvs loader: bad" >&2; exit 2; }};;
*hold*) cp {0}/links.held {0}/links; [ ! -e {0}/hold-fails ] || {{ echo "another host answers" >&2; exit 1; }};;
esac"""


def links(*pairs: str) -> str:
    shown: dict[str, list[dict[str, Any]]] = {}
    for pair in pairs:
        name, address, prefix = pair.replace("/", " ").split()
        shown.setdefault(name, []).append({"local": address, "prefixlen": int(prefix)})
    return json.dumps([{"ifname": name, "addr_info": info} for name, info in shown.items()])


class Director:
    """Call it for the answer of director_apply; `look` is that of director_look."""

    def __init__(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host, self.kernel = host, FakeKernel()
        self._place(monkeypatch)
        for name, text in (("systemctl", _SYSTEMCTL), ("ip", _IP), ("director-python", _PYTHON)):
            host.program(name, text.format(host.root, VIP))
        host.program("nft")
        # The settings come with the module.
        sysctl = self.sysctl()
        host.program(
            "modprobe",
            (
                f"echo ip_vs >> {host.root}/proc/modules; echo ip_vs_wrr >> {host.root}/proc/modules\n"
                f"mkdir -p {os.path.dirname(sysctl)}; echo 0 > {sysctl}"
            ),
        )
        self.write("proc/modules", "")
        self.write("links.free", links("eth0 192.168.0.61/24"))
        self.write("links.held", links("eth0 192.168.0.61/24", f"eth0 {VIP}/32"))
        self.write("links", links("eth0 192.168.0.61/24"))
        self.write("active", "inactive\n")
        self.write("enabled", "disabled\n")
        self.answering: list[str] = []
        monkeypatch.setattr(arp, "probe", lambda _interface, _address: self.answering)
        monkeypatch.setattr(operations, "connect", self.connect)

    def _place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All paths below the host's directory."""

        def move(value: Any) -> Any:
            return self.host.path(value.lstrip("/")) if value.startswith("/") else value

        for name, value in vars(layout).copy().items():
            if name.isupper():
                monkeypatch.setattr(layout, name, tuple(map(move, value)) if isinstance(value, tuple) else move(value))
        monkeypatch.setattr(footprint, "ROOT", layout.STATE)
        monkeypatch.setattr(kernel, "PROC", self.host.path("proc"))
        monkeypatch.setattr(kernel, "MODULES", self.host.path("lib/modules"))
        monkeypatch.setattr(paths, "_ids", lambda _wanted: (os.getuid(), os.getgid()))
        for folder in (
            "etc/systemd/system",
            "etc/modules-load.d",
            "etc/sysctl.d",
            "etc/default",
            "usr/local/lib",
            "var/lib",
            "proc",
        ):
            os.makedirs(self.host.path(folder))

    def sysctl(self) -> str:
        return self.host.path("proc/sys/net/ipv4/vs/expire_nodest_conn")

    def connect(self, load: bool = True) -> Client:
        del load
        return Client.open(load=False, channel=Channel(1.0, self.kernel.open))  # type: ignore[arg-type]

    def write(self, name: str, text: str) -> None:
        path = self.host.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, name: str) -> str:
        return (self.host.root / name.lstrip("/")).read_text()

    def params(self, **changes: Any) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in work.spec().items()}
        own = {"vip": VIP, "services": [PILOT, DNS], "sysctls": SYSCTLS, "host": "lvs1", "python": "director-python"}
        return {**defaults, **own, **changes}

    def look(self, **changes: Any) -> dict[str, Any]:
        return work.look_at(self.params(**changes))

    def __call__(self, check: bool = False, **changes: Any) -> dict[str, Any]:
        return work.apply(self.params(**changes), check)

    def table(self) -> list[str]:
        with self.connect() as client:
            return model.lines(client.read())

    def files(self) -> dict[str, str]:
        """Everything that could be changed, but what the programs of this host noted."""
        found = {}
        for top in ("etc", "usr", "var", "links", "enabled", "active"):
            for path in [self.host.root / top, *sorted((self.host.root / top).rglob("*"))]:
                content = path.read_text() if path.is_file() else "directory"
                found[str(path.relative_to(self.host.root))] = f"{path.stat().st_mode & 0o777:o} {content}"
        return found
