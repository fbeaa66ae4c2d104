# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""diagnose.yml on this machine: a host that does not answer hides no other, and the end says where all of it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml


def test_hosts_that_answer_are_in_the_bundle(root: Path, tmp_path: Path) -> None:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    gone = {
        "ansible_host": "192.0.2.1",
        "ansible_connection": "ssh",
        "ansible_ssh_common_args": "-o ProxyCommand=false",
    }
    # Of a site that is wrong everywhere else.
    groups = {
        "director": {"hosts": {"lvs1": gone}},
        "k8s_nodes": {"hosts": {"web1": {}}},
        "vms": {"hosts": {"web1": {**local, "mesh_vm_services": "wrong"}}},
    }
    variables = {"mesh_diagnose_path": str(tmp_path / "bundle"), "mesh_kubeconfig": str(tmp_path / "none")}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": groups, "vars": variables}}))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(root / "build/collections"), "ANSIBLE_NOCOLOR": "1"}
    environment |= {
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_STDOUT_CALLBACK": "default",
        "ANSIBLE_PIPELINING": "1",
    }
    command = [
        f"{Path(sys.executable).parent}/ansible-playbook",
        "-i",
        "hosts.yml",
        "mesh.expansion.diagnose",
        "--check",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    said = " ".join(done.stdout.replace("\\n", " ").split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Missing: lvs1, cluster; summary.txt in it says why." in said
    (path,) = (Path(text) for text in re.findall(r"The bundle is in (\S+) on", said))
    assert path.parent == tmp_path / "bundle"
    assert f"Next: tar -czf mesh-diagnose.tar.gz -C {path.parent} {path.name}" in said
    assert sorted(item.name for item in path.iterdir()) == ["hosts", "summary.txt"]
    assert sorted(item.name for item in (path / "hosts").iterdir()) == ["web1"]
    assert (path / "hosts/web1/system.txt").is_file()
    assert (path / "hosts/web1/settings.txt").is_file()
    assert {oct(item.stat().st_mode & 0o077) for item in path.rglob("*")} == {"0o0"}
    summary = (path / "summary.txt").read_text()
    assert re.search(r"^lvs1: nothing, .*ssh", summary, re.MULTILINE)
    assert re.search(r"^web1: \d+ files in hosts/web1$", summary, re.MULTILINE)
    assert re.search(r"^cluster: nothing, Cannot look at the cluster: Cannot load", summary, re.MULTILINE)
    # What was gathered is in the files, and not in the output as well.
    assert "VERSION_CODENAME" not in done.stdout
