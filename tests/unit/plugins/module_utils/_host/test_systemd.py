# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mesh.expansion.plugins.module_utils._host import packages, systemd

SHOWN = """Id=dnsmasq.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
InactiveExitTimestamp=Fri 2026-11-27 17:19:57.250000 UTC

Id=istio.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
InactiveExitTimestamp=
"""


def test_units_by_the_names_they_were_asked_for() -> None:
    found = systemd.parse(SHOWN, ["dnsmasq", "istio.service"])
    assert found["dnsmasq"] == systemd.UnitState(True, True, True, "active", "enabled", 1795799997.25)
    assert found["istio.service"] == systemd.UnitState(False, False, False, "inactive", "", 0.0)


def test_a_stopped_unit_has_no_start() -> None:
    text = SHOWN.replace("ActiveState=active", "ActiveState=failed")
    assert systemd.parse(text, ["dnsmasq"])["dnsmasq"].since == 0.0


def test_packages_that_are_installed() -> None:
    text = (
        "installed bash 5.2.15-2+b7\nconfig-files dnsmasq 2.90-4\nnot-installed x \ninstalled "
        "istio-sidecar 1.0.5+standin1\n"
    )
    assert packages.parse(text) == {"bash": "5.2.15-2+b7", "istio-sidecar": "1.0.5+standin1"}


def test_packages_of_which_something_is_there() -> None:
    text = "installed bash 5.2.15-2+b7\nconfig-files dnsmasq 2.90-4\nnot-installed x \n"
    assert packages.parse_states(text) == {"bash": "installed", "dnsmasq": "config-files"}


def test_what_a_purge_takes_along() -> None:
    text = "Reading package lists...\nPurg dnsmasq [2.90-4]\nRemv libnetfilter [1.0] \nInst x\n\n0 upgraded\n"
    assert packages.parse_removal(text) == ["dnsmasq", "libnetfilter"]
    assert packages.gone_with([]) == []
