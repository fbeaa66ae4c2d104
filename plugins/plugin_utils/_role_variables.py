# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What inventories set of the roles' variables, judged by the roles' own specifications. Private to the collection.

Ansible judges a role's variables when the role begins, on each host anew and when others have changed things already.
Here those that somebody has set are judged for all hosts at once, before the first change.
"""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from jinja2.exceptions import UndefinedError
from jinja2.runtime import Undefined

ROLES = Path(__file__).resolve().parents[2] / "roles"
# More are not told by name.
SHOWN = 3

Options = t.Dict[str, t.Dict[str, t.Any]]


@functools.cache
def options() -> dict[str, Options]:
    """Of each role the variables that any of its entry points takes, none of them required, without defaults."""
    found: dict[str, Options] = {}
    for path in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        entry_points = yaml_load(path.read_text(encoding="utf-8"))["argument_specs"].values()
        found[path.parents[1].name] = {
            name: {key: value for key, value in option.items() if key not in ("required", "default")}
            for entry_point in entry_points
            for name, option in entry_point.get("options", {}).items()
        }
    return found


def problems(hosts: t.Mapping[str, t.Mapping[str, t.Any]], roles: t.Mapping[str, Options] | None = None) -> list[str]:
    """A sentence for each value that a role would refuse, with the hosts that it is set for."""
    found: dict[str, list[str]] = {}
    for host, variables in hosts.items():
        for role, known in (options() if roles is None else roles).items():
            for name in known:
                if name in variables:
                    for said in _judge(name, known[name], variables):
                        found.setdefault(f"role {role}: {said}", []).append(host)
    return [f"{said} Set for {_named(at)}: correct it where it is set." for said, at in found.items()]


def _judge(name: str, option: dict[str, t.Any], variables: t.Mapping[str, t.Any]) -> list[str]:
    try:
        value = variables[name]
    except (AnsibleError, UndefinedError):
        # Made from what only the role itself knows, which judges it.
        return []
    if isinstance(value, Undefined):
        return []
    result = ArgumentSpecValidator({name: option}).validate({name: value})
    return [f"{message.rstrip('.')}." for message in result.error_messages]


def _named(hosts: t.Sequence[str]) -> str:
    more = f" and {len(hosts) - SHOWN} more" if len(hosts) > SHOWN else ""
    return ", ".join(hosts[:SHOWN]) + more
