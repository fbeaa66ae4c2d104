# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the bench's part failover."""

from __future__ import annotations

from tests.bench import failover


def result(broken: int, silence: float, window: float) -> dict[str, float]:
    return {"broken": broken, "silence_s": silence, "window_s": window, "new": 100, "failed": 3}


def test_minimum_median_and_maximum_beside_the_peer() -> None:
    ours = {"a": [result(0, 1.5, 0.9), result(0, 1.1, 0.5), result(1, 1.2, 0.7)], "b": [result(0, 1, 0)]}
    row, alone = failover.summed_up(ours, {"a": [result(2, 3, 1)]})
    assert (row["case"], row["runs"]) == ("a", 3)
    assert (row["broken"], row["silence_s"], row["window_s"]) == ([0, 0, 1], [1.1, 1.2, 1.5], [0.5, 0.7, 0.9])
    assert row["peer_silence_s"] == [3, 3, 3]
    assert not any(name.startswith("peer_") for name in alone)


def test_the_configuration_by_hand_is_complete() -> None:
    text = failover._PEER.format(own="192.0.2.1", other="192.0.2.2", priority=120, servers="    real_server {\n    }")
    assert text.count("{") == text.count("}")
