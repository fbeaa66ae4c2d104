"""What is done on the control node is done as whoever runs Ansible: root of the hosts need not be root there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


def delegated(items: Any) -> Iterator[dict[str, Any]]:
    """Tasks and blocks for the control node, wherever they stand."""
    for item in items if isinstance(items, list) else []:
        if item.get("delegate_to") == "localhost":
            yield item
        for key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
            yield from delegated(item.get(key))


FILES = [*(ROOT / "roles").glob("*/tasks/*.yml"), *(ROOT / "playbooks").glob("*.yml")]
FOUND = [(path, task) for path in sorted(FILES) for task in delegated(yaml.safe_load(path.read_text()))]


def test_there_are_some() -> None:
    assert len({path for path, _task in FOUND}) > 10


@pytest.mark.parametrize(("path", "task"), FOUND, ids=[f"{path.parts[-3]}-{task['name']}" for path, task in FOUND])
def test_nobody_becomes_root_there(path: Path, task: dict[str, Any]) -> None:
    """The variable, not the keyword: `ansible_become` of an inventory counts for localhost too, and goes before it."""
    assert task.get("vars", {}).get("ansible_become") is False, path
    assert "become" not in task
    # Where the Kubernetes client is.
    assert task["vars"]["ansible_python_interpreter"] == "{{ ansible_playbook_python }}"
