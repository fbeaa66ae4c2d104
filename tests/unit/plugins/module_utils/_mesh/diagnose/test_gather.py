# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is gathered on a host: within limits, without what is secret, and with a word on what is not there."""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import commands, footprint
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import model
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.diagnose import catalogue, gather
from leaks import leaks

from tests.unit.plugins.mesh_pki import authority

FILES = authority().issue()
KEY, TOKEN = FILES["key.pem"], b"not-shaped-like-a-token-at-all"
LIMITS = gather.Limits(lines=3, size=4000)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with a key and a token, and with a program that tells both."""
    for name, content in (("certs/key.pem", KEY), ("tokens/istio-token", TOKEN)):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(content)
    (tmp_path / "bin").mkdir()
    told = tmp_path / "told"
    told.write_bytes(b"\n".join([KEY, TOKEN, base64.b64encode(KEY), base64.b64encode(TOKEN), b"the end"]))
    program = tmp_path / "bin/tell"
    program.write_text(f"#!/bin/sh\ncat {told}\ncat {told} >&2\nexit $1\n")
    program.chmod(0o755)
    monkeypatch.setattr(commands, "_PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(catalogue, "SECRETS", (f"{tmp_path}/certs/key*", f"{tmp_path}/tokens/*"))
    monkeypatch.setattr(footprint, "ROOT", str(tmp_path / "state"))
    return tmp_path


def look(monkeypatch: pytest.MonkeyPatch, limits: gather.Limits = LIMITS, **steps: Any) -> gather.Found:
    parts = [catalogue.Part(name.replace("_", "."), (step,)) for name, step in steps.items()]
    monkeypatch.setattr(catalogue, "parts", lambda kinds, roles: parts)
    return gather.look(["vm"], limits)


def test_secrets_of_the_host_go_wherever_they_are_told(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host / "x.json").write_text(json.dumps({"a": KEY.decode(), "b": [TOKEN.decode()], TOKEN.decode(): 1}))
    found = look(
        monkeypatch,
        limits=gather.Limits(),
        told_txt=catalogue.File(f"{host}/told"),
        good_txt=catalogue.Command(("tell", "0")),
        bad_txt=catalogue.Command(("tell", "1")),
        doc_json=catalogue.File(f"{host}/x.json"),
        own_txt=catalogue.File(f"{host}/*/key.pem"),
    )
    assert set(found.parts) == {"told.txt", "good.txt", "bad.txt", "doc.json", "own.txt"}
    for text in [*found.parts.values(), *found.missing]:
        assert leaks(KEY, text) == []
        assert leaks(TOKEN, text) == []
    assert found.parts["told.txt"].endswith("the end\n")
    assert f"### {host}/told\n" in found.parts["told.txt"]
    assert "it ended with 1" in found.parts["bad.txt"]


def test_what_is_not_there_is_said(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(
        monkeypatch,
        nft_txt=catalogue.Command(("no-such-program", "list")),
        page_txt=catalogue.Page("http://127.0.0.1:1/x"),
        none_txt=catalogue.File(f"{host}/no-such-file"),
    )
    assert found.parts == {}
    assert found.missing == [
        "nft.txt: no-such-program list: no-such-program is not installed",
        "page.txt: http://127.0.0.1:1/x: [Errno 111] Connection refused",
    ]


def test_a_program_that_does_not_end(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "SECONDS", 0.05)
    found = look(monkeypatch, a_txt=catalogue.Command(("sleep", "60")))
    assert found.missing == ["a.txt: sleep 60: no end within 0 s"]


def test_a_host_that_takes_too_long(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "ALL_SECONDS", -1.0)
    assert look(monkeypatch, a_txt=catalogue.Command(("true",))).missing == ["a.txt: -1 s had passed"]


def test_of_a_log_there_is_the_end(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host / "a.log").write_text("".join(f"line {number}\n" for number in range(100)))
    found = look(monkeypatch, a_txt=catalogue.File(f"{host}/*.log", log=True))
    assert found.parts["a.txt"] == f"### {host}/a.log\nline 97\nline 98\nline 99\n"


def test_what_is_too_long_is_cut_and_says_so(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host / "long").write_text("0123456 é\n" * 5000)
    text = look(monkeypatch, a_txt=catalogue.File(f"{host}/long")).parts["a.txt"]
    assert len(text.encode()) < LIMITS.size + 100
    assert text.endswith("é\n[cut: " + text.rpartition("[cut: ")[2])
    assert f"the first {LIMITS.size} are here]\n" in text


def test_owners_and_modes_and_no_content(host: Path) -> None:
    (host / "certs/key.pem").chmod(0o600)
    text = "\n".join(gather.listing(str(host / "certs")))
    assert "-rw------- " in text
    assert f" {len(KEY)} " in text
    assert leaks(KEY, text) == []


def test_envoys_own_section_of_secrets_is_left_out() -> None:
    kept = {"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "version_info": "1"}
    secrets = {"@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump", "static_secrets": [{"name": "x"}]}
    assert gather.without_secrets({"configs": [kept, secrets]}) == {"configs": [kept]}
    for other in ([], {"configs": {"clusters": {}}}, "x"):
        assert gather.without_secrets(other) == other


def test_the_table_with_its_counters() -> None:
    vip, server = socket.inet_aton("192.0.2.62"), socket.inet_aton("192.0.2.71")
    key = model.ServiceKey(0, socket.AF_INET, socket.IPPROTO_TCP, vip, 443)
    state = model.ServiceState(
        model.Service(key, "wrr"),
        {"connections": 7, "connections_per_second": 1},
        [model.ServerState(model.RealServer(server, 443), model.Connections(1, 2, 0), {"connections": 6})],
    )
    assert gather.table([state], {"version": "1.2.1"}) == [
        '{"version": "1.2.1"}',
        "-A -t 192.0.2.62:443 -s wrr  # connections=7",
        "-a -t 192.0.2.62:443 -r 192.0.2.71:443 -g -w 1  # active=1 inactive=2 persistent=0, connections=6",
    ]


@pytest.mark.parametrize("kinds", [*([kind] for kind in catalogue.KINDS), list(catalogue.KINDS)])
def test_every_part_has_a_name_of_its_own(kinds: list[str]) -> None:
    names = [part.name for part in catalogue.parts(kinds, ["dnsmasq", "director"])]
    assert len(names) == len(set(names))
    assert {"system.txt", "footprint-director.json", "unit-ssh.txt"} <= set(names)
    for part in catalogue.parts(kinds, []):
        assert part.name.endswith(".txt") or len(part.steps) == 1


def test_no_part_reads_what_is_secret() -> None:
    """Files are shown by content only where none of them is a key or token."""
    shown = [
        step.pattern
        for part in catalogue.parts(catalogue.KINDS, [])
        for step in part.steps
        if isinstance(step, catalogue.File)
    ]
    assert shown
    assert not any(name in pattern for pattern in shown for name in ("certs", "secrets", "key", "token", "shadow"))
