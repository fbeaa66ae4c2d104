"""Hosts and API are as they were before the scenario."""

from __future__ import annotations

import os

import lab_state


def test_hosts_and_api_are_as_before() -> None:
    assert lab_state.differences(os.environ["MOLECULE_SCENARIO_NAME"]) == []
