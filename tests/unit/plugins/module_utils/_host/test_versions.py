# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host.versions import compare
from hypothesis import given, settings
from hypothesis import strategies as st

ORDERED = ["0~rc1", "0", "0.9", "1.0~beta", "1.0", "1.0-1", "1.0-1+b1", "1.0a", "1.0+x", "1.0.5", "1.0.10", "1:0.1"]


@pytest.mark.parametrize("number", range(len(ORDERED)))
def test_the_order_of_debian(number: int) -> None:
    mine = ORDERED[number]
    assert compare(mine, mine) == 0
    for older in ORDERED[:number]:
        assert compare(older, mine) < 0
        assert compare(mine, older) > 0


def test_spellings_of_the_same_version() -> None:
    assert compare("1.0", "0:1.0") == 0
    assert compare("1.0", "1.0-0") == 0
    assert compare("1.00", "1.0") == 0


def dpkg(one: str, other: str) -> int:
    for operator, result in (("lt", -1), ("eq", 0), ("gt", 1)):
        argv = ["dpkg", "--compare-versions", one, operator, other]
        if subprocess.run(argv, check=False, stderr=subprocess.DEVNULL).returncode == 0:
            return result
    raise AssertionError(f"dpkg cannot compare {one} and {other}")


_TEXT = st.from_regex(r"\A([12]:)?[0-9]{1,2}[a-c.+~0-9]{0,5}(-[a-b0-9.+~]{1,3})?\Z")


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is the judge")
@settings(max_examples=120, deadline=None)
@given(_TEXT, _TEXT)
def test_dpkg_agrees(one: str, other: str) -> None:
    found = compare(one, other)
    assert (found > 0) - (found < 0) == dpkg(one, other)
