# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import (
    Settings,
    SettingsError,
    argument_spec,
)

GOOD: dict[str, t.Any] = {
    **{name: option.get("default") for name, option in argument_spec().items()},
    "generation": "citadel",
    "vip": "192.0.2.62",
    "service_cidr": "10.233.0.0/16",
    "address": "192.0.2.81",
    "services": [{"name": "web", "port": 9080}],
}


def test_the_files_are_the_procedure_s() -> None:
    settings = Settings.from_options(GOOD)
    assert settings.cluster_text() == (
        "ISTIO_SERVICE_CIDR=10.233.0.0/16\nISTIO_SYSTEM_NAMESPACE=istio-system\nISTIO_CP_AUTH=MUTUAL_TLS\n"
    )
    # One that the package brings, and a key that stands in the other file as well.
    text = settings.sidecar_text("# the package's\nISTIO_CP_AUTH=NONE\n# ISTIO_INBOUND_PORTS=\n", "192.0.2.81")
    assert text.splitlines() == [
        "# the package's",
        "# ISTIO_INBOUND_PORTS=",
        "ISTIO_INBOUND_PORTS=9080",
        "ISTIO_LOCAL_EXCLUDE_PORTS=22",
        "ISTIO_SVC_IP=192.0.2.81",
        "ISTIO_NAMESPACE=default",
        "ENABLE_INBOUND_IPV6=true",
    ]


def test_an_istiod_needs_no_service_network() -> None:
    assert Settings.from_options({**GOOD, "service_cidr": None, "generation": "istiod"}).service_cidr == ""
    with pytest.raises(SettingsError, match=r"^istio_sidecar_service_cidr is '': .*Set it \(mesh_service_cidr\)"):
        Settings.from_options({**GOOD, "service_cidr": None})


def test_more_settings_win_and_null_takes_out() -> None:
    extra = {"ISTIO_NAMESPACE": "shop", "ENABLE_INBOUND_IPV6": None}
    settings = Settings.from_options({**GOOD, "extra_env": extra})
    lines = settings.sidecar_text("ENABLE_INBOUND_IPV6=x\n", "192.0.2.81").splitlines()
    assert "ISTIO_NAMESPACE=shop" in lines
    assert not any("IPV6" in line for line in lines)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("vip", "nonsense", "it is not an IP address. Set it \\(mesh_vip\\)"),
        ("service_cidr", "10.0.0.1/8", "has host bits set.* Set it \\(mesh_service_cidr\\)"),
        ("control_plane_auth", "TLS", "Set it \\(mesh_control_plane_auth\\) to one of MUTUAL_TLS, NONE"),
        ("services", [{"name": "web", "port": 22}], "port 22 is a management port.*mesh_vm_services"),
        ("address", "127.0.1.1", "cannot be reached by pods.*mesh_vm_address"),
        ("extra_env", {"A B": 1}, "'A B' is not a name.*Put that key and value right"),
    ],
)
def test_what_is_wrong_is_named_with_its_value_and_the_way_out(option: str, value: t.Any, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        Settings.from_options({**GOOD, option: value})
    assert str(caught.value).startswith(f"istio_sidecar_{option} is {value!r}: ")


def test_all_numbers_and_names_that_cannot_be_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_options({**GOOD, "timeout": 0, "management_ports": [22, 0], "namespace": "Shop"})
    for words in ("namespace is 'Shop'; it must", "management_ports is 0; it must", "timeout is 0; it must"):
        assert f"istio_sidecar_{words}" in str(caught.value)
