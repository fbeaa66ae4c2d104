# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table travels as one text; what is no table, as it is."""

from __future__ import annotations

import types
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils import _packed

TABLE = [{"tcp_service": "192.0.2.62:53", "real_servers": [{"real_server": "192.0.2.71:53", "weight": 2}]}, {}]


def test_there_and_back() -> None:
    packed = _packed.pack(TABLE)
    assert len(packed) == 1
    assert all(isinstance(value, str) for value in packed[0].values())
    assert _packed.unpack(packed) == TABLE


@pytest.mark.parametrize("given", [None, "a,b", [], [{}, "b"], {"a": 1}, [{"when": {1, 2}}]])
def test_anything_else_is_for_the_module(given: Any) -> None:
    assert _packed.pack(given) is given


@pytest.mark.parametrize(
    "given", [[], TABLE, [{"packed": "[]", "tcp_service": "x"}], ["packed"], [{"packed": "[]"}], [{"packed": 1}]]
)
def test_nothing_was_packed(given: list[Any]) -> None:
    assert _packed.unpack(given) is None


@pytest.mark.parametrize("end", ["exit_json", "fail_json"])
def test_the_result_goes_back_the_same_way(end: str) -> None:
    said: list[dict[str, Any]] = []
    module = types.SimpleNamespace(params={"services": [], "purge": "all"}, check_mode=True)
    setattr(module, end, lambda **result: said.append(result))
    opened = _packed.Unpacked(module, "services", TABLE)
    assert (opened.params, opened.check_mode) == ({"services": TABLE, "purge": "all"}, True)
    result = {"changed": True, "msg": "so", "services": TABLE, "operations": ["-A"], "diff": {"before": ""}}
    getattr(opened, end)(**result)
    assert set(said[0]) == {"changed", "msg", "packed"}
    assert _packed.unpack_result({**said[0], "warnings": []}) == {**result, "warnings": []}


def test_a_result_that_was_not_packed_stays() -> None:
    result = {"failed": True, "msg": "no Python"}
    assert _packed.unpack_result(result) == result
