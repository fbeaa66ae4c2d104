# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter in playbooks: whose variables it reads, where they may be set, and what it says when one is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.mesh.expansion.plugins.filter import mesh_site
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import parts

INVENTORY = {
    "all": {
        "vars": {
            "mesh_vip": "192.168.0.62",
            "mesh_service_cidr": "{{ range_of_services }}",
            "range_of_services": "10.233.0.0/16",
        },
        "children": {
            "director": {"hosts": {"lvs1": {"ansible_host": "192.168.0.61"}}},
            "k8s_nodes": {"hosts": {"node1": {"ansible_host": "{{ net }}.71", "net": "192.168.0"}}},
            "vms": {"hosts": {"web1": {"ansible_host": "192.168.0.81"}, "web2": {"ansible_host": "192.168.0.82"}}},
        },
    }
}


def run(
    root: Path, tmp_path: Path, expression: str, *arguments: str, **play: object
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(INVENTORY))
    task = {"ansible.builtin.copy": {"content": "{{ " + expression + " | to_json }}", "dest": str(tmp_path / "out")}}
    playbook = [{"hosts": "web1", "connection": "local", "gather_facts": False, "tasks": [task], **play}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(playbook))
    command = [f"{Path(sys.executable).parent}/ansible-playbook", "-i", "hosts.yml", "play.yml", *arguments]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(root / "build/collections"), "ANSIBLE_NOCOLOR": "1"}
    environment |= {"ANSIBLE_PYTHON_INTERPRETER": sys.executable, "ANSIBLE_HOME": str(tmp_path / "ansible")}
    return subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_where_variables_come_from(root: Path, tmp_path: Path) -> None:
    names = ["vip", "service_cidr", "nodes", "vm_addresses", "self", "istio_namespace", "trust_domain"]
    values = ", ".join(f"inventory_hostname | mesh.expansion.mesh_site('{name}')" for name in names)
    play = {"vars": {"mesh_istio_namespace": "of-the-play", "mesh_vm_namespace": "shop"}}
    done = run(root, tmp_path, f"[{values}]", "-e", "mesh_trust_domain=of.the.command.line", **play)
    assert done.returncode == 0, done.stdout + done.stderr
    assert dict(zip(names, json.loads((tmp_path / "out").read_text()), strict=True)) == {
        "vip": "192.168.0.62",
        "service_cidr": "10.233.0.0/16",
        "nodes": {"node1": "192.168.0.71"},
        "vm_addresses": ["192.168.0.81", "192.168.0.82"],
        "self": {
            "name": "web1",
            "address": "192.168.0.81",
            "namespace": "shop",
            "service_account": "default",
            "services": [],
        },
        "istio_namespace": "of-the-play",
        "trust_domain": "of.the.command.line",
    }


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "inventory_hostname | mesh.expansion.mesh_site('vip')",
            "mesh_vip: 'x' is not a usable IPv4 address. Set it to",
        ),
        (
            "inventory_hostname | mesh.expansion.mesh_site('vip', mesh_vip='::1')",
            "mesh_vip: '::1' is not a usable IPv4 address",
        ),
        ("inventory_hostname | mesh.expansion.mesh_site('vipp')", "a site has no part 'vipp'; there are"),
        ("'nobody' | mesh.expansion.mesh_site('self')", "there is no host 'nobody' in the inventory"),
    ],
)
def test_what_it_says(expression: str, message: str, root: Path, tmp_path: Path) -> None:
    done = run(root, tmp_path, expression, "-e", "mesh_vip=x")
    assert done.returncode != 0
    assert message in " ".join((done.stdout + done.stderr).split())
    assert not (tmp_path / "out").exists()


def test_the_documentation_lists_the_parts() -> None:
    options = yaml.safe_load(mesh_site.DOCUMENTATION)["options"]
    assert sorted(options["part"]["choices"]) == sorted(["self", *parts.PARTS])
