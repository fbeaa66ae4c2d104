# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rollout has finished, from what a Deployment says of itself."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.rollout import unfinished

UP = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
LATE = {"type": "Progressing", "status": "False", "message": "ReplicaSet x has timed out progressing."}
REFUSED = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
FINE = {"type": "Available", "status": "True", "message": "it has minimum availability"}


def deployment(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 3}, "spec": {"replicas": 2, **(spec or {})}, "status": {**UP, **status}}


@pytest.mark.parametrize(
    "found",
    [
        deployment(),
        deployment(conditions=[FINE, LATE]),
        # Its controller ends pods of the present template.
        deployment({"replicas": 1}),
        # An API server leaves out what is zero.
        {"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": {"observedGeneration": 1}},
        # One is what a Deployment wants that does not say.
        {"metadata": {}, "spec": {}, "status": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}},
    ],
)
def test_finished(found: dict[str, Any]) -> None:
    assert unfinished(found) == ""


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"metadata": {"generation": 1}, "spec": {}}, "its controller has not seen its last change yet"),
        (deployment(observedGeneration=2), "its controller has not seen its last change yet"),
        (deployment(updatedReplicas=1), "1 of 2 pods are of its present template"),
        (deployment(replicas=3), "1 pods of its former template have not ended"),
        (deployment(availableReplicas=0), "0 of 2 pods are available"),
        (deployment(availableReplicas=0, conditions=[FINE]), "0 of 2 pods are available"),
        (
            deployment(availableReplicas=0, conditions=[FINE, LATE]),
            "0 of 2 pods are available (ReplicaSet x has timed out progressing)",
        ),
        (
            deployment(updatedReplicas=0, conditions=[REFUSED]),
            "0 of 2 pods are of its present template (FailedCreate)",
        ),
        (
            deployment({"paused": True}, updatedReplicas=0),
            "0 of 2 pods are of its present template (it is paused)",
        ),
    ],
)
def test_unfinished(found: dict[str, Any], why: str) -> None:
    assert unfinished(found) == why
