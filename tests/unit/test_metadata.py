"""What the collection says about itself in several places is the same everywhere."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

SHIPPED = ("meta", "plugins", "roles", "playbooks")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def requirements(path: Path) -> dict[str, Requirement]:
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    parsed = [Requirement(line) for line in lines if line]
    return {requirement.name: requirement for requirement in parsed}


def test_requirements_yml_and_galaxy_yml_name_the_same_ranges(root: Path) -> None:
    listed = {item["name"]: item["version"] for item in load(root / "requirements.yml")["collections"]}
    assert listed == load(root / "galaxy.yml")["dependencies"]


def test_dependencies_in_the_environment_are_in_the_tested_ranges(root: Path) -> None:
    site = Path(str(metadata.distribution("ansible").locate_file("ansible_collections")))
    for name, wanted in load(root / "galaxy.yml")["dependencies"].items():
        manifest = load(site / name.replace(".", "/") / "MANIFEST.json")
        assert manifest["collection_info"]["version"] in SpecifierSet(wanted), name


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt", "lab/requirements.txt"])
def test_environment_satisfies_the_requirement_files(root: Path, name: str) -> None:
    for requirement in requirements(root / name).values():
        assert metadata.version(requirement.name) in requirement.specifier, requirement.name


def test_execution_environment_needs_what_the_control_node_needs(root: Path) -> None:
    control_node = set(requirements(root / "requirements.txt")) - {"ansible", "ansible-core"}
    assert set(requirements(root / "meta/ee-requirements.txt")) == control_node


def test_the_execution_environment_of_the_page_has_the_same_range(root: Path) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", (root / "docs/execution-environment.md").read_text(), re.M | re.S)
    core = Requirement(yaml.safe_load(block)["dependencies"]["ansible_core"]["package_pip"])
    assert core.specifier == requirements(root / "requirements.txt")["ansible-core"].specifier


def test_changelog_has_the_version(root: Path) -> None:
    version = load(root / "galaxy.yml")["version"]
    assert version in load(root / "changelogs/changelog.yaml")["releases"]
    assert f"v{version}" in (root / "CHANGELOG.md").read_text().replace("\\", "")


@pytest.mark.parametrize(("kind", "folder"), [("modules", "modules"), ("filter", "filter")])
def test_changelog_lists_every_plugin(kind: str, folder: str, root: Path) -> None:
    """What was released is still there, or a fragment says what takes its place; what came later says since when."""
    releases = load(root / "changelogs/changelog.yaml")["releases"]
    released = {
        item["name"]
        for release in releases.values()
        for item in release.get("plugins", release).get(kind, release.get(kind, []))
    }
    present = {path.stem: path for path in (root / "plugins" / folder).glob("[!_]*.py")}
    fragments = [load(path) for path in (root / "changelogs/fragments").glob("*.yml")]
    gone = " ".join(line for fragment in fragments for line in fragment.get("removed_features", []))
    assert [name for name in released - set(present) if not re.search(rf"\b{name}\b", gone)] == []
    for name in set(present) - released:
        (since,) = re.findall(r'^version_added: "(.+)"$', present[name].read_text(), re.MULTILINE)
        assert since not in releases, name


def test_action_group_holds_the_modules_that_talk_to_the_cluster(root: Path) -> None:
    group = load(root / "meta/runtime.yml")["action_groups"]["kube"]
    fragment = "mesh.expansion._kube_auth"
    assert set(group) == {path.stem for path in (root / "plugins/modules").glob("*.py") if fragment in path.read_text()}


def test_nothing_that_ships_reads_from_what_does_not(root: Path) -> None:
    elsewhere = re.compile(r"(?<![\w./-])(?:\.\./)*(?:lab|molecule|tests|inventory)/\w")
    for folder in SHIPPED:
        for path in (root / folder).rglob("*"):
            if path.is_file() and path.suffix in {".py", ".yml", ".yaml", ".j2", ".md", ".sh"}:
                for number, line in enumerate(path.read_text().splitlines(), 1):
                    assert not elsewhere.search(line), f"{path.relative_to(root)}:{number}: {line.strip()}"


@pytest.mark.parametrize("name", ["citadel", "kube_dns", "mixer", "pilot"])
def test_stand_ins_say_so_in_the_first_line(root: Path, name: str) -> None:
    """Programs of the test bed that take the place of upstream's."""
    assert "stand-in" in (root / f"lab/standins/{name}.py").read_text().splitlines()[0].lower()


def test_oldest_managed_python_can_parse_plugins(root: Path) -> None:
    import ast

    for folder in ("modules", "module_utils"):
        for path in (root / "plugins" / folder).rglob("*.py"):
            ast.parse(path.read_text(), filename=str(path), feature_version=(3, 9))
