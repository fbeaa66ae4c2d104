# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import os

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import footprint
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.footprint import Footprint
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState

from tests.unit.plugins.fake_host import Host

WHOLE = Footprint(
    role="dnsmasq",
    paths={
        "/etc/hosts": PathState("file", "root", "root", "0644", b"127.0.0.1 localhost\n"),
        "/etc/dnsmasq.d": PathState(),
    },
    packages=("bash", "zsh"),
    accounts={"dnsmasq": False},
    units={"dnsmasq.service": {"active": False, "enabled": False}},
    sysctls={"net.ipv4.vs.conntrack": "0"},
    more={"hosts_written": "x"},
)


def test_it_survives_the_disk(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint.paths, "_ids", lambda _wanted: (os.getuid(), os.getgid()))
    assert footprint.load("dnsmasq") is None
    footprint.save(WHOLE)
    assert footprint.load("dnsmasq") == WHOLE
    assert oct(os.stat(footprint.path_of("dnsmasq")).st_mode)[-3:] == "600"
    assert oct(os.stat(footprint.directory("dnsmasq")).st_mode)[-3:] == "700"
    footprint.save(dataclasses.replace(WHOLE, role="istio_sidecar"))
    footprint.forget("dnsmasq")
    assert footprint.load("dnsmasq") is None
    assert footprint.load("istio_sidecar") is not None
    footprint.forget("istio_sidecar")
    footprint.forget("istio_sidecar")
    assert not os.path.exists(footprint.ROOT)


def test_what_existed() -> None:
    assert WHOLE.existed("/etc/hosts")
    assert not WHOLE.existed("/etc/dnsmasq.d")
    assert not WHOLE.existed("/never/looked/at")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda shown: {**shown, "version": 2}, "has the version 2, and this collection knows 1"),
        (
            lambda shown: {key: value for key, value in shown.items() if key != "paths"},
            "cannot be read .*from a backup",
        ),
        (lambda shown: [shown], "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(edit: object, message: str) -> None:
    text = json.dumps(edit(json.loads(WHOLE.to_json())))  # type: ignore[operator]
    with pytest.raises(HostError, match=f"^/x/footprint.json .*{message}"):
        Footprint.from_json(text, "/x/footprint.json")


def test_text_that_is_no_json() -> None:
    with pytest.raises(HostError, match="cannot be read"):
        Footprint.from_json('{"version": 1', "/x/footprint.json")
