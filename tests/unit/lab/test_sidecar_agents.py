"""The stand-in agents: what pilot-agent renders, how node_agent renews."""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import json
import stat
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from lab.standins import citadel, pki

ROOT = Path(__file__).resolve().parents[3] / "lab/sidecar/root"
NGINX = "spiffe://cluster.local/ns/default/sa/default"


def load(name: str) -> Any:
    """Import a program that has no .py suffix, leaving sys.path as it was."""
    path = ROOT / "usr/local/bin" / name
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.path[:] = before
        sys.dont_write_bytecode = bytecode
    return module


@pytest.fixture
def pilot_agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in (("INSTANCE_IP", "192.168.0.81"), ("POD_NAME", "deb-nginx01"), ("POD_NAMESPACE", "default")):
        monkeypatch.setenv(name, value)
    return load("pilot-agent")


@pytest.fixture
def node_agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    # The package compiles the protocol; here the same file is compiled by the Citadel stand-in.
    monkeypatch.setitem(sys.modules, "ca_service_pb2", types.ModuleType("ca_service_pb2"))
    monkeypatch.setitem(sys.modules, "ca_service_pb2_grpc", types.ModuleType("ca_service_pb2_grpc"))
    module = load("node_agent")
    module.ca_service_pb2 = citadel.messages
    module.ca_service_pb2_grpc = citadel.services
    return module


def bootstrap(agent: Any, **changes: str) -> Any:
    options = {
        "serviceCluster": "rawvm",
        "discoveryAddress": "istio-pilot.istio-system:15011",
        "controlPlaneAuthPolicy": "MUTUAL_TLS",
        "pilotIdentity": "spiffe://cluster.local/ns/{}/sa/istio-pilot-service-account",
        **changes,
    }
    template = (ROOT / "var/lib/istio/envoy/envoy_bootstrap_tmpl.json").read_text()
    return json.loads(agent.render(argparse.Namespace(**options), template))


def test_bootstrap_with_mutual_tls(pilot_agent: Any) -> None:
    config = bootstrap(pilot_agent)
    assert config["node"]["id"] == "sidecar~192.168.0.81~deb-nginx01.default~default.svc.cluster.local"
    assert config["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 15000}
    (cluster,) = config["static_resources"]["clusters"]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    assert endpoint["address"]["socket_address"] == {"address": "istio-pilot.istio-system", "port_value": 15011}
    tls = cluster["transport_socket"]["typed_config"]["common_tls_context"]
    assert tls["tls_certificates"][0]["private_key"]["filename"] == "/etc/certs/key.pem"
    (name,) = tls["validation_context"]["match_typed_subject_alt_names"]
    assert name["matcher"]["exact"] == "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account"


def test_the_pilots_namespace_is_in_the_expected_identity(pilot_agent: Any) -> None:
    for address, namespace in (("istio-pilot.mesh:15011", "mesh"), ("192.168.0.62:15011", "istio-system")):
        text = json.dumps(bootstrap(pilot_agent, discoveryAddress=address))
        assert f"spiffe://cluster.local/ns/{namespace}/sa/istio-pilot-service-account" in text


def test_bootstrap_without_mutual_tls_has_no_certificates(pilot_agent: Any) -> None:
    config = bootstrap(pilot_agent, controlPlaneAuthPolicy="NONE", discoveryAddress="istio-pilot.istio-system:15010")
    assert "/etc/certs" not in json.dumps(config)
    assert config["static_resources"]["clusters"][0]["transport_socket"]["name"].endswith("raw_buffer")


def test_fingerprint_needs_all_files_and_follows_changes(pilot_agent: Any, tmp_path: Path) -> None:
    pilot_agent.CERTS = tmp_path
    assert pilot_agent.fingerprint() is None
    for name in pilot_agent.CERT_FILES:
        (tmp_path / name).write_text(name)
    first = pilot_agent.fingerprint()
    assert first is not None
    (tmp_path / "key.pem").write_text("new")
    assert pilot_agent.fingerprint() != first


@pytest.mark.parametrize(
    ("seconds", "text"), [(1079 * 3600 + 59 * 60 + 51.9, "1079h59m51s"), (65, "1m5s"), (5, "5s"), (3600, "1h0m0s")]
)
def test_durations_as_go_prints_them(node_agent: Any, seconds: float, text: str) -> None:
    assert node_agent.duration(seconds) == text


@pytest.fixture
def authority() -> pki.Authority:
    return pki.Authority.create("cluster.local")


@pytest.fixture
def options(authority: pki.Authority, tmp_path: Path) -> Iterator[argparse.Namespace]:
    server, port = citadel.serve(authority, "istio-system", "cluster.local", "127.0.0.1:0")
    identity = authority.issue(NGINX)
    files = {"root_cert": identity.root, "cert_chain": identity.chain, "key": identity.key}
    for name, content in files.items():
        (tmp_path / f"{name}.pem").write_bytes(content)
    yield argparse.Namespace(
        **{name: tmp_path / f"{name}.pem" for name in files},
        env="onprem", ca_address=f"127.0.0.1:{port}", workload_cert_ttl="2160h", key_size=2048, org="",
    )  # fmt: skip
    server.stop(0).wait(5)


@pytest.fixture
def any_server_name(node_agent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's server is reached by address; its certificate is for istio-citadel."""
    connect = grpc.secure_channel
    override = (("grpc.ssl_target_name_override", "istio-citadel"),)
    monkeypatch.setattr(node_agent.grpc, "secure_channel", lambda address, creds: connect(address, creds, override))


@pytest.mark.usefixtures("any_server_name")
def test_renewal_replaces_key_and_chain(node_agent: Any, options: argparse.Namespace, authority: pki.Authority) -> None:
    old_key, root = options.key.read_bytes(), options.root_cert.read_bytes()
    certificate = node_agent.renew(options)
    chain = x509.load_pem_x509_certificate(options.cert_chain.read_bytes())
    assert chain == certificate
    chain.verify_directly_issued_by(authority.certificate)
    assert pki.uris(chain.extensions) == [NGINX]
    assert options.key.read_bytes() != old_key
    assert options.root_cert.read_bytes() == root
    assert stat.S_IMODE(options.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(options.cert_chain.stat().st_mode) == 0o644
    assert node_agent.duration(node_agent.wait_seconds(certificate)).startswith("1079h59m")


def test_a_test_can_shorten_the_wait(node_agent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_AGENT_RENEW_AFTER", "7")
    assert node_agent.wait_seconds(None) == 7.0


def test_it_gives_up_after_five_retries(
    node_agent: Any, options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []

    def fail(_options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(node_agent, "renew", fail)
    monkeypatch.setattr(node_agent, "arguments", lambda: options)
    monkeypatch.setattr(node_agent.time, "sleep", pauses.append)
    assert node_agent.main() == 1
    assert pauses == [5, 10, 20, 40, 80]
    assert "after max number of retries (5)" in capsys.readouterr().err
