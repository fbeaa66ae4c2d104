# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.footprint import Footprint
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout, removal

from tests.unit.plugins.fake_host import Host

WAS = Footprint(role=layout.ROLE, packages=["bash"], accounts={layout.USER: False})
FOUND = removal.Present(
    installed=True,
    traces=True,
    account=True,
    units=["istio.service", "istio-auth-node-agent.service"],
    filters=["iptables"],
    programs=PathState(paths.DIRECTORY, "root", "staff", "2775"),
    paths=["/etc/certs/key.pem", "/etc/certs"],
)


def steps(found: removal.Present = FOUND, was: Footprint = WAS) -> list[str]:
    return [str(operation) for operation in removal.plan(found, was)]


def test_everything_goes_in_order() -> None:
    assert steps() == [
        "stop istio.service",
        "disable istio.service",
        "stop istio-auth-node-agent.service",
        "disable istio-auth-node-agent.service",
        "remove the chains of istio-sidecar (iptables)",
        "purge istio-sidecar",
        "purge what came with istio-sidecar",
        "make directory /usr/local/bin",
        "remove /etc/certs/key.pem",
        "remove /etc/certs",
        "run userdel istio-proxy",
        "have systemd read its units again",
    ]


@pytest.mark.parametrize(
    ("before", "now", "step"),
    [
        # dpkg has taken it already, in a removal that was cut.
        (paths.directory(), paths.NOTHING, ["make directory /usr/local/bin"]),
        (paths.directory(), FOUND.programs, ["make directory /usr/local/bin"]),
        (paths.NOTHING, FOUND.programs, ["remove /usr/local/bin"]),
        (paths.NOTHING, paths.NOTHING, []),
    ],
)
def test_the_folder_of_the_programs_is_as_before(before: PathState, now: PathState, step: list[str]) -> None:
    was = dataclasses.replace(WAS, paths={layout.PROGRAMS: before})
    assert [text for text in steps(dataclasses.replace(FOUND, programs=now), was) if "/usr/local" in text] == step


def test_what_was_there_before_stays() -> None:
    was = dataclasses.replace(WAS, packages=["bash", "istio-sidecar"], accounts={layout.USER: True})
    left = steps(dataclasses.replace(FOUND, paths=[], filters=[]), was)
    assert not [step for step in left if step.startswith(("purge istio-sidecar", "run userdel", "remove"))]


def test_a_removal_that_was_cut_is_completed() -> None:
    rest = dataclasses.replace(FOUND, installed=False, account=False, filters=[], programs=paths.NOTHING, paths=[])
    assert steps(rest) == [
        "purge istio-sidecar",
        "purge what came with istio-sidecar",
        "have systemd read its units again",
    ]
    assert "purge istio-sidecar" not in steps(dataclasses.replace(rest, traces=False))


@pytest.mark.parametrize(
    ("status", "installed", "left"), [("installed", True, True), ("config-files", False, True), ("", False, False)]
)
def test_what_is_there(host: Host, status: str, installed: bool, left: bool) -> None:
    host.program("dpkg-query", f"printf '{status}'")
    host.program("iptables-save")
    os.makedirs(layout.CERTS)
    os.makedirs(layout.HOME)
    os.symlink("nowhere", f"{host.root}/etc/istio")
    before = dict.fromkeys(layout.PATHS, paths.NOTHING)
    was = dataclasses.replace(WAS, paths={**before, layout.CERTS: paths.directory()})
    found = removal.look_at(was)
    assert (found.installed, found.traces, found.account, found.filters) == (installed, left, True, [])
    assert found.paths == [f"{host.root}/etc/istio", layout.HOME]


DRY_RUN = """Reading package lists...
Remv libip6tc2 [1.8.9-2] [iptables:amd64 ]
Remv iptables [1.8.9-2]
Purg bash [5.2]
Remv libip4tc2 [1.8.9-2]
"""


def test_what_came_along_goes_and_nothing_else(host: Host) -> None:
    assert removal.without(DRY_RUN, ["bash", "libip4tc2"]) == ["libip6tc2", "iptables"]
    Path(host.path("dry")).write_text(DRY_RUN)
    host.program("apt-get", f'test "$1" != --dry-run || cat {host.root}/dry')
    removal.PurgeUnneeded(["bash", "libip4tc2"]).run()
    removal.PurgeUnneeded(["bash", "libip4tc2", "libip6tc2", "iptables"]).run()
    removal.Purge().run()
    assert host.calls() == [
        "apt-get --dry-run autoremove",
        "apt-get --yes -o DPkg::Lock::Timeout=120 purge libip6tc2 iptables",
        "apt-get --dry-run autoremove",
        "apt-get --yes -o DPkg::Lock::Timeout=120 purge istio-sidecar",
    ]
