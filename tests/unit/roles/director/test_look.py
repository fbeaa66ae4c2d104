# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import json
import pathlib

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.vip import vip_interface

FILES = pathlib.Path(__file__).resolve().parents[4] / "roles/director/files"


def load(name):
    spec = importlib.util.spec_from_file_location(f"director_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


look = load("look")
install = load("install")


class TestLook:
    @pytest.fixture
    def request_(self, tmp_path, monkeypatch):
        links = [{"ifname": "eth0", "addr_info": [{}, {"family": "inet", "local": "192.168.0.62", "prefixlen": 32}]}, {}]
        chain = {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "drop"}
        answers = {"ip": json.dumps(links), "nft": json.dumps({"nftables": [{"metainfo": {}}, {"chain": chain}]})}
        monkeypatch.setattr(look, "_output", lambda program, *arguments: answers[program])
        names = ("before", "saved", "drained", "keepalived", "ipvsadm")
        return {"vip": "192.168.0.62", "sysctls": ["kernel.ostype", "kernel.no_such"], **{name: str(tmp_path / name) for name in names}}

    def test_a_virgin_host(self, request_):
        assert look.look(request_) == {
            "facts": {
                "interfaces": ["eth0"],
                "eth0": {"ipv4_secondaries": [{"address": "192.168.0.62", "prefix": "32"}], "ipv6": []},
            },
            "addresses": {"192.168.0.62": ["eth0/32"]},
            "places": ["eth0/32"],
            "former": [],
            "before": {},
            "drained": {},
            "saved": {},
            "keepalived": [],
            "ipvsadm": False,
            "ipvsadm_file": False,
            "sysctls": {"kernel.ostype": "Linux"},
            "dropping": ["ip filter INPUT"],
        }

    def test_what_the_role_wrote(self, request_, tmp_path):
        (tmp_path / "before").write_text('{"ipvsadm": true}')
        (tmp_path / "drained").write_text('{"192.168.0.72": {}}')
        (tmp_path / "saved").write_text('{"vips": []}')
        seen = look.look(request_)
        assert (seen["before"], seen["drained"], seen["saved"]) == ({"ipvsadm": True}, {"192.168.0.72": {}}, {"vips": []})

    def test_the_file_of_ipvsadm(self, request_, tmp_path):
        (tmp_path / "ipvsadm").write_text('AUTO="true"')
        seen = look.look(request_)
        assert (seen["ipvsadm"], seen["ipvsadm_file"]) == (True, True)

    def test_a_broken_memory_is_not_taken_for_an_empty_one(self, request_, tmp_path):
        (tmp_path / "before").write_text("{")
        with pytest.raises(SystemExit, match="before is not JSON"):
            look.look(request_)

    def test_a_former_address(self, request_, tmp_path):
        (tmp_path / "saved").write_text('{"vips": ["192.168.0.62", "192.168.0.99"]}')
        assert look.look({**request_, "vip": "192.168.0.63"})["former"] == [{"address": "192.168.0.62/32", "interface": "eth0"}]

    def test_keepalived(self, request_, tmp_path):
        folder = tmp_path / "keepalived/conf.d"
        folder.mkdir(parents=True)
        (folder / "a.conf").write_text("# 192.168.0.62\n! 192.168.0.62\nvirtual_server 192.168.0.6 53 {\n")
        assert look.look(request_)["keepalived"] == []
        (folder / "b.conf").write_text("virtual_ipaddress {\n  192.168.0.62/32 # the VIP\n}\n")
        assert look.look(request_)["keepalived"] == [str(folder / "b.conf")]


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
def test_ipvsadm_at_boot(text, expected):
    assert look.loads_at_boot(text) is expected


@pytest.mark.parametrize("policy", ["accept", None])
def test_a_firewall_that_accepts(policy):
    assert look.dropping(json.dumps({"nftables": [{"chain": {"hook": "input", "policy": policy}}]})) == []


class TestInstall:
    FILES = {"a/__init__.py": "", "a/b.py": "print()\n"}

    def run(self, path, *arguments):
        return install.main([str(path), *arguments], json.dumps(self.FILES))

    def test_install_and_again(self, tmp_path, capsys):
        self.run(tmp_path / "x")
        assert capsys.readouterr().out == "write a/__init__.py\nwrite a/b.py\n"
        assert (tmp_path / "x/a/b.py").read_text() == "print()\n"
        self.run(tmp_path / "x")
        assert capsys.readouterr().out == ""

    def test_check_writes_nothing(self, tmp_path, capsys):
        self.run(tmp_path / "x", "--check")
        assert capsys.readouterr().out == "write a/__init__.py\nwrite a/b.py\n"
        assert not (tmp_path / "x").exists()

    def test_what_is_not_listed_goes(self, tmp_path, capsys):
        self.run(tmp_path)
        (tmp_path / "a/old.py").write_text("")
        (tmp_path / "a/b.py").write_text("changed")
        capsys.readouterr()
        self.run(tmp_path)
        assert capsys.readouterr().out == "write a/b.py\nremove a/old.py\n"
        assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["__init__.py", "b.py"]


def test_only_host_addresses_are_former_ones():
    assert look.former({"192.168.0.62": ["eth0/24"], "fd00::62": ["eth1/128"]}) == [{"address": "fd00::62/128", "interface": "eth1"}]


def test_the_facts_lead_to_the_interface_of_the_address():
    def link(name, family, address, prefix):
        return {"ifname": name, "addr_info": [{"family": family, "local": address, "prefixlen": prefix}]}

    links = [link("lo", "inet", "127.0.0.1", 8), link("br-lan", "inet", "192.168.0.61", 24), link("eth1", "inet6", "fd00::61", 64)]
    assert vip_interface(look.facts(links), "192.168.0.62") == "br-lan"
    assert vip_interface(look.facts(links), "fd00::62") == "eth1"
