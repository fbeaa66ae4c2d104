"""What of a host's state and of an object is recorded, and how two records are compared."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.upgrade import footprint, host_files, playbooks


def test_difference_has_what_came_went_and_changed() -> None:
    before = {"vm": {"files": {"/a": 1, "/b": 1, "/c": 1}, "packages": ["x", "y"], "sysctls": {"k": "0"}}}
    after = {"vm": {"files": {"/a": 1, "/b": 2, "/d": 1}, "packages": ["y", "z"], "sysctls": {"k": "0"}}}
    assert footprint.difference(before, after) == {
        "vm": {
            "files": {"added": {"/d": 1}, "removed": ["/c"], "changed": {"/b": 2}},
            "packages": {"added": ["z"], "removed": ["x"]},
        }
    }


def test_deviations_name_the_host_and_the_line() -> None:
    wanted = {"vm": {"files": {"added": {"/d": {"mode": "0644"}}}}, "node": {}}
    found = json.loads(json.dumps(wanted))
    assert footprint.deviations(wanted, found) == []
    found["vm"]["files"]["added"]["/d"]["mode"] = "0600"
    lines = footprint.deviations(wanted, found)
    assert [line for line in lines if "mode" in line] == ['vm: -    "mode": "0644"', 'vm: +    "mode": "0600"']
    assert footprint.deviations({}, {"api": {}})


def test_a_saved_record_is_the_same_when_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "RECORDED", tmp_path / "recorded")
    record: dict[str, Any] = {"vm": {"packages": {"added": ["ä"]}}, "api": {}}
    footprint.save(record)
    assert footprint.recorded() == record


def test_the_record_has_every_part_of_a_site() -> None:
    record = footprint.recorded()
    assert {"api", "lvs1", "deb-nginx01", "k8s-node1"} <= set(record)
    files = record["deb-nginx01"]["files"]
    assert files["changed"]["/etc/resolv.conf"]["text"][1] == "nameserver 127.0.0.1"
    key = files["added"]["/etc/certs/key.pem"]
    assert (key["mode"], key["owner"]) == ("0600", "istio-proxy:istio-proxy")
    assert set(key) == {"mode", "owner", "pem"}
    assert any("/var/lib/mesh-expansion" in path for path in files["added"]) is False
    assert "BEGIN" not in json.dumps(record)


def test_objects_are_recorded_without_what_a_run_allocates() -> None:
    item = {
        "metadata": {
            "uid": "1",
            "resourceVersion": "2",
            "labels": {"a": "b"},
            "annotations": {"deployment.kubernetes.io/revision": "3"},
        },
        "spec": {"clusterIP": "10.233.0.7", "clusterIPs": ["10.233.0.7"], "ports": [{"port": 80}]},
        "status": {"x": 1},
    }
    assert footprint.readable(item) == {
        "labels": {"a": "b"},
        "spec": {"clusterIP": "allocated", "clusterIPs": "allocated", "ports": [{"port": 80}]},
    }
    assert footprint.readable({"spec": {"clusterIP": "None"}}) == {"spec": {"clusterIP": "None"}}


def test_files_are_described_by_owner_mode_and_content(tmp_path: Path) -> None:
    text, secret, link = tmp_path / "text", tmp_path / "secret", tmp_path / "link"
    text.write_text("one\ntwo\n")
    text.chmod(0o644)
    secret.write_bytes(b"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n")
    secret.chmod(0o600)
    link.symlink_to("text")
    described = host_files.describe(str(text), {})
    assert described["mode"] == "0644"
    assert described["text"] == ["one", "two", ""]
    assert described["sha256"] == hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert host_files.describe(str(secret), {})["pem"] == ["PRIVATE KEY"]
    assert "abc" not in json.dumps(host_files.describe(str(secret), {}))
    assert host_files.describe(str(link), {}) == {"link": "text"}
    assert host_files.describe(str(tmp_path), {})["directory"] is True


def test_a_file_as_its_package_brought_it_is_recorded_as_that(tmp_path: Path) -> None:
    path = tmp_path / "conffile"
    path.write_bytes(b"x")
    known = {str(path): hashlib.md5(b"x", usedforsecurity=False).hexdigest()}
    assert host_files.describe(str(path), known).get("packaged") is True
    path.write_bytes(b"y")
    assert "packaged" not in host_files.describe(str(path), known)
    assert "sha256" in host_files.describe(str(path), known)


def test_a_file_that_others_may_not_read_is_recorded_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    path.write_text("password")
    os.chmod(path, 0o640)
    assert "text" not in host_files.describe(str(path), {})


@pytest.mark.parametrize(
    ("path", "skipped"),
    [
        ("/var/lib/mesh-expansion", True),
        ("/var/lib/mesh-expansion/dnsmasq/hosts", True),
        ("/var/lib/mesh-expansion-other", False),
        ("/root/.ansible/tmp", True),
        ("/etc/passwd", False),
        ("/etc/passwd-", True),
        ("/var/lib/istio/envoy/cluster.env", False),
    ],
)
def test_bookkeeping_and_package_states_are_not_recorded(path: str, skipped: bool) -> None:
    assert bool(host_files.SKIPPED.match(path)) is skipped


def test_changed_tasks_are_read_from_the_recap() -> None:
    first = "deb-nginx01   : ok=41   changed=0    unreachable=0"
    second = "lvs1     : ok=9    changed=12   unreachable=0"
    printed = f"PLAY RECAP ***\n{first}\n{second}\n"
    assert playbooks.changed(printed) == {"deb-nginx01": 0, "lvs1": 12}
