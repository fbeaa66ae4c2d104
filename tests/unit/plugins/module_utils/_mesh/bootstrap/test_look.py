# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.layout import Layout
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.look import look

from tests.unit.plugins import istiod_objects
from tests.unit.plugins import mesh_pki as pki


def test_nothing_there(tmp_path: Path) -> None:
    found = look(Layout(str(tmp_path)))
    assert {name: state["kind"] for name, state in found["files"].items()} == {
        "cluster_env": "absent",
        "mesh": "absent",
        "hosts": "absent",
    }
    assert found["token"] == {"exists": False, "owner": None, "group": None, "mode": None, "claims": None}
    assert found["identity"]["directory"]["exists"] is False


def test_token_and_key_are_looked_at_and_stay(tmp_path: Path) -> None:
    layout, files, token = Layout(str(tmp_path)), pki.authority().issue(), istiod_objects.token()
    for folder in (layout.certs, os.path.dirname(layout.token)):
        os.makedirs(folder)
    for name, content in files.items():
        (Path(layout.certs) / name).write_bytes(content)
    Path(layout.token).write_text(token)
    Path(layout.token).chmod(0o640)
    found = look(layout)
    text = json.dumps(found)
    assert found["identity"]["key_matches"] is True
    assert found["token"]["mode"] == "0640"
    assert found["token"]["claims"]["sub"] == "system:serviceaccount:default:default"
    for part in (*token.split(".")[1:], *files["key.pem"].decode().splitlines()[1:-1]):
        assert part not in text


def test_a_hosts_file_that_is_a_link_is_looked_at_where_it_is(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    (tmp_path / "etc").mkdir()
    (tmp_path / "real").write_text("127.0.0.1 localhost\n")
    os.symlink("../real", layout.hosts)
    found = look(layout)["files"]["hosts"]
    assert (found["path"], found["kind"], found["text"]) == (str(tmp_path / "real"), "file", "127.0.0.1 localhost\n")
