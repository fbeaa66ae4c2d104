# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that wrap the VM's bootstrap and resolver functions:
they load, pass on, and name themselves in errors."""

from __future__ import annotations

import importlib
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure

SERVICES = exposure.exposed_services("secure")
VIP = "192.0.2.62"


def filter_named(name: str) -> t.Callable[..., t.Any]:
    module = importlib.import_module(f"ansible_collections.mesh.expansion.plugins.filter.{name}")
    return module.FilterModule().filters()[name]


@pytest.mark.parametrize(
    ("name", "args", "result"),
    [
        ("inbound_ports", ([{"name": "web", "port": 9080}],), "9080"),
        (
            "cluster_env",
            ("10.96.0.0/12",),
            {
                "ISTIO_SERVICE_CIDR": "10.96.0.0/12",
                "ISTIO_SYSTEM_NAMESPACE": "istio-system",
                "ISTIO_CP_AUTH": "MUTUAL_TLS",
            },
        ),
    ],
)
def test_filter_passes_on(name: str, args: tuple[t.Any, ...], result: t.Any) -> None:
    assert filter_named(name)(*args) == result


def test_filters_over_the_service_list() -> None:
    assert len(filter_named("kubedns_lines")(SERVICES, VIP)) == 13


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("kubedns_lines", ([], VIP)),
        ("inbound_ports", ([{"name": "web", "port": 22}],)),
        ("cluster_env", ("nonsense",)),
    ],
)
def test_filter_names_itself_in_errors(name: str, args: tuple[t.Any, ...]) -> None:
    with pytest.raises(AnsibleFilterError, match=f"mesh.expansion.{name}: "):
        filter_named(name)(*args)
