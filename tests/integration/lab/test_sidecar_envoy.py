"""What pilot-agent and the Pilot stand-in produce, judged by the real Envoy (`--mode validate`)."""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from lab.build import envoy
from lab.standins import pki
from lab.standins.xds.clusters import build_clusters
from lab.standins.xds.listeners import build_listeners
from lab.standins.xds.model import Endpoint, Mesh, Port, Service, parse_node

ROOT = Path(__file__).resolve().parents[3] / "lab/sidecar/root"
NODE = parse_node("sidecar~192.168.0.81~deb-nginx01.default~default.svc.cluster.local")
PORTS = (
    Port(9080, "http", (Endpoint("192.168.0.81", 9080),)),
    Port(9090, "grpc-x", (Endpoint("192.168.0.81", 9090),)),
    Port(3306, "mysql", (Endpoint("192.168.0.81", 3306),)),
)
SERVICES = (
    Service("nginx", "default", "nginx.default.svc.cluster.local", "10.233.1.1", PORTS),
    Service("pods", "default", "pods.default.svc.cluster.local", None, (Port(80, "http"),)),
)


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in (("INSTANCE_IP", "192.168.0.81"), ("POD_NAME", "deb-nginx01"), ("POD_NAMESPACE", "default")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("pilot_agent", str(ROOT / "usr/local/bin/pilot-agent"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def bootstrap(agent: Any, policy: str) -> Any:
    options = argparse.Namespace(
        serviceCluster="rawvm",
        discoveryAddress="istio-pilot.istio-system:15011",
        controlPlaneAuthPolicy=policy,
        pilotIdentity="spiffe://cluster.local/ns/{}/sa/istio-pilot-service-account",
    )
    return json.loads(agent.render(options, (ROOT / "var/lib/istio/envoy/envoy_bootstrap_tmpl.json").read_text()))


def validate(config: Any, directory: Path) -> subprocess.CompletedProcess[str]:
    path = directory / "bootstrap.json"
    path.write_text(json.dumps(config))
    command = [envoy.build(), "--mode", "validate", "-l", "warn", "-c", path]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_bootstrap_is_accepted_without_deprecated_fields(agent: Any, tmp_path: Path) -> None:
    identity = pki.Authority.create("cluster.local").issue("spiffe://cluster.local/ns/default/sa/default")
    for name, content in zip(agent.CERT_FILES, (identity.root, identity.chain, identity.key), strict=True):
        (tmp_path / name).write_bytes(content)
    agent.CERTS = tmp_path
    result = validate(bootstrap(agent, "MUTUAL_TLS"), tmp_path)
    assert result.returncode == 0, result.stderr
    assert "eprecated" not in result.stderr


@pytest.mark.parametrize(
    "mesh", [Mesh(tracing=True), Mesh(policy_fail_open=True), Mesh(policy_checks=False, access_log="")]
)
def test_every_resource_is_accepted(agent: Any, tmp_path: Path, mesh: Mesh) -> None:
    config = bootstrap(agent, "NONE")
    static = config["static_resources"]
    static["clusters"] += [json_format.MessageToDict(item) for item in build_clusters(SERVICES, NODE, mesh).values()]
    static["listeners"] = [json_format.MessageToDict(item) for item in build_listeners(SERVICES, NODE, mesh).values()]
    result = validate(config, tmp_path)
    assert result.returncode == 0, result.stderr
    assert "eprecated" not in result.stderr


def test_envoy_does_refuse_a_listener_whose_cluster_is_missing(agent: Any, tmp_path: Path) -> None:
    """The check above can fail."""
    config = bootstrap(agent, "NONE")
    listeners = build_listeners(SERVICES, NODE, Mesh()).values()
    config["static_resources"]["listeners"] = [json_format.MessageToDict(item) for item in listeners]
    assert validate(config, tmp_path).returncode != 0
