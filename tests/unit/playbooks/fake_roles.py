# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook of the collection with roles that only say where they are run, or fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
# Of a host: it does not answer.
AWAY = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_retries": 0}


def say(what: str, **more: Any) -> Json:
    return {"name": f"Say {what}", "ansible.builtin.debug": {"msg": f"{what}"}, **more}


def fail(when: str) -> Json:
    return {
        "name": f"Break {when}",
        "ansible.builtin.fail": {"msg": f"{when} it is"},
        "when": f"{when} | default(false)",
    }


def make(root: Path, tmp_path: Path, playbook: str, roles: Mapping[str, Sequence[Json]], site: str) -> Path:
    """The collection's folder; C(site) is the code of what the filter mesh_site is here."""
    place = tmp_path / "collections/ansible_collections/mesh/expansion"
    for folder in ("playbooks", "plugins/filter"):
        (place / folder).mkdir(parents=True)
    shutil.copy(root / "galaxy.yml", place)
    for name in (playbook, "preflight"):
        shutil.copy(root / f"playbooks/{name}.yml", place / "playbooks")
    for name in ("mesh_hosts", "mesh_role_problems"):
        shutil.copy(root / f"plugins/filter/{name}.py", place / "plugins/filter")
    for name in ("module_utils", "plugin_utils"):
        (place / "plugins" / name).symlink_to(root / "plugins" / name)
    (place / "plugins/filter/mesh_site.py").write_text(site)
    for name, tasks in roles.items():
        path = place / "roles" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(list(tasks)))
    return tmp_path / "collections"


def with_filters(root: Path, tmp_path: Path, playbook: str, roles: Mapping[str, Sequence[Json]]) -> Path:
    """The collection's folder with all of its own filters; C(roles) are by ROLE/FILE of their tasks."""
    place = tmp_path / "collections/ansible_collections/mesh/expansion"
    for path in ("galaxy.yml", "meta/runtime.yml", f"playbooks/{playbook}.yml"):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, place / path)
    for path in ("filter", "module_utils", "plugin_utils"):
        shutil.copytree(root / "plugins" / path, place / "plugins" / path)
    for name, tasks in roles.items():
        role, _slash, file = name.partition("/")
        (place / "roles" / role / "tasks").mkdir(parents=True, exist_ok=True)
        (place / "roles" / role / f"tasks/{file}.yml").write_text(yaml.safe_dump(list(tasks)))
    return tmp_path / "collections"


def ansible(
    collections: Path,
    playbook: str,
    vms: Json,
    *arguments: str,
    directors: Json | None = None,
    nodes: Json | None = None,
) -> subprocess.CompletedProcess[str]:
    """A playbook of the collection, on hosts that are all this machine."""
    folder = collections.parent
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    groups = {"director": directors or {"lvs1": {}}, "k8s_nodes": nodes or {"node1": {}}, "vms": vms}
    children = {name: {"hosts": hosts} for name, hosts in groups.items()}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"vars": variables, "children": children}}))
    command = [
        f"{Path(sys.executable).parent}/ansible-playbook",
        "-i",
        "hosts.yml",
        f"mesh.expansion.{playbook}",
        *arguments,
    ]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1"}
    environment |= {"ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def run(collections: Path, playbook: str, vms: Json, words: str, *arguments: str) -> tuple[bool, list[str], str]:
    """Whether it succeeded, what was done in order, by the words that it begins with, and all that was printed."""
    done = ansible(collections, playbook, vms, *arguments)
    steps = re.findall(rf"^    msg: ((?:{words})\b.*)$", done.stdout, re.MULTILINE)
    return done.returncode == 0, steps, done.stdout + done.stderr
