# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is named as left over when VMs could not be taken out is what taking them out deletes."""

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.left import left_over
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.services import BACKENDS

from tests.unit.plugins import registrations
from tests.unit.plugins.fake_kube import FakeStore
from tests.unit.plugins.registrations import VM1, VM2, service

SERVICES = (
    service(VM1, VM2, service_account="shop", plain_clients=True),
    service(VM1, name="stock", ports=["grpc:9443"], service_account="shop"),
)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_would_be_deleted_is_named(backend: str) -> None:
    store = FakeStore()
    # All members of a group serve the same Services.
    services = SERVICES[:1] if backend == "auto" else SERVICES
    registrations.run(store, backend, *services)
    done = registrations.run(store, backend, *services, state="absent")
    batch = registrations.batch(backend, *services, state="absent")
    left = left_over(batch, Wish("absent", backend), [])
    deleted = [text.removeprefix("delete ") for text in done.written if text.startswith("delete ")]
    named = [label for label in deleted if not label.startswith("EndpointSlice ")]
    assert named
    assert set(named) == {label for label in left if not label.startswith("EndpointSlices of ")}
    # Their names are not known beforehand.
    assert (len(named) < len(deleted)) is any(label == "EndpointSlices of Service default/web" for label in left)
    # What was deleted before it failed is not left over.
    assert not set(left_over(batch, Wish("absent", backend), done.written)) & set(named)


def test_a_group_of_its_own_and_the_account_of_others() -> None:
    batch = registrations.batch("auto", service({**VM1, "group": "own"}, VM2), state="absent")
    assert left_over(batch, Wish("absent", "auto"), []) == [
        "Service default/web",
        "WorkloadGroup default/own",
        "WorkloadGroup default/web",
    ]
