# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import program, texts
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director.model import Seen, Wanted

ROOT = Path(__file__).resolve().parents[6]
WANTED = Wanted(
    ipaddress.ip_address("192.168.0.62"),
    services=[{"scheduler": "wrr"}, {}, {"scheduler": "wrr"}],
    sysctls={"net.ipv4.vs.expire_nodest_conn": "1", "net.ipv4.vs.other": "2"},
)
UNIT = """\
# Ansible managed
[Unit]
Description=IPVS table and virtual address 192.168.0.62 of the mesh
Wants=network-online.target
After=network-online.target systemd-modules-load.service systemd-sysctl.service
Before=keepalived.service
# These drop addresses that they do not know when they restart.
PartOf=systemd-networkd.service networking.service

[Service]
Type=oneshot
RemainAfterExit=yes
Environment=PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/usr/local/lib/mesh-expansion
ExecStart=/sbin/modprobe -a ip_vs ip_vs_wlc ip_vs_wrr
ExecStart=/usr/bin/python3 -m mesh_ipvs._ipvs.loader --restore /etc/mesh-expansion/ipvs.json
# After the table: an address without a table answers with resets.
ExecStart=/usr/bin/python3 /usr/local/lib/mesh-expansion/mesh_ipvs/vip.py hold 192.168.0.62 eth0
TimeoutStartSec=120
# There is no ExecStop: stopping the unit flushes nothing and keeps the address.

[Install]
WantedBy=multi-user.target
"""


def test_the_unit() -> None:
    assert texts.unit(WANTED, "eth0") == UNIT


def test_the_modules_of_a_boot() -> None:
    assert texts.modules(WANTED).splitlines()[2:] == ["ip_vs", "ip_vs_wlc", "ip_vs_wrr"]


def test_the_settings_say_why() -> None:
    assert texts.sysctls(WANTED) == (
        "# Ansible managed\n"
        "# Without it packets to a real server that was removed are dropped silently until the connection times out.\n"
        "net.ipv4.vs.expire_nodest_conn = 1\n"
        "net.ipv4.vs.other = 2\n"
    )


def test_the_saved_table_is_what_the_user_said() -> None:
    services = [{"udp_service": "192.168.0.62:53", "scheduler": "wrr"}]
    text = texts.table(WANTED, services)
    assert text.startswith('{\n    "format": "mesh.expansion/ipvs-table",\n    "version": 1,\n    "vips": [\n')
    assert json.loads(text)["services"] == services
    again = texts.table_with(Seen(saved=json.loads(text)), [])
    assert list(json.loads(again)) == ["format", "version", "vips", "services"]


def test_keepalived_names_an_address_outside_of_comments() -> None:
    text = "# 192.168.0.62\n! 192.168.0.62\nvirtual_server 192.168.0.6 53 {\nx 192.168.0.62.1\n"
    assert not texts.names_address(text, "192.168.0.62")
    assert texts.names_address("virtual_ipaddress {\n  192.168.0.62/32 # the VIP\n}\n", "192.168.0.62")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ('AUTO="false"', False),
        ('AUTO="true"', True),
        ("AUTO=true\n", True),
        ("# AUTO=true\n", False),
        ("AUTO='true'\nAUTO=false\n", False),
    ],
)
def test_ipvsadm_at_boot(text: str, expected: bool) -> None:
    assert texts.loads_at_boot(text) is expected


def test_ipvsadm_s_last_word_is_changed() -> None:
    assert texts.with_boot("# x\nAUTO=false\n AUTO='true'\nDAEMON=none\n", False).splitlines() == [
        "# x",
        "AUTO=false",
        'AUTO="false"',
        "DAEMON=none",
    ]
    assert texts.with_boot("# x\n", True) == '# x\nAUTO="true"\n'


def test_the_whole_packages_are_installed() -> None:
    utils = ROOT / "plugins/module_utils"
    wanted = {
        str(path.relative_to(utils)): path.read_bytes()
        for name in ("_ipvs", "_netlink")
        for path in (utils / name).glob("*.py")
    }
    wanted["vip.py"] = (utils / "_host/vip.py").read_bytes()
    assert program.files() == wanted
