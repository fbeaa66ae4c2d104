# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import json
import pathlib
import subprocess
import sys
import threading
import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import admin
from ansible_collections.mesh.expansion.plugins.modules import envoy_info

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "envoy"
FILES = {
    "/config_dump": "v3_config_dump.json",
    "/clusters?format=json": "v3_clusters.json",
    "/server_info": "v3_server_info.json",
}


def read(path: str) -> str:
    return (FIXTURES / FILES[path]).read_text()


def test_report_probes_each_endpoint_once() -> None:
    asked: list[tuple[str, int]] = []

    def probe(address: str, port: int) -> bool:
        asked.append((address, port))
        return False

    found = admin.report(read, probe)
    assert asked == [("127.0.0.9", 9091)]
    assert found["policy_checks"][0]["endpoints"][0]["reachable"] is False
    assert found["warming"]["clusters"] == ["outbound|9080||deb-nginx01.default.svc.cluster.local"]
    assert found["server"]["state"] == "LIVE"
    assert "UNAVAILABLE" in found["explanations"][0]


def test_report_without_probe() -> None:
    assert admin.report(read, None)["policy_checks"][0]["endpoints"][0]["reachable"] is None


@pytest.fixture(name="port")
def _port() -> t.Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = read(self.path).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *dummy: t.Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def run(port: int) -> dict[str, t.Any]:
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {"admin_port": port, "timeout": 2}})
    done = subprocess.run(
        [sys.executable, envoy_info.__file__],
        input=arguments,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path), "http_proxy": "http://127.0.0.1:9"},
    )
    return json.loads(done.stdout)


def test_module_reads_the_endpoint_past_a_proxy(port: int) -> None:
    found = run(port)
    assert found["changed"] is False
    assert [item["name"] for item in found["listeners"]] == ["192.168.0.81_9080"]


def test_module_names_the_next_command() -> None:
    found = run(1)
    assert found["failed"]
    assert "http://127.0.0.1:1" in found["msg"]
    assert "journalctl -u istio" in found["msg"]
