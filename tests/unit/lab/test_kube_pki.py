# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import ssl
import stat
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import config
from lab.kube import controlplane, kubeconfig, pki

SUBJECTS = controlplane.subjects(config.topology())


@pytest.fixture(name="made", scope="module")
def fixture_made(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    return pki.ensure(tmp_path_factory.mktemp("pki"), SUBJECTS)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_certificates_are_signed_by_the_ca(made: pki.Pki) -> None:
    ca = load(made.ca)
    for subject in SUBJECTS:
        load(made.cert(subject.file)).verify_directly_issued_by(ca)


def test_the_api_server_answers_to_its_address_and_service(made: pki.Pki) -> None:
    cert = load(made.cert("apiserver"))
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(a) for a in names.get_values_for_type(x509.IPAddress)}
    assert {"192.168.0.1", "10.233.0.1"} <= addresses
    assert "kubernetes.default.svc.cluster.local" in names.get_values_for_type(x509.DNSName)
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_the_admin_is_in_the_masters_group_and_nobody_else(made: pki.Pki) -> None:
    groups = {
        s.file: [a.value for a in load(made.cert(s.file)).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        for s in SUBJECTS
    }
    assert groups.pop("admin") == ["system:masters"]
    assert not any(groups.values())


def test_private_keys_are_for_root_only(made: pki.Pki) -> None:
    for key in made.directory.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key


def test_openssl_accepts_pair_and_chain(made: pki.Pki) -> None:
    context = ssl.create_default_context(cafile=str(made.ca))
    context.load_cert_chain(made.cert("admin"), made.key("admin"))


def test_a_second_call_changes_nothing(made: pki.Pki) -> None:
    before = {p.name: p.read_bytes() for p in made.directory.iterdir()}
    pki.ensure(made.directory, SUBJECTS)
    assert {p.name: p.read_bytes() for p in made.directory.iterdir()} == before


@pytest.mark.parametrize("case", ["other subjects", "file missing", "near the end"])
def test_made_anew_when(tmp_path: Path, case: str) -> None:
    subjects = SUBJECTS[:2]
    first = load(pki.ensure(tmp_path, subjects).ca).serial_number
    now = None
    if case == "other subjects":
        subjects = SUBJECTS[:3]
    elif case == "file missing":
        (tmp_path / "apiserver.key").unlink()
    else:
        now = dt.datetime.now(dt.UTC) + pki.LIFETIME - dt.timedelta(days=10)
    assert load(pki.ensure(tmp_path, subjects, now).ca).serial_number != first


def test_kubeconfig_names_server_and_user(made: pki.Pki, tmp_path: Path) -> None:
    path = tmp_path / "sub" / "kubeconfig"
    kubeconfig.write(path, kubeconfig.render(made, "mesh-operator", "https://192.168.0.1:6443"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = yaml.safe_load(path.read_text())
    assert document["clusters"][0]["cluster"]["server"] == "https://192.168.0.1:6443"
    assert document["contexts"][0]["name"] == document["current-context"]
    assert document["contexts"][0]["context"]["user"] == document["users"][0]["name"] == "mesh-operator"
