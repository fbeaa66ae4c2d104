# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A director that has keepalived at hand: systemd with two units, packages, and a keepalived that takes the address."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import arp
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import ask, watch
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import daemon

from tests.unit.plugins.fake_director import VIP, Director
from tests.unit.plugins.fake_host import Host

DIRECTORS = [{"name": "lvs1", "address": "192.168.0.61"}, {"name": "lvs2", "address": "192.168.0.63"}]
PEER_MAC = "02:00:00:00:00:63"

_SYSTEMCTL = """units={0}/units
case "$*" in
show*) shift 4; for unit in "$@"; do
  echo "Id=$unit"; echo "ActiveState=$(cat $units/$unit.active 2>/dev/null || echo inactive)"
  echo "UnitFileState=$(cat $units/$unit.enabled 2>/dev/null)"; echo; done;;
"--quiet enable"*) echo enabled > $units/$4.enabled;;
"--quiet disable"*) rm $units/$4.enabled;;
kill*STOP*) ;;
kill*) rm $units/$4.active;;
reset-failed*) ;;
start*|restart*|reload*) [ ! -e {0}/$3-fails ] || exit 1; echo active > $units/$3.active
  [ $3 != keepalived.service ] || cp {0}/links.keepalived {0}/links;;
stop*) [ -e $units/$3.active ] || exit 0; rm $units/$3.active
  [ $3 != keepalived.service ] || cp {0}/links.free {0}/links;;
esac"""
_DPKG = """echo "installed libc6 1"; echo "installed ipvsadm 1"
[ ! -e {0}/keepalived-is-there ] || echo "installed keepalived 2.2.7"
"""
_APT = """case "$*" in
*--dry-run*purge*) echo "Purg keepalived [2.2.7]"; echo "Remv libnl-3 [1]"; echo "Remv libc6 [1]";;
*install*) touch {0}/keepalived-is-there; mkdir -p {0}/etc/keepalived
  echo enabled > {0}/units/keepalived.service.enabled;;
*purge*) rm -f {0}/keepalived-is-there {0}/units/keepalived.service.*; rmdir {0}/etc/keepalived;;
esac"""


class Pair(Director):
    """One of two; by default keepalived gives the address to this one."""

    def __init__(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(host, monkeypatch)
        os.makedirs(host.path("units"))
        for name, text in (("systemctl", _SYSTEMCTL), ("dpkg-query", _DPKG), ("apt-get", _APT)):
            host.program(name, text.replace("{0}", str(host.root)))
        host.program("keepalived", f"[ ! -e {host.root}/keepalived-rejects ] || {{ echo 'unknown keyword'; exit 1; }}")
        self.holds(True)
        self.others: dict[str, list[str]] = {}
        # Nodes that answer nothing, and those that a single question was asked of.
        self.down: list[str] = []
        self.asked: list[tuple[ask.Question, str]] = []
        monkeypatch.setattr(arp, "probe", self.answers)
        monkeypatch.setattr(watch, "failing", self.unanswered)
        monkeypatch.setattr(daemon, "PATIENCE", 0.3)

    def holds(self, here: bool) -> None:
        """Whether keepalived takes the address when it starts here."""
        self.write("links.keepalived", self.read("links.held" if here else "links.free"))

    def answers(self, _interface: str, address: str, *_more: Any) -> list[str]:
        return self.others.get(address, [])

    def unanswered(self, questions: list[ask.Question], asking: ask.Asking, namespace: str = "") -> list[ask.Question]:
        self.asked += [(question, namespace) for question in questions]

        def node(question: ask.Question) -> str:
            return question.address if question.way is None else asking.through[question.way]

        return [question for question in questions if node(question) in self.down]

    def another_holds(self) -> None:
        self.others = {VIP: [PEER_MAC], DIRECTORS[1]["address"]: [PEER_MAC]}
        self.holds(False)

    def params(self, **changes: Any) -> dict[str, Any]:
        return super().params(**{"directors": DIRECTORS, "ha": "keepalived", **changes})

    def installs(self) -> None:
        """Somebody has the package already, and it runs with a configuration of theirs."""
        self.write("keepalived-is-there", "")
        self.write("etc/keepalived/keepalived.conf", "vrrp_instance OTHER {\n}\n")
        self.write("units/keepalived.service.active", "active\n")
        self.write("units/keepalived.service.enabled", "enabled\n")

    def conf(self) -> str:
        return self.read("etc/keepalived/keepalived.conf")

    def units(self) -> set[str]:
        return {path.name for path in (self.host.root / "units").iterdir()}
