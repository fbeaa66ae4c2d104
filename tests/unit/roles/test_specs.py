"""Every role's defaults and argument specs agree, and the roles keep to their own variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path.parent.parent for path in (Path(__file__).resolve().parents[3] / "roles").glob("*/tasks/main.yml"))
role = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {} if path.is_file() else {}


def entry_points(path: Path) -> dict[str, dict[str, Any]]:
    return load(path / "meta/argument_specs.yml").get("argument_specs", {})


def is_template(value: Any) -> bool:
    return "{{" in str(value)


def test_there_are_roles() -> None:
    assert ROLES


@role
def test_every_entry_point_has_a_spec_with_descriptions(role: Path) -> None:
    # Task files that users may name with tasks_from; the others are parts of these.
    public = {"main"} | {name for name in ("remove",) if (role / f"tasks/{name}.yml").is_file()}
    specs = entry_points(role)
    assert public <= set(specs)
    for name, spec in specs.items():
        assert (role / f"tasks/{name}.yml").is_file(), f"argument_specs of {name}, which is not a task file"
        assert spec.get("short_description"), name
        assert spec.get("description"), name
        for option, details in spec.get("options", {}).items():
            assert details.get("description"), option
            assert details.get("type"), option


@role
def test_every_default_is_in_the_spec_and_every_optional_option_has_a_default(role: Path) -> None:
    defaults = set(load(role / "defaults/main.yml"))
    for name, spec in entry_points(role).items():
        options = spec.get("options", {})
        optional = {option for option, details in options.items() if not details.get("required")}
        assert optional <= defaults, f"entry point {name}: options without a line in defaults/main.yml"
    assert defaults == {option for option in entry_points(role)["main"].get("options", {}) if option in defaults}, (
        "defaults that the spec of main lacks"
    )


@role
def test_literal_defaults_have_the_same_value_in_the_spec(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    for name, spec in entry_points(role).items():
        for option, details in spec.get("options", {}).items():
            if option not in defaults:
                continue
            if is_template(defaults[option]):
                assert "default" not in details, (
                    f"{name}: {option} is derived, so the spec's default says something else"
                )
            else:
                assert "default" in details, (
                    f"{name}: {option} has the default {defaults[option]!r}, the spec names none"
                )
                assert details["default"] == defaults[option], f"{name}: {option}"
                assert type(details["default"]) is type(defaults[option]), f"{name}: {option}"


@role
def test_variables_have_the_roles_prefix(role: Path) -> None:
    for variable in load(role / "defaults/main.yml"):
        assert variable.startswith(f"{role.name}_")
    for path in (role / "vars").glob("*.yml"):
        for variable in load(path):
            assert variable.startswith(f"__{role.name}_"), path


def expressions(path: Path) -> list[str]:
    """Everything in a file that Jinja evaluates, without the strings in it: messages may name a variable."""
    text = path.read_text()
    found = re.findall(r"\{\{(.*?)\}\}|\{%(.*?)%\}", text, re.DOTALL)
    parts = [first or second for first, second in found]
    if path.suffix == ".yml":
        parts += list(conditions(yaml.safe_load(text)))
    return [re.sub(r"'[^']*'|\"[^\"]*\"", "", part) for part in parts]


def conditions(node: Any) -> Iterator[str]:
    """The values of keywords that are expressions without braces."""
    if isinstance(node, list):
        for item in node:
            yield from conditions(item)
    elif isinstance(node, dict):
        for keyword, value in node.items():
            if keyword in {"when", "that", "until", "changed_when", "failed_when"}:
                yield from (str(item) for item in (value if isinstance(value, list) else [value]))
            else:
                yield from conditions(value)


@role
def test_site_variables_are_read_in_defaults_only(role: Path) -> None:
    # The role mesh_policy has inputs of its own that begin with mesh_policy_.
    site_variable = re.compile(r"(?<![\w.])mesh_(?!policy_)\w+")
    for folder in ("tasks", "handlers", "templates", "vars"):
        for path in (role / folder).rglob("*"):
            if path.is_file():
                for expression in expressions(path):
                    assert not site_variable.search(expression), f"{path}: {expression}"


@role
def test_role_says_what_it_is(role: Path) -> None:
    """README.md explains every variable, or those that people set and where the others are; none that is not there."""
    readme = (role / "README.md").read_text()
    options = set(entry_points(role)["main"].get("options", {}))
    first_cells = " ".join(re.findall(r"^\|([^|]+)\|", readme, re.MULTILINE))
    explained = set(re.findall(rf"`({role.name}_\w+)`", first_cells))
    assert explained <= options
    assert explained == options or "`meta/argument_specs.yml` describes all" in readme, sorted(options - explained)
    assert load(role / "meta/main.yml").get("galaxy_info", {}).get("description")
