# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that was never joined, and what is wanted of it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState
from ansible_collections.mesh.expansion.plugins.module_utils._host.systemd import UnitState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import files, settings
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns.look import Seen

ORIGINAL_RESOLV_CONF = "search example.com\nnameserver 192.0.2.53\n"
ORIGINAL_HOSTS = "127.0.0.1 localhost\n127.0.1.1 web.example.com web\n"
RUNNING = UnitState(loaded=True, active=True, enabled=True, state="active", file_state="enabled", since=1000.0)
INSTALLED = UnitState(loaded=True, enabled=True, state="inactive", file_state="enabled")


@pytest.fixture
def options() -> dict[str, t.Any]:
    """As a user writes them, after the module's argument spec."""
    given = {name: option.get("default") for name, option in settings.OPTIONS.items()}
    probe = {"name": "istio-pilot", "type": "A", "protocol": "udp", "expect": ["192.0.2.62"], "empty": False}
    return {
        **given,
        "vip": "192.0.2.62",
        "service_cidr": "10.96.0.0/12",
        "services": exposure.exposed_services("secure"),
        "probe_names": [probe, {**probe, "type": "AAAA", "expect": None, "empty": True}],
    }


@pytest.fixture
def wanted(options: dict[str, t.Any]) -> settings.Settings:
    return settings.parse(options)


@pytest.fixture
def fresh() -> Seen:
    """As packages leave it: dnsmasq is enabled and was not started."""
    there: dict[str, PathState] = dict.fromkeys((*files.FILES, *files.DIRECTORIES), paths.NOTHING)
    there[files.CONF_DIR] = paths.directory()
    there[files.RESOLV_CONF] = paths.text_file(ORIGINAL_RESOLV_CONF)
    there[files.HOSTS] = paths.text_file(ORIGINAL_HOSTS)
    return Seen(
        paths=there,
        texts={files.RESOLV_CONF: ORIGINAL_RESOLV_CONF, **dict.fromkeys(files.BEHIND_STUBS, "")},
        packages=dict.fromkeys(["bash", "dnsmasq", "dnsmasq-base", "bind9-host"], "installed"),
        units={
            files.UNIT: INSTALLED,
            "NetworkManager.service": UnitState(),
            "systemd-resolved.service": RUNNING,
        },
        owners=["systemd-resolved", "dhclient"],
        account=True,
        address="192.0.2.81",
        hostname="web",
    )
