"""docs/troubleshooting.md quotes messages that the code has."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text()
FIRST_CELL = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
QUOTES = [*FIRST_CELL.findall(PAGE), *re.findall(r"says `([^`]+)`", PAGE)]


@cache
def messages() -> str:
    """All texts of the plugins, those of several literals in one; and the tasks and playbooks, as they stand."""
    found = []
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    for path in (*(ROOT / "roles").glob("*/tasks/*.yml"), *(ROOT / "playbooks").glob("*.yml")):
        found.append(" ".join(path.read_text().split()))
    return "\n".join(found)


def test_there_are_quotes() -> None:
    assert len(QUOTES) > 10


@pytest.mark.parametrize("quote", QUOTES)
def test_a_message_is_one_of_ours(quote: str) -> None:
    for part in filter(None, (part.strip() for part in quote.split("…"))):
        assert part in messages()


def test_named_playbooks_are_there() -> None:
    for name in set(re.findall(r"mesh\.expansion\.(\w+)", PAGE)):
        assert (ROOT / f"playbooks/{name}.yml").is_file(), name
