# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import footprint
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout, traces

from tests.unit.plugins.fake_host import USER, Host
from tests.unit.plugins.modules.test_preflight_probes import deb

# As the release 1.0 wrote it.
OLD = {"account": False, "packages": ["bash", "iproute2"], "paths": ["/etc/certs", "/var/log/istio"]}


def _old(host: Host) -> Path:
    folder = Path(footprint.directory(layout.ROLE))
    folder.mkdir(parents=True)
    record = {**OLD, "paths": [f"{host.root}{path}" for path in OLD["paths"]]}  # type: ignore[attr-defined]
    (folder / "original.json").write_text(json.dumps(record, indent=4, sort_keys=True) + "\n")
    return folder / "original.json"


def _package(path: str, version: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(deb(f"Package: istio-sidecar\nVersion: {version}\nArchitecture: amd64\n"))


def test_the_record_of_an_earlier_release_is_taken_over(host: Host) -> None:
    record = _old(host)
    before = traces.known()
    assert before is not None
    assert before.existed(layout.CERTS)
    assert not before.existed(layout.HOME)
    assert (before.accounts, before.packages) == ({USER: False}, ["bash", "iproute2"])
    assert traces.keep(layout.AGENT_AND_PROXY)
    assert not record.exists()
    kept = footprint.load(layout.ROLE)
    assert kept is not None
    assert [path for path in layout.PATHS if kept.existed(path)] == [layout.CERTS, f"{host.root}/var/log/istio"]
    assert not traces.keep(layout.AGENT_AND_PROXY)


def test_a_record_that_cannot_be_read_is_no_clean_host(host: Host) -> None:
    _old(host).write_text('{"paths": []')
    with pytest.raises(HostError, match="original.json cannot be read .*from a backup"):
        traces.keep(layout.AGENT_AND_PROXY)
    assert footprint.load(layout.ROLE) is None


def test_a_first_footprint_has_no_key(host: Host) -> None:
    host.program("dpkg-query", "printf 'installed bash 5\\n'")
    os.makedirs(layout.CERTS)
    Path(f"{layout.CERTS}/key.pem").write_text("PRIVATE")
    assert traces.keep(layout.AGENT_AND_PROXY)
    text = Path(footprint.path_of(layout.ROLE)).read_text()
    assert "PRIVATE" not in text
    kept = footprint.load(layout.ROLE)
    assert kept is not None
    assert [path for path in layout.PATHS if kept.existed(path)] == [f"{layout.CERTS}/key.pem", layout.CERTS]
    assert (tuple(kept.packages), kept.accounts) == (("bash",), {USER: True})
    assert layout.PROGRAMS in kept.paths
    # What was before the role is never written anew.
    os.remove(f"{layout.CERTS}/key.pem")
    assert not traces.keep(layout.AGENT_AND_PROXY)
    assert footprint.load(layout.ROLE) == kept


def test_the_package_that_is_installed_is_kept_by_another_name(host: Host) -> None:
    os.makedirs(footprint.directory(layout.ROLE))
    _package(f"{layout.CACHE}/a.deb", "1.0.4")
    _package(f"{layout.CACHE}/istio-sidecar.deb", "1.0.5")
    Path(f"{layout.CACHE}/other.deb").write_text("no package")
    assert not traces.keep_package("")
    assert not traces.keep_package("1.0.3")
    assert traces.keep_package("1.0.5")
    assert not traces.keep_package("1.0.5")
    # The next one takes the first name by renaming.
    _package(f"{layout.CACHE}/new", "1.0.6")
    os.replace(f"{layout.CACHE}/new", f"{layout.CACHE}/istio-sidecar.deb")
    assert traces.package_version(traces.previous()) == "1.0.5"
    assert traces.keep_package("1.0.6")
    assert traces.package_version(traces.previous()) == "1.0.6"


def test_the_package_is_copied_where_it_cannot_be_linked(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_paths: str) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    os.makedirs(footprint.directory(layout.ROLE))
    _package(f"{layout.CACHE}/istio-sidecar.deb", "1.0.5")
    assert traces.keep_package("1.0.5")
    assert subprocess.run(["cmp", traces.previous(), f"{layout.CACHE}/istio-sidecar.deb"], check=False).returncode == 0
