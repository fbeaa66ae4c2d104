"""docs/variables.md: all variables that the code reads, as they are now, each with an example that is taken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import variables
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import site as sites


def read_by_the_code() -> set[str]:
    found: set[str] = set()

    def read(name: str) -> Any:
        found.add(name)
        return None

    sites.parse(read, variables.GROUPS, lambda _name: read)
    directly = (variables.read_directly(path.read_text()) for path in variables.PLAYBOOKS)
    return {name for name in found if name.startswith("mesh_")}.union(*directly)


def test_every_variable_has_a_line() -> None:
    assert set(variables.variables()) == read_by_the_code()


def test_the_page_is_of_today() -> None:
    assert variables.PAGE.read_text() == variables.page(), "run: python scripts/variables.py"


@pytest.mark.parametrize("name", variables.variables())
def test_an_example_is_taken(name: str) -> None:
    for before, after in variables.example(name):
        assert [problem for problem in after.problems if problem not in before.problems] == []


def test_a_variable_goes_to_the_roles_that_take_it() -> None:
    assert variables.goes_to("mesh_vm_group") == [
        "istio_sidecar_workload_group",
        "istio_sidecar_workload",
        "registration_hosts",
        "verify_registrations",
    ]
    assert variables.goes_to("mesh_vm_weight") == ["registration_hosts", "verify_registrations"]
    assert "director_vip" in variables.goes_to("mesh_vip")
    assert variables.goes_to("mesh_pod_cidr") == []


def test_the_readme_names_no_other(root: Path) -> None:
    text = (root / "README.md").read_text()
    cells = " ".join(re.findall(r"^\|([^|]+)\|", text, re.MULTILINE))
    modules = {path.stem for path in (root / "plugins/modules").glob("mesh_*.py")}
    assert set(re.findall(r"`(mesh_\w+)`", cells)) - modules <= set(variables.variables())
