# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import bootstrap

SERVICES = [{"name": "web", "port": 9080}, {"name": "api", "port": "8443"}, {"name": "web2", "port": 9080}]


def sourced(text: str, *keys: str) -> list[str]:
    """What a shell that sources the text has in the variables."""
    show = "; ".join(f'printf "%s\\n" "${key}"' for key in keys)
    return subprocess.run(
        ["sh", "-c", f"{text}\n{show}"], capture_output=True, text=True, check=True, timeout=10
    ).stdout.splitlines()


def test_inbound_ports_are_sorted_and_unique() -> None:
    assert bootstrap.inbound_ports(SERVICES) == "8443,9080"
    assert bootstrap.inbound_ports([{"name": "deb-nginx01", "port": 9080, "protocol": "http"}]) == "9080"
    assert bootstrap.inbound_ports([]) == ""


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({"name": "web", "port": 22}, "port 22 is a management port"),
        ({"name": "web", "port": "http"}, "port is 'http', not a number"),
        ({"name": "web"}, "port is None"),
        ({"name": "web", "port": 70000}, "port 70000 is not between"),
    ],
)
def test_inbound_ports_refuses(service: dict[str, object], words: str) -> None:
    with pytest.raises(bootstrap.BootstrapError, match=f"VM service web: {words}"):
        bootstrap.inbound_ports([service])


def test_cluster_env_is_the_procedures() -> None:
    text = bootstrap.edit_env("", bootstrap.cluster_env("10.233.0.0/16"))
    assert text == "ISTIO_SERVICE_CIDR=10.233.0.0/16\nISTIO_SYSTEM_NAMESPACE=istio-system\nISTIO_CP_AUTH=MUTUAL_TLS\n"


@pytest.mark.parametrize(
    ("cidr", "auth"), [("10.233.0.1/16", "MUTUAL_TLS"), ("nonsense", "MUTUAL_TLS"), ("10.233.0.0/16", "TLS")]
)
def test_cluster_env_refuses(cidr: str, auth: str) -> None:
    with pytest.raises(bootstrap.BootstrapError):
        bootstrap.cluster_env(cidr, "istio-system", auth)


def test_sidecar_env() -> None:
    settings = bootstrap.sidecar_env(SERVICES, "192.168.0.81", "shop", [22, 2222])
    assert settings["ISTIO_INBOUND_PORTS"] == "8443,9080"
    assert settings["ISTIO_LOCAL_EXCLUDE_PORTS"] == "22,2222"
    assert settings["ISTIO_SVC_IP"] == "192.168.0.81"
    assert settings["ISTIO_NAMESPACE"] == "shop"


@pytest.mark.parametrize("address", ["127.0.1.1", "fe80::1", "0.0.0.0", "deb-nginx01", "224.0.0.1"])
def test_sidecar_env_refuses_an_address_that_pods_cannot_reach(address: str) -> None:
    with pytest.raises(bootstrap.BootstrapError, match="the VM's address"):
        bootstrap.sidecar_env(SERVICES, address)


def test_edit_env_keeps_other_lines() -> None:
    text = "# a comment\n# ISTIO_INBOUND_PORTS=80\nISTIO_CUSTOM=1\n\nISTIO_INBOUND_PORTS=80\nLAST=x\n"
    edited = bootstrap.edit_env(text, {"ISTIO_INBOUND_PORTS": "9080", "NEW": "y"})
    assert (
        edited == "# a comment\n# ISTIO_INBOUND_PORTS=80\nISTIO_CUSTOM=1\n\nISTIO_INBOUND_PORTS=9080\nLAST=x\nNEW=y\n"
    )
    assert bootstrap.edit_env(edited, {"ISTIO_INBOUND_PORTS": "9080", "NEW": "y"}) == edited


def test_edit_env_leaves_one_line_of_a_key_and_takes_out_others() -> None:
    assert bootstrap.edit_env("A=1\nexport A=2\nB=3\nC=4\n", {"A": "9", "C": None}, ["B"]) == "A=9\n"
    assert bootstrap.edit_env("B=3\n", {}, ["B"]) == ""


@pytest.mark.parametrize("value", ["plain", "two words", "it's", "$HOME `id`", '"', "*", "a\\b"])
def test_edit_env_quotes_for_the_shell(value: str) -> None:
    assert sourced(bootstrap.edit_env("", {"A": value}), "A") == [value]


def test_edit_env_refuses_names_and_line_breaks() -> None:
    with pytest.raises(bootstrap.BootstrapError, match="'A B' is not a name"):
        bootstrap.edit_env("", {"A B": "1"})
    with pytest.raises(bootstrap.BootstrapError, match="value of A has a line break"):
        bootstrap.edit_env("", {"A": "1\n2"})
