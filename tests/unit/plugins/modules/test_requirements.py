# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each module's documentation says that it requires is what its code imports and runs."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
MODULES = sorted((PLUGINS / "modules").glob("[!_]*.py"))
OURS = "ansible_collections.mesh.expansion.plugins"
# Of a library, and of a program, the word by which it is required. kubernetes brings yaml, and every module that uses
# yaml without it does so where it is there.
LIBRARIES = {"kubernetes": "kubernetes", "cryptography": "cryptography"}
PROGRAMS = {"ip": "iproute2", "systemctl": "systemd", "dpkg-query": "dpkg", "dpkg-deb": "dpkg", "dpkg": "dpkg"}
# Programs in what a module imports that it does not run, each with the reason.
UNUSED = {
    "diagnose_cluster": {"systemd": "of the host's catalogue, beside which its own stands"},
    "diagnose_look": {"systemd": "what is not there is said to be missing, as every other program"},
    "director_apply": {"dpkg": "of keepalived only, whose package is named"},
    "director_look": {"dpkg": "of keepalived only, whose package is named"},
    "real_server_apply": {"systemd": "of the director's transactions, which it shares"},
    "real_server_look": {"systemd": "of the director's transactions, which it shares"},
}


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        name = (node.module or "").replace(".", "/")
        if node.level:
            base = path.parents[node.level - 1] / name
        elif (node.module or "").startswith(OURS):
            base = PLUGINS / (node.module or "").removeprefix(OURS).strip(".").replace(".", "/")
        else:
            continue
        for found in (base.with_suffix(".py"), base / "__init__.py", *(base / f"{a.name}.py" for a in node.names)):
            if found.is_file():
                yield found


@cache
def sources(path: Path) -> str:
    """The text of a module and of all of ours that it imports, and of its action plugin."""
    action = PLUGINS / "action" / path.name
    seen, waiting = set(), [path, *([action] if action.is_file() else [])]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += _imported(one)
    return "\n".join(one.read_text() for one in sorted(seen))


def documentation(path: Path) -> dict[str, list[str]]:
    """With that of its fragments, as far as requirements go."""
    found = yaml.safe_load(importlib.import_module(f"{OURS}.modules.{path.stem}").DOCUMENTATION)
    requirements = list(found.get("requirements", []))
    for name in found.get("extends_documentation_fragment", []):
        *_collection, file, section = [*name.split("."), "DOCUMENTATION"][:4]
        fragment = importlib.import_module(f"{OURS}.doc_fragments.{file}").ModuleDocFragment
        requirements += yaml.safe_load(getattr(fragment, section.upper())).get("requirements", [])
    return {**found, "requirements": requirements}


def used(path: Path) -> set[str]:
    text = sources(path)
    libraries = {word for name, word in LIBRARIES.items() if re.search(rf"^\s*(import|from) {name}\b", text, re.M)}
    programs = {word for name, word in PROGRAMS.items() if re.search(rf'\(\[\s*"{name}",', text)}
    return libraries | programs - set(UNUSED.get(path.stem, {}))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_what_is_used_is_required_and_no_more(path: Path) -> None:
    required = " ".join(documentation(path)["requirements"])
    known = {word for word in {*LIBRARIES.values(), *PROGRAMS.values()} if re.search(rf"\b{word}\b", required)}
    assert known == used(path)
