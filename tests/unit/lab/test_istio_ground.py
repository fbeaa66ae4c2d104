"""What the lab makes for today's Istio, as far as it needs no program of Istio's."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lab import config
from lab.build import istio
from lab.istio import ca, packages, rendered
from lab.kube import objects

DEPLOYMENT: rendered.Json = {
    "kind": "Deployment",
    "metadata": {"name": "one"},
    "spec": {"template": {"metadata": {"labels": {"sidecar.istio.io/inject": "true"}}, "spec": {}}},
}


def certificates(files: dict[str, bytes], name: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(files[name])


def test_the_authority_is_a_root_and_an_intermediate() -> None:
    files = ca.create()
    signing, root = certificates(files, "cert-chain.pem")
    assert certificates(files, "ca-cert.pem") == [signing]
    assert certificates(files, "root-cert.pem") == [root]
    signing.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    key = x509.load_pem_x509_certificate(files["ca-cert.pem"]).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    constraints = [cert.extensions.get_extension_for_class(x509.BasicConstraints).value for cert in (signing, root)]
    assert [(found.ca, found.path_length) for found in constraints] == [(True, 0), (True, 1)]
    assert tuple(files) == ca.FILES


def test_the_authority_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    first = ca.ensure(tmp_path / "ca")
    assert ca.ensure(tmp_path / "ca") == first
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "ca").iterdir())
    (tmp_path / "ca" / "root-cert.pem").unlink()
    assert ca.ensure(tmp_path / "ca")["root-cert.pem"] != first["root-cert.pem"]


def test_the_secret_has_what_istiod_mounts() -> None:
    files = ca.create()
    secret = ca.secret(files, "istio-system")
    assert secret["metadata"] == {"name": "cacerts", "namespace": "istio-system"}
    assert base64.b64decode(secret["data"]["ca-key.pem"]) == files["ca-key.pem"]


@pytest.mark.parametrize(("revision", "istiod"), [("", "istiod"), ("1-31", "istiod-1-31")])
def test_the_operator_file_is_filled_in(revision: str, istiod: str) -> None:
    text = rendered.operator(rendered.values(config.topology(), revision))
    spec = yaml.safe_load(text)["spec"]
    assert spec["revision"] == revision
    assert spec["tag"] == istio.VERSION
    assert spec["meshConfig"]["defaultConfig"]["discoveryAddress"] == f"{istiod}.istio-system.svc:15012"
    assert rendered.service(revision) == istiod


def test_deployments_are_bound_to_nodes_in_turn() -> None:
    items = rendered.placed([DEPLOYMENT, {"kind": "Service"}, DEPLOYMENT, DEPLOYMENT], ["b", "a"])
    assert [item["spec"]["template"]["spec"]["nodeName"] for item in items if item["kind"] == "Deployment"] == [
        "b",
        "a",
        "b",
    ]
    assert "nodeName" not in DEPLOYMENT["spec"]["template"]["spec"]


def test_pods_name_the_revision_that_injects_them() -> None:
    label = "istio.io/rev"
    plain = {"kind": "Deployment", "spec": {"template": {"metadata": {"labels": {"app": "x"}}}}}
    one, other = rendered.injected([DEPLOYMENT, plain], "1-31")
    assert one["spec"]["template"]["metadata"]["labels"][label] == "1-31"
    assert other == plain
    assert rendered.injected([DEPLOYMENT], "") == [DEPLOYMENT]


def test_the_pods_of_the_mesh_ask_for_a_sidecar() -> None:
    items = list(objects.read(*objects.files(objects.MANIFESTS / "istiod"), network=rendered.NETWORK))
    assert items[0]["metadata"]["labels"]["topology.istio.io/network"] == rendered.NETWORK
    deployments = [item for item in items if item["kind"] == "Deployment"]
    assert {item["metadata"]["name"] for item in deployments} == {"server", "client"}
    for item in deployments:
        assert item["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"


def test_packages_have_three_versions_around_istiods() -> None:
    minors = [int(version.split(".")[1]) for version in istio.PACKAGED]
    own = int(istio.VERSION.split(".")[1])
    assert minors == [own - 2, own, own + 1]
    assert packages.file_name("1.31.0") == "istio-sidecar_1.31.0_amd64.deb"
