# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout, package
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.package import Offer
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import SettingsError

from tests.unit.plugins.fake_host import Host
from tests.unit.plugins.modules.test_preflight_probes import deb

URL = "https://downloads.example.com/a/istio-sidecar.deb?x=1"
SHA = "a" * 64
FIELDS = {"package": "istio-sidecar", "version": "1.0.5", "architecture": "amd64"}
OFFER = Offer(URL, "sha256", SHA, "istio-sidecar", "1.0.5", "amd64")


def test_a_url_needs_a_checksum_and_a_checksum_an_algorithm() -> None:
    with pytest.raises(SettingsError, match="comes from a URL without a checksum: set mesh_sidecar_checksum"):
        package.url_offer(URL, "")
    for checksum in (SHA, "sha-256:1"):
        with pytest.raises(
            SettingsError, match=f"istio_sidecar_checksum is '{checksum}': it does not begin with an alg"
        ):
            package.url_offer(URL, checksum)


def test_the_checksum_of_a_url_is_its_value() -> None:
    offer = package.url_offer(URL, f"sha256:{SHA.upper()}")
    assert offer == Offer(URL, "sha256", SHA)
    assert offer.file == "/var/cache/mesh-expansion/istio-sidecar.deb"


@pytest.mark.parametrize(
    "text",
    [f"{SHA}\n", f"{'b' * 64}  other.deb\n{SHA}  istio-sidecar.deb\n", f"{SHA} *./istio-sidecar.deb\n"],
)
def test_the_checksum_may_be_in_a_file(text: str) -> None:
    assert package.url_offer(URL, "sha256:https://x/sums", read=lambda _url: text).checksum == SHA


def test_a_file_of_checksums_without_ours() -> None:
    with pytest.raises(SettingsError, match="https://x/sums holds no checksum of istio-sidecar.deb"):
        package.url_offer(URL, "sha256:https://x/sums", read=lambda _url: f"{SHA}  other.deb\n{SHA}  more.deb\n")


def test_a_file_of_checksums_that_cannot_be_read() -> None:
    with pytest.raises(SettingsError, match="Cannot read the checksum .*http://127.0.0.1:1/sums: .*refused"):
        package.url_offer(URL, "sha256:http://127.0.0.1:1/sums")


def test_a_package_on_the_control_node(tmp_path: Path) -> None:
    path = tmp_path / "istio-sidecar.deb"
    with pytest.raises(SettingsError, match="on the control node cannot be read: No such file or directory. Check"):
        package.local_offer(str(path), "")
    path.write_bytes(deb())
    checksum = hashlib.sha256(deb()).hexdigest()
    assert package.local_offer(str(path), "") == Offer(str(path), "sha256", checksum, **FIELDS)
    assert package.local_offer(str(path), f"sha512:{hashlib.sha512(deb()).hexdigest()}").algorithm == "sha512"
    with pytest.raises(SettingsError, match=f"has the checksum {checksum}, not sha256:{SHA}"):
        package.local_offer(str(path), f"sha256:{SHA}")


def test_what_is_on_the_host_is_not_fetched_and_is_read_there(host: Host) -> None:
    checksum = hashlib.sha256(b"content").hexdigest()
    offer, asked = Offer(URL, "sha256", checksum), []

    def fields(source: str) -> dict[str, str]:
        asked.append(source)
        return FIELDS

    whole, cached = package.complete(offer, fields)
    assert (cached, whole.version) == (False, "1.0.5")
    os.makedirs(layout.CACHE)
    Path(offer.file).write_bytes(b"other")
    assert package.complete(offer, fields)[1] is False
    Path(offer.file).write_bytes(b"content")
    assert package.complete(offer, fields)[1] is True
    assert asked == [URL, URL, offer.file]
    # What the control node has read is not read again.
    package.complete(whole, fields)
    assert len(asked) == 3


def test_what_must_not_be_installed() -> None:
    def refused(installed: str = "", allow: bool = False, **fields: str) -> str | None:
        return package.refusal(dataclasses.replace(OFFER, **fields), "amd64", installed, allow)

    assert refused() is None
    assert refused("1.0.4") is None
    assert refused("1.0.5") is None
    assert refused(architecture="all") is None
    assert refused(package="", version="", architecture="") is None
    assert "the package istio-sidecar for arm64; this host needs istio-sidecar for amd64" in str(
        refused(architecture="arm64")
    )
    assert "is the package nginx for amd64" in str(refused(package="nginx"))
    assert refused("1.0.10", allow=True) is None
    told = str(refused("1.0.10"))
    assert "is istio-sidecar 1.0.5, older than 1.0.10, which is installed" in told
    assert "istio_sidecar_allow_downgrade to true" in told


def test_what_has_to_be_installed() -> None:
    assert package.needs_install("", OFFER)
    assert package.needs_install("1.0.4", OFFER)
    assert package.needs_install("1.0.6", OFFER)
    assert not package.needs_install("1.0.5", OFFER)
    assert not package.needs_install("0:1.0.5", OFFER)
    assert package.needs_install("1.0.5", dataclasses.replace(OFFER, version=""))


def test_a_downgrade_needs_two_versions() -> None:
    assert package.downgrade("1.0.6", "1.0.5")
    assert not package.downgrade("1.0.5", "1.0.6")
    assert not package.downgrade("", "1.0.5")
    assert not package.downgrade("1.0.5", "")
