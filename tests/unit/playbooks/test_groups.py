# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No playbook skips all of its plays when a group of the inventory is misspelt or empty: its first play requires every
group that any of them works on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[3] / "playbooks"
PLAYBOOKS = sorted(path.name for path in FOLDER.glob("*.yml"))
# Or one host that an earlier play of site.yml has chosen.
CHOICE = r"(?:__verify_judge \| default\(''\) or )?"
REQUIRING = re.compile(r"\{\{ " + CHOICE + r"groups \| mesh\.expansion\.mesh_hosts\(\[(.*)\]\) \}\}")


def plays(name: str) -> list[dict[str, Any]]:
    found = []
    for play in yaml.safe_load((FOLDER / name).read_text()):
        imported = play.get("ansible.builtin.import_playbook")
        found += plays(imported) if imported else [play]
    return found


# Of hosts that an earlier play has chosen from those that were required.
CHOSEN = re.compile(r"\{\{ groups\['__\w+'\] \| default\(\[\]\) \}\}")


# Of a group those that an earlier play has told something of.
AMONG = re.compile(r"groups\['(\w+)'\] \| default\(\[\]\)")


def groups(hosts: str) -> set[str]:
    if CHOSEN.fullmatch(hosts):
        return set()
    if AMONG.search(hosts):
        return set(AMONG.findall(hosts))
    required = REQUIRING.fullmatch(hosts)
    return set(re.findall(r"'(\w+)'", required[1])) if required else set(hosts.split(":"))


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_first_play_requires_all_groups(name: str) -> None:
    first, *others = (play["hosts"] for play in plays(name))
    assert REQUIRING.fullmatch(first), first
    # One that requires them itself is not skipped.
    skipped = [hosts for hosts in others if not REQUIRING.fullmatch(hosts)]
    assert set().union(*map(groups, skipped)) <= groups(first)


@pytest.mark.parametrize(
    ("children", "words"),
    [
        (
            {"directors": ["a"], "k8s_nodes": ["b"], "vms": ["c"]},
            "has no group 'director', only 'directors': call",
        ),
        (
            {"director": ["a"], "k8s_nodes": [], "vms": ["c"]},
            "The group 'k8s_nodes' of the inventory has no hosts: p",
        ),
    ],
    ids=["misspelt", "empty"],
)
def test_a_group_that_is_not_there_ends_the_first_command(
    children: dict[str, list[str]], words: str, root: Path, tmp_path: Path
) -> None:
    inventory = {group: {"hosts": dict.fromkeys(hosts, {})} for group, hosts in children.items()}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": inventory}}))
    command = [f"{Path(sys.executable).parent}/ansible-playbook", "-i", "hosts.yml", "mesh.expansion.preflight"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(root / "build/collections"), "ANSIBLE_NOCOLOR": "1"}
    environment |= {"ANSIBLE_HOME": str(tmp_path / "ansible")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert words in " ".join((done.stdout + done.stderr).split())
