# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import typing as t

import pytest
import yaml
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import hosts, proxy_config, texts
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.errors import BootstrapError

from tests.unit.plugins.istiod_objects import HOST, VIP, control_plane, group, options

OURS = f"{VIP} {HOST} # mesh.expansion: istiod\n"


def variables(spec: t.Any = None, wanted: t.Any = None, config: t.Any = None, **others: t.Any) -> dict[str, str]:
    plane, spec, wanted = control_plane(**others), spec or group(template={}), wanted or options()
    made = {**proxy_config.default_config(plane, spec, wanted), **(config or {})}
    return texts.cluster_env(plane, spec, made, wanted)


def test_variables_of_a_bare_group() -> None:
    found = variables()
    assert list(found) == sorted(found)
    assert {key: found[key] for key in found if not key.startswith(("ISTIO_META", "CANONICAL"))} == {
        "ISTIO_INBOUND_PORTS": "*",
        "ISTIO_LOCAL_EXCLUDE_PORTS": "22,15090,15021,15020",
        "ISTIO_NAMESPACE": "default",
        "ISTIO_SERVICE": "web.default",
        "ISTIO_SERVICE_CIDR": "*",
        "POD_NAMESPACE": "default",
        "SERVICE_ACCOUNT": "default",
        "TRUST_DOMAIN": "cluster.local",
    }


def test_ports_are_in_order_and_each_one_once() -> None:
    spec = group(template={"ports": {"a": 9080, "b": 8443, "c": 9080}})
    assert variables(spec)["ISTIO_INBOUND_PORTS"] == "8443,9080"


def test_a_management_port_is_refused() -> None:
    spec = group(template={"ports": {"ssh": 2222}})
    with pytest.raises(BootstrapError, match="WorkloadGroup default/web: .*port 2222 is a management port"):
        variables(spec, options(management_ports=[22, 2222]))


@pytest.mark.parametrize(
    ("status", "excluded"),
    [
        (0, "22,15090,15021,15020"),
        (15021, "22,15090,15021"),
        (15090, "22,15090,15021"),
        ("16000", "22,15090,15021,16000"),
    ],
)
def test_the_status_port_is_excluded(status: t.Any, excluded: str) -> None:
    assert variables(config={"statusPort": status})["ISTIO_LOCAL_EXCLUDE_PORTS"] == excluded


def test_a_status_port_that_is_none() -> None:
    with pytest.raises(BootstrapError, match="statusPort of the proxy's configuration is 'x', not a number"):
        variables(config={"statusPort": "x"})


def test_addresses() -> None:
    inside = variables(wanted=options(address="192.0.2.81"))
    assert inside["ISTIO_SVC_IP"] == "192.0.2.81"
    assert "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION" not in inside
    outside = variables(wanted=options(external_address="203.0.113.9"))
    assert outside["ISTIO_SVC_IP"] == "203.0.113.9"
    assert outside["REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION"] == "true"
    assert "ISTIO_SVC_IP" not in variables()


def test_the_authority_s_address_where_it_is_not_found_by_itself() -> None:
    assert "CA_ADDR" not in variables()
    assert variables(revision="1-31")["CA_ADDR"] == "istiod-1-31.istio-system.svc:15012"
    assert variables(namespace="mesh")["CA_ADDR"] == "istiod.mesh.svc:15012"


def test_extra_variables_win() -> None:
    found = variables(wanted=options(extra_env={"SECRET_TTL": "1h", "ISTIO_SERVICE_CIDR": "10.0.0.0/8", "N": 1}))
    assert (found["SECRET_TTL"], found["ISTIO_SERVICE_CIDR"], found["N"]) == ("1h", "10.0.0.0/8", "1")


def test_a_shell_reads_what_was_written() -> None:
    odd = {"A": 'it\'s $HOME `x` "y" \\', "B": "", "C": "*"}
    shown = "; ".join(f'printf "%s\\n" "${key}"' for key in odd)
    done = subprocess.run(
        ["sh", "-ec", texts.env_text(odd) + shown], capture_output=True, text=True, check=True, timeout=10
    )
    assert done.stdout.splitlines() == list(odd.values())


@pytest.mark.parametrize(("key", "value"), [("a.b", "x"), ("A", "x\ny")])
def test_variables_that_no_shell_takes(key: str, value: str) -> None:
    with pytest.raises(BootstrapError, match="cluster.env cannot be made: .*proxyMetadata"):
        texts.env_text({key: value})


def test_the_mesh_file_is_yaml_in_a_stable_order() -> None:
    config = {"meshId": "1e3", "tracing": {"zone": True, "name": "yes"}}
    text = texts.mesh_text(config)
    assert yaml.safe_load(text) == {"defaultConfig": config}
    assert text == "defaultConfig:\n  meshId: \"1e3\"\n  tracing:\n    name: 'yes'\n    zone: true\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", OURS),
        ("127.0.0.1 localhost\n", f"127.0.0.1 localhost\n{OURS}"),
        ("127.0.0.1 localhost", f"127.0.0.1 localhost\n{OURS}"),
        (f"a\n{OURS}b\n", f"a\n{OURS}b\n"),
        (f"a\n198.51.100.1 old.name # mesh.expansion: istiod\nb\n{OURS}", f"a\n{OURS}b\n"),
        (f"{VIP} x {HOST} # by hand\n", f"{VIP} x {HOST} # by hand\n"),
        (f"{VIP} {HOST}", f"{VIP} {HOST}"),
        (f"# 10.0.0.1 {HOST}\n", f"# 10.0.0.1 {HOST}\n{OURS}"),
    ],
)
def test_hosts_file(before: str, after: str) -> None:
    assert hosts.with_line(before, VIP, HOST, "/etc/hosts") == after
    assert hosts.with_line(after, VIP, HOST, "/etc/hosts") == after


def test_a_line_of_somebody_else_with_another_address_is_named() -> None:
    with pytest.raises(BootstrapError, match=f"/etc/hosts, line 2, says that {HOST} is 10.0.0.1, not {VIP}"):
        hosts.with_line(f"\n10.0.0.1 {HOST}\n", VIP, HOST, "/etc/hosts")


def test_hosts_file_without_ours_is_as_before() -> None:
    before = "127.0.0.1 localhost\n\n# end\n"
    assert hosts.without_line(hosts.with_line(before, "2001:db8::1", HOST, "x")) == before
