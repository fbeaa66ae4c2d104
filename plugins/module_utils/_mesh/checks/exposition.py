# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics as Prometheus reads them from a text file. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

GAUGE, COUNTER = "gauge", "counter"
Sample = t.Tuple[t.Mapping[str, str], float]


class Metric(t.NamedTuple):
    """One name with all of its values."""

    name: str
    text: str
    samples: t.Sequence[Sample]
    kind: str = GAUGE


def render(metrics: t.Iterable[Metric]) -> str:
    """Of a metric without a value there is nothing."""
    lines = []
    for metric in metrics:
        if metric.samples:
            lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [f"{metric.name}{_labels(labels)} {value:.0f}" for labels, value in metric.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: t.Mapping[str, str]) -> str:
    joined = ",".join(f"{key}={_quoted(value)}" for key, value in labels.items())
    return f"{{{joined}}}" if joined else ""


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
