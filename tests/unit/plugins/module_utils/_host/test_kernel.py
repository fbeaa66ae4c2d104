# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import kernel
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError

from tests.unit.plugins.fake_host import Host

LOADED = "ip_vs_wrr 16384 8 - Live 0x0000\nip_vs 212992 10 ip_vs_wrr, Live 0x0000\n"
BUILTIN = "kernel/net/netfilter/ipvs/ip_vs_rr.ko\nkernel/net/netfilter/xt-x.ko\n"


@pytest.mark.parametrize(("name", "there"), [("ip_vs", True), ("ip_vs_rr", True), ("xt_x", True), ("ip_vs_w", False)])
def test_loaded_or_built_in(name: str, there: bool) -> None:
    assert kernel.is_there(name, LOADED, BUILTIN) is there


@pytest.fixture
def proc(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    for folder in ("proc/sys/net/ipv4/vs", "proc/sys/net/ipv4/conf/eth0.5", f"modules/{os.uname().release}"):
        os.makedirs(host.path(folder))
    for path, text in (
        ("modules", LOADED),
        ("sys/net/ipv4/vs/a", "0\n"),
        ("sys/net/ipv4/conf/eth0.5/rp_filter", "1\n"),
    ):
        with open(host.path(f"proc/{path}"), "w", encoding="ascii") as file:
            file.write(text)
    monkeypatch.setattr(kernel, "PROC", host.path("proc"))
    monkeypatch.setattr(kernel, "MODULES", host.path("modules"))
    return host


def test_what_is_missing_is_loaded(proc: Host) -> None:
    assert kernel.missing(["ip_vs", "ip_vs_rr"]) == ["ip_vs_rr"]
    proc.program("modprobe")
    kernel.Load(("ip_vs_rr",)).run()
    assert proc.calls() == ["modprobe -a ip_vs_rr"]


def test_settings_by_either_form_of_their_names(proc: Host) -> None:
    wanted = ["net.ipv4.vs.a", "net/ipv4/conf/eth0.5/rp_filter", "net.ipv4.vs.none"]
    assert kernel.settings(wanted) == {"net.ipv4.vs.a": "0", "net/ipv4/conf/eth0.5/rp_filter": "1"}


def test_a_setting_is_made_and_taken_back(proc: Host) -> None:
    step = kernel.Setting("net.ipv4.vs.a", "1")
    undo = step.undo()
    step.run()
    assert kernel.settings(["net.ipv4.vs.a"]) == {"net.ipv4.vs.a": "1"}
    undo()
    assert kernel.settings(["net.ipv4.vs.a"]) == {"net.ipv4.vs.a": "0"}


def test_a_setting_that_the_kernel_lacks(proc: Host) -> None:
    step = kernel.Setting("net.ipv4.none.b", "1")
    step.undo()()
    with pytest.raises(HostError, match="this kernel has no such setting"):
        step.run()
