# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role director and the cluster's nodes, through ansible-playbook: who asks the API, how often, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.plugins.ansible_site import Api, Site

NODES = "/api/v1/nodes"
ROLE = "mesh.expansion.director"
ASK = {"ansible.builtin.import_role": {"name": ROLE, "tasks_from": "cluster.yml"}}
WRITE = {
    "ansible.builtin.copy": {
        "content": "{{ {'nodes': director_nodes, 'said': director_real_servers} | to_json }}",
        "dest": "{{ inventory_dir }}/{{ inventory_hostname }}.json",
    }
}
FROM = {"mesh_nodes_from_cluster": True}
ALL = {**FROM, "mesh_nodes_unmanaged": "yes"}
WORKER = {"worker1": "192.168.0.71"}


def listed(*numbers: int) -> dict[str, Any]:
    items = [
        {
            "metadata": {"name": f"node{number}"},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": f"192.168.0.7{number}"}],
            },
        }
        for number in numbers
    ]
    return {"kind": "NodeList", "metadata": {}, "items": items}


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    server.objects = {"/version": {"gitVersion": "v1.36.3"}, NODES: listed(1, 3)}
    yield server
    server.close()


def run(root: Path, folder: Path, api: Api, tasks: list[Any], **variables: Any) -> subprocess.CompletedProcess[str]:
    """On two directors that are this machine, with one node of the cluster in the inventory."""
    Site(folder, api, "", {})
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "mesh_vip": "192.168.0.62",
        "mesh_kubeconfig": str(folder / "kubeconfig"),
        **variables,
    }
    children = {
        "director": {"hosts": {name: {"mesh_vm_address": f"192.168.0.{name[3:]}"} for name in ("lvs60", "lvs61")}},
        "k8s_nodes": {"hosts": {name: {"ansible_host": address} for name, address in WORKER.items()}},
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"vars": common, "children": children}}))
    (folder / "play.yml").write_text(yaml.safe_dump([{"hosts": "director", "gather_facts": False, "tasks": tasks}]))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(root / "build/collections"), "ANSIBLE_NOCOLOR": "1"}
    environment |= {"ANSIBLE_HOME": str(folder / "ansible")}
    return subprocess.run(
        [f"{Path(sys.executable).parent}/ansible-playbook", "-i", "hosts.yml", "play.yml"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def found(folder: Path) -> dict[str, Any]:
    """What each of them has, which is the same."""
    one, other = (json.loads((folder / f"{name}.json").read_text()) for name in ("lvs60", "lvs61"))
    assert one == other
    return one


def test_nobody_is_asked_by_default(root: Path, tmp_path: Path, api: Api) -> None:
    done = run(root, tmp_path, api, [ASK, WRITE])
    assert done.returncode == 0, done.stdout + done.stderr
    assert found(tmp_path) == {"nodes": WORKER, "said": {}}
    assert api.requests == []


def test_the_api_is_asked_once(root: Path, tmp_path: Path, api: Api) -> None:
    done = run(root, tmp_path, api, [ASK, WRITE], **ALL)
    assert done.returncode == 0, done.stdout + done.stderr
    node3 = {"node3": "192.168.0.73"}
    assert found(tmp_path)["nodes"] == {**WORKER, **node3}
    assert found(tmp_path)["said"] == {"unmanaged": node3, "unready": {}, "gone": {}, "refused": [], "unknown": ""}
    assert [path.partition("?")[0] for path in api.requests] == ["/version", NODES]


def test_what_preflight_has_asked_counts(root: Path, tmp_path: Path, api: Api) -> None:
    look = {
        "mesh.expansion.kube_access_info": {"documents": [{"kind": "Node"}], "kubeconfig": "{{ mesh_kubeconfig }}"},
        "register": "__preflight_cluster",
        "run_once": True,
    }
    done = run(root, tmp_path, api, [look, ASK, WRITE], **ALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(found(tmp_path)["nodes"]) == ["worker1", "node3"]
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ({NODES: listed(1, 3)}, "node3 (192.168.0.73) is a ready node of the cluster and has no host in the group"),
        ({}, "mesh_nodes_from_cluster: the cluster's nodes are not known:"),
        ({NODES: listed(2)}, "none of the hosts of the group k8s_nodes, worker1 (192.168.0.71), is a node of the clus"),
    ],
    ids=["without a host", "unknown", "another cluster"],
)
def test_nothing_is_done_where_it_is_not_decided(
    root: Path, tmp_path: Path, api: Api, objects: dict[str, Any], words: str
) -> None:
    api.objects = {"/version": {"gitVersion": "v1.36.3"}, **objects} if objects else {}
    done = run(root, tmp_path, api, [{"ansible.builtin.import_role": {"name": ROLE}}], **FROM)
    assert done.returncode != 0
    assert words in " ".join(done.stdout.split())
    assert "Look at what is there" not in done.stdout
