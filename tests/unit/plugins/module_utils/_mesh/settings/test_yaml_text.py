# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that every reader of YAML understands alike."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.yaml_text import explicit
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("text", ["1e3", "0o7", "1_000", "y", "n", "yes", "Off", "null", "~", "2020-01-01", "1:30", ""])
def test_what_looks_like_something_else_is_in_quotes(text: str) -> None:
    assert explicit({"key": text}).strip() in (f'key: "{text}"', f"key: '{text}'")


@pytest.mark.parametrize("text", ["istiod.istio-system.svc", "default", "a/b_c"])
def test_plain_words_are_not(text: str) -> None:
    assert explicit({"key": text}) == f"key: {text}\n"


class Tagged(str):
    """As values of variables are."""


def test_kinds_of_text_are_text() -> None:
    assert explicit({Tagged("key"): Tagged("Kubernetes")}) == "key: Kubernetes\n"


def test_keys_are_in_order_and_nothing_is_shared() -> None:
    part = {"zone": 1, "area": 2}
    assert explicit({"two": part, "one": part}) == "one:\n  area: 2\n  zone: 1\ntwo:\n  area: 2\n  zone: 1\n"


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.lists(st.text())))
def test_what_is_read_is_what_was_written(content: dict[str, object]) -> None:
    assert yaml.safe_load(explicit(content)) == content
