# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin through ansible-playbook: what it finds on the control node goes to the
module, or ends the task."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest
import yaml

from tests.unit.plugins.modules.test_preflight_probes import deb

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]


def run(folder: pathlib.Path, **options: object) -> str:
    task = {"vip": "127.0.0.1", "service_cidr": "10.96.0.0/12", "address": "192.0.2.81", **options}
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"mesh.expansion.istio_sidecar_look": task}]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    variables = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    (folder / "hosts").write_text(f"vm1 {variables}\n")
    argv = ["ansible-playbook", "-vvv", "-i", str(folder / "hosts"), str(folder / "play.yml")]
    # Not in the folder: the path of a socket in it would be too long.
    with tempfile.TemporaryDirectory(prefix="site-") as temporary:
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "build" / "collections"),
            "ANSIBLE_LOCAL_TEMP": temporary,
            "ANSIBLE_REMOTE_TEMP": temporary,
            # What a module was told is in its output; newer versions of ansible-core leave that out.
            "ANSIBLE_INJECT_INVOCATION": "1",
            "ANSIBLE_NOCOLOR": "1",
        }
        done = subprocess.run(
            argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    return done.stdout


def test_a_package_that_is_not_there(tmp_path: pathlib.Path) -> None:
    said = run(tmp_path, package=str(tmp_path / "x.deb"))
    assert (
        f"The sidecar package {tmp_path}/x.deb on the control node cannot be read: No such file or directory. Check"
        in said
    )


def test_what_the_package_is_goes_to_the_module(tmp_path: pathlib.Path) -> None:
    content = deb("Package: istio-sidecar\nVersion: 1.0.5\nArchitecture: all\n")
    (tmp_path / "x.deb").write_bytes(content)
    said = run(tmp_path, package=str(tmp_path / "x.deb"))
    (offer,) = re.findall(r'"offer": (\{.*?\})', said, re.DOTALL)
    assert json.loads(offer) == {
        "source": str(tmp_path / "x.deb"),
        "algorithm": "sha256",
        "checksum": hashlib.sha256(content).hexdigest(),
        "package": "istio-sidecar",
        "version": "1.0.5",
        "architecture": "all",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"package": "https://x/y.deb"}, "comes from a URL without a checksum: set mesh_sidecar_checksum"),
        ({"package": "https://x/y.deb", "checksum": "1"}, "istio_sidecar_checksum is '1'"),
        ({"package": "https://x/y.deb", "checksum": "sha256:1", "timeout": 0}, "istio_sidecar_timeout is 0"),
    ],
)
def test_what_is_wrong_is_told_by_the_module(options: dict[str, object], words: str, tmp_path: pathlib.Path) -> None:
    assert words in run(tmp_path, **options)
