"""A generation of the control plane is data: what differs is asked of it, and only the registry compares names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import generations

NAMES = frozenset({"citadel", "istiod"})
REGISTRY = "plugins/module_utils/_mesh/generations/__init__.py"
_NAME = rf"""['"](?:{"|".join(sorted(NAMES))})['"]"""
# Of an expression in YAML: a name beside an operator, or in the list behind one.
_COMPARED = re.compile(rf"[!=]=\s*{_NAME}|\bin\s*[\[(][^\])]*{_NAME}|{_NAME}\s*(?:[!=]=|(?:not )?in\b)")


def names_in(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Constant) and part.value in NAMES for part in ast.walk(node))


def compared_in_python(text: str) -> Iterator[int]:
    """Lines of comparisons with a name, also by `in`, and of cases of a match."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            # A call or a subscript in it is not what is compared.
            sides = [node.left, *node.comparators]
            if any(names_in(side) for side in sides if isinstance(side, (ast.Constant, ast.Tuple, ast.List, ast.Set))):
                yield node.lineno
        elif isinstance(node, ast.MatchValue) and names_in(node.value):
            yield node.value.lineno


def compared_in_yaml(text: str) -> Iterator[int]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#") and _COMPARED.search(line):
            yield number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x == 'istiod'", True),
        ("'citadel' != x", True),
        ("x in ('citadel', 'other')", True),
        ("x not in {'istiod'}", True),
        ("match x:\n case 'istiod': pass", True),
        ("x == 'istio'", False),
        ("site.generation('istiod') is None", False),
        ("spec = {'choices': ['citadel', 'istiod']}", False),
    ],
)
def test_what_counts_in_python(text: str, found: bool) -> None:
    assert bool(list(compared_in_python(text))) is found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("when: mesh_control_plane == 'istiod'", True),
        ("when: \"'istiod' == x\"", True),
        ("when: x in ['citadel', 'istiod']", True),
        ("when: x in ['other', 'istiod']", True),
        ("when: 'istiod' not in x", True),
        ("x: \"{{ y | default('citadel') }}\"", False),
        ("# x == 'istiod'", False),
        ("choices: ['citadel', 'istiod']", False),
    ],
)
def test_what_counts_in_yaml(text: str, found: bool) -> None:
    assert bool(list(compared_in_yaml(text))) is found


def test_the_names_are_the_registrys() -> None:
    assert set(generations._ALL) <= NAMES


def test_only_the_registry_compares_names(root: Path) -> None:
    places = []
    for folder in ("plugins", "roles", "playbooks"):
        for path in sorted((root / folder).rglob("*")):
            name = str(path.relative_to(root))
            if path.suffix == ".py" and name != REGISTRY:
                places += [f"{name}:{line}" for line in compared_in_python(path.read_text())]
            elif path.suffix in (".yml", ".j2"):
                places += [f"{name}:{line}" for line in compared_in_yaml(path.read_text())]
    assert places == []
