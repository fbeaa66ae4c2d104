# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import os
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout, look
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings

from tests.unit.plugins.fake_host import GROUP, USER, Host

VIP = "192.0.2.62"
ROUTE = f"{VIP} via 192.0.2.1 dev eth0 src 192.0.2.81 uid 0 \\    cache"
SHOWN = """Id=istio-auth-node-agent.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
InactiveExitTimestamp=Fri 2026-11-27 17:19:57.123456 UTC

Id=istio.service
LoadState=loaded
ActiveState=active
UnitFileState=disabled
InactiveExitTimestamp=Fri 2026-11-27 17:20:00.500000 UTC
"""
STARTED = 1795800000.5


def test_the_whole_look(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.program("ip", f"echo '{ROUTE}'")
    host.program("dpkg-query", "printf 'installed bash 5\\ninstalled istio-sidecar 1.0.5\\nconfig-files gone 1\\n'")
    host.program("systemctl", f"cat <<END\n{SHOWN}\nEND")
    os.makedirs(layout.ENV_DIR)
    Path(layout.SIDECAR_ENV).write_text("A=1\n")
    os.utime(layout.SIDECAR_ENV, (STARTED + 1, STARTED + 1))
    os.makedirs(os.path.dirname(layout.SHARED_MEMORY))
    Path(layout.SHARED_MEMORY).write_text("memory")
    monkeypatch.setattr(look, "envoy_state", lambda: "LIVE")
    monkeypatch.setattr(look, "runs", lambda name: name == "envoy")
    seen = look.look(Settings(vip=VIP, service_cidr="10.96.0.0/12"))
    assert (seen.version, seen.account, seen.address) == ("1.0.5", True, "192.0.2.81")
    assert (seen.envoy, seen.envoy_runs) == ("LIVE", True)
    assert seen.at(layout.CLUSTER_ENV).kind == "absent"
    assert (seen.at(layout.SIDECAR_ENV).content, seen.at(layout.SIDECAR_ENV).owner) == (b"A=1\n", USER)
    assert (seen.at(layout.SHARED_MEMORY).content, seen.at(layout.SHARED_MEMORY).group) == (None, GROUP)
    assert (seen.unit(layout.AGENT_UNIT).enabled, seen.unit(layout.SIDECAR_UNIT).enabled) == (True, False)
    assert seen.newer == (layout.SIDECAR_ENV,)


def test_an_address_that_is_given_needs_no_route(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.program("dpkg-query")
    host.program("systemctl", f"cat <<END\n{SHOWN}\nEND")
    monkeypatch.setattr(look, "envoy_state", lambda: "silent")
    settings = Settings(vip=VIP, service_cidr="10.96.0.0/12", address="192.0.2.99")
    assert look.look(settings).address == "192.0.2.99"
    assert not any(call.startswith("ip ") for call in host.calls())


def test_a_host_without_a_route_says_what_to_set(host: Host) -> None:
    host.program("ip", "echo 'RTNETLINK answers: Network is unreachable' >&2; exit 2")
    host.program("dpkg-query")
    host.program("systemctl", f"cat <<END\n{SHOWN}\nEND")
    with pytest.raises(HostError, match=f"no route to the virtual IP {VIP} .*unreachable.* in istio_sidecar_address"):
        look.look(Settings(vip=VIP, service_cidr="10.96.0.0/12"))


def test_what_belongs_to_others_except_the_settings(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = layout.AGENT_AND_PROXY.settings
    os.makedirs(f"{layout.HOME}/proxy")
    os.makedirs(layout.ENV_DIR)
    for path in (layout.SIDECAR_ENV, f"{layout.HOME}/proxy/x"):
        Path(path).write_text("content that nobody reads")
    os.symlink("/nowhere", f"{layout.HOME}/proxy/link")
    assert look.foreign_paths(layout.HOME, USER, settings) == {}

    monkeypatch.setattr(look.accounts, "uid_of", lambda _name: os.getuid() + 1)
    found = look.foreign_paths(layout.HOME, "another", settings)
    below = ["", "/envoy", "/proxy", "/proxy/link", "/proxy/x"]
    assert sorted(found) == [f"{layout.HOME}{name}" for name in below]
    assert found[f"{layout.HOME}/proxy/x"].content is None


def test_settings_that_came_after_the_start(host: Host) -> None:
    settings = layout.AGENT_AND_PROXY.settings
    os.makedirs(layout.ENV_DIR)
    os.makedirs(os.path.dirname(layout.PACKAGE_LIST))
    more = f"{layout.ENV_DIR}/extra.env"
    places = {
        layout.CLUSTER_ENV: 0,
        layout.SIDECAR_ENV: -1,
        more: 1,
        layout.PACKAGE_LIST: 2,
        f"{layout.ENV_DIR}/x.json": 3,
    }
    for path, later in places.items():
        Path(path).write_text("")
        os.utime(path, (STARTED + later, STARTED + later))
    assert look.newer_settings(STARTED, settings) == (more, layout.PACKAGE_LIST)
    # What does not run is started with them anyway.
    assert look.newer_settings(0.0, settings) == ()


def test_processes_by_name() -> None:
    own = Path("/proc/self/comm").read_text().strip()
    assert look.runs(own)
    assert not look.runs("no-process-of-that-name")


def served(text: str) -> t.Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/server_info" else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *dummy: t.Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("envoy d0b93c/1.8.0/Clean/RELEASE live 12 12 0", "LIVE"),
        ('{"state": "PRE_INITIALIZING"}', "PRE_INITIALIZING"),
        ("<html>", "not there (server_info begins with '<html>': is another program listening there?)"),
    ],
)
def test_what_envoy_says(text: str, state: str) -> None:
    for base in served(text):
        assert look.envoy_state(base) == state


def test_an_envoy_that_says_nothing_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:2")
    assert "silent (http://127.0.0.1:1: " in look.envoy_state("http://127.0.0.1:1")
    assert "refused" in look.envoy_state("http://127.0.0.1:1")
