"""Examples in documentation are YAML, name things in full, and use options and variables that exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OURS = "mesh.expansion"
BLOCK_KEYWORDS = {"block", "rescue", "always"}

MODULES = sorted(path for path in (ROOT / "plugins/modules").glob("[!_]*.py"))
FILTERS = sorted(path for path in (ROOT / "plugins/filter").glob("[!_]*.py"))
MARKDOWN = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "roles").glob("*/README.md")])


@cache
def keywords() -> frozenset[str]:
    """Keywords of plays, blocks and tasks, as Ansible itself lists them."""
    from ansible.playbook.block import Block
    from ansible.playbook.handler import Handler
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

    names: set[str] = {"action", "local_action", "with_items", "hosts", "import_playbook"} | BLOCK_KEYWORDS
    for kind in (Block, Handler, Play, Task):
        names |= set(kind.fattributes)
    return frozenset(names)


@cache
def documented_options(module: str) -> dict[str, Any]:
    """Options of a module as ansible-doc knows them, with those of its documentation fragments."""
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
    }
    done = subprocess.run(
        ["ansible-doc", "--json", module], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    (entry,) = json.loads(done.stdout).values()
    return entry["doc"].get("options", {})


def role_options(role: str, entry_point: str = "main") -> set[str]:
    assert role.startswith(f"{OURS}."), f"role {role} is not named in full"
    path = ROOT / "roles" / role.removeprefix(f"{OURS}.") / "meta/argument_specs.yml"
    assert path.is_file(), f"there is no role {role}"
    return set(yaml.safe_load(path.read_text())["argument_specs"][entry_point].get("options", {}))


def site_variables() -> set[str]:
    """Site variables that the site, some role's defaults or a playbook reads."""
    files = [
        ROOT / "plugins/module_utils/_mesh/site.py",
        *(ROOT / "roles").glob("*/defaults/main.yml"),
        *(ROOT / "playbooks").glob("*.yml"),
    ]
    return set(re.findall(r"\bmesh_\w+", "\n".join(path.read_text() for path in files)))


def tasks_of(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a list of plays, blocks and tasks."""
    for item in items:
        nested = [
            key for key in ("tasks", "pre_tasks", "post_tasks", "handlers", *sorted(BLOCK_KEYWORDS)) if key in item
        ]
        for key in nested:
            yield from tasks_of(item[key])
        if not nested and "hosts" not in item and "import_playbook" not in item:
            yield item


def check_roles(items: list[dict[str, Any]]) -> None:
    for play in items:
        for role in play.get("roles", []):
            name = role if isinstance(role, str) else role.get("role") or role["name"]
            allowed = role_options(name)
            if isinstance(role, dict):
                assert set(role.get("vars", {})) <= allowed, f"{name}: {role['vars']}"
        if "import_playbook" in play:
            name = play["import_playbook"]
            if name.startswith(f"{OURS}."):
                assert (ROOT / "playbooks" / f"{name.removeprefix(OURS + '.')}.yml").is_file(), name


def check_task(task: dict[str, Any]) -> None:
    actions = [key for key in task if key not in keywords() and not key.startswith("with_")]
    assert len(actions) == 1, f"cannot tell the module of {task}"
    (module,) = actions
    arguments = task[module] or {}
    assert module.count(".") >= 2, f"{module} is not named in full"
    if isinstance(arguments, str):
        return
    if module in ("ansible.builtin.include_role", "ansible.builtin.import_role"):
        allowed = role_options(arguments["name"], arguments.get("tasks_from", "main").removesuffix(".yml"))
        assert set(task.get("vars", {})) <= allowed, f"{arguments['name']}: {task.get('vars')}"
    if module == "ansible.builtin.set_fact":
        return
    options = documented_options(module)
    names = set(options) | {alias for details in options.values() for alias in details.get("aliases", [])}
    assert set(arguments) <= names, f"{module} has no options {sorted(set(arguments) - names)}"
    missing = {name for name, details in options.items() if details.get("required")} - set(arguments)
    assert not missing, f"{module} needs {sorted(missing)}"


def check_filters(text: str) -> None:
    for name in re.findall(rf"\|\s*{re.escape(OURS)}\.(\w+)", text):
        assert (ROOT / f"plugins/filter/{name}.py").is_file(), f"there is no filter {OURS}.{name}"


def check_document(document: Any, text: str) -> None:
    check_filters(text)
    if isinstance(document, list) and all(isinstance(item, dict) for item in document):
        check_roles(document)
        for task in tasks_of(document):
            check_task(task)
    elif isinstance(document, dict):
        unknown = {key for key in document if str(key).startswith("mesh_")} - site_variables()
        assert not unknown, f"site variables that nothing reads: {sorted(unknown)}"


def string_constant(path: Path, name: str) -> str:
    match = re.search(
        rf'^{name} = r?(?P<quote>"""|\'\'\')(?P<text>.*?)(?P=quote)', path.read_text(), re.MULTILINE | re.DOTALL
    )
    assert match, f"{path.name} has no {name}"
    return match["text"]


def yaml_blocks(path: Path) -> list[str]:
    found = re.findall(r"^([ ]*)```ya?ml\n(.*?)^[ ]*```", path.read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _indent, block in found]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_examples(path: Path) -> None:
    text = string_constant(path, "EXAMPLES")
    document = yaml.safe_load(text)
    assert isinstance(document, list)
    assert any(f"{OURS}.{path.stem}" in task for task in tasks_of(document)), "no example of the module itself"
    check_document(document, text)


@pytest.mark.parametrize("path", FILTERS, ids=lambda path: path.stem)
def test_filter_examples(path: Path) -> None:
    text = string_constant(path, "EXAMPLES")
    document = yaml.safe_load(text)
    assert f"{OURS}.{path.stem}" in text
    check_document(document, text)


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_markdown_examples(path: Path) -> None:
    for text in yaml_blocks(path):
        check_document(yaml.safe_load(text), text)


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("name", ["hosts.yml", "group_vars/all.yml"])
def test_readme_shows_the_example_inventory(name: str) -> None:
    """The inventory that README.md explains is the one in inventory/example."""
    wanted = yaml.safe_load((ROOT / "inventory/example" / name).read_text())
    assert wanted in [yaml.safe_load(text) for text in yaml_blocks(ROOT / "README.md")]


@pytest.mark.parametrize("name", ["example", "example-citadel"])
def test_example_inventory_is_understood(name: str) -> None:
    command = ["ansible-inventory", "-i", f"inventory/{name}", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    groups = json.loads(done.stdout)
    for group in ("director", "k8s_nodes", "vms"):
        assert groups[group]["hosts"], group


def test_readme_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        assert set(re.findall(r"`make ([a-z-]+)", path.read_text())) <= targets, path.name


def test_readme_playbooks_exist() -> None:
    named = re.findall(rf"^ansible-playbook .*{re.escape(OURS)}\.(\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert named
    assert [name for name in named if not (ROOT / f"playbooks/{name}.yml").is_file()] == []
