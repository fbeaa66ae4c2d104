# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody set of the roles' variables is judged before the roles begin."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible_collections.mesh.expansion.plugins.plugin_utils import _role_variables
from ansible_collections.mesh.expansion.plugins.plugin_utils._role_variables import problems
from jinja2.runtime import Undefined


class Lazy(t.Dict[str, t.Any]):
    """As Ansible gives a host's variables: a value is evaluated when it is read."""

    def __getitem__(self, name: str) -> t.Any:
        value = super().__getitem__(name)
        if isinstance(value, Exception):
            raise value
        return value


def test_every_role_has_variables_that_it_alone_has() -> None:
    roles = _role_variables.options()
    assert set(roles) == {path.name for path in _role_variables.ROLES.iterdir()}
    for role, known in roles.items():
        assert {name.startswith(f"{role}_") for name in known} == {True}, role
        assert not any({"required", "default"} & set(option) for option in known.values())


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("istio_sidecar_timeout", "soon", "role istio_sidecar: argument 'istio_sidecar_timeout' is of type str"),
        ("istio_sidecar_extra_env", ["A=1"], "role istio_sidecar: argument 'istio_sidecar_extra_env' is of type list"),
        ("director_ha", "vrrp", "role director: value of director_ha must be one of: "),
        ("real_server_manage_arp", "perhaps", "'perhaps'"),
    ],
)
def test_a_value_that_a_role_would_refuse(variable: str, value: t.Any, said: str) -> None:
    (problem,) = problems({"vm1": {variable: value, "unrelated": 1}})
    assert said in problem
    assert problem.endswith("Set for vm1: correct it where it is set.")


def test_each_wrong_value_once_for_all_hosts_and_all_of_them() -> None:
    wrong = {"istio_sidecar_timeout": "soon", "director_ha": "vrrp"}
    found = problems({f"vm{number}": wrong for number in range(5)})
    assert len(found) == 2
    assert all("Set for vm0, vm1, vm2 and 2 more: " in problem for problem in found)


def test_good_values_and_those_that_only_the_role_can_evaluate() -> None:
    assert not problems(
        {
            "vm1": Lazy(
                istio_sidecar_timeout="60",
                dnsmasq_mode=AnsibleUndefinedVariable("x"),
                director_router_id=Undefined(),
                verify_timeout=None,
            )
        }
    )


def test_one_role_is_judged_alone() -> None:
    hosts = {"web1": Lazy(istio_sidecar_timeout="soon", preflight_manage_arp="perhaps")}
    known = _role_variables.options()
    (said,) = problems(hosts, {"preflight": known["preflight"]})
    assert said.startswith("role preflight: ")
    assert len(problems(hosts)) == 2
