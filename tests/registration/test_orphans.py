# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who belongs to nobody, on a real API server: the note is on the object, and goes with the VM."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import parse_registrations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.orphans import Outcome
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.searcher import Searcher
from ansible_collections.mesh.expansion.plugins.modules.istio_orphans import describe, inventory

from tests.registration.apiserver import ApiServer
from tests.registration.seen import Seen
from tests.registration.test_backends import BACKENDS, eventually, register, service
from tests.registration.test_backends import VMS as PLAIN

# As an inventory has them.
VMS = [{**vm, "group": "web"} for vm in PLAIN]
START = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def search(server: ApiServer, backend: str, now: datetime.datetime) -> Outcome:
    known = inventory(parse_registrations([service(VMS[0])], backend=""), [])
    searcher = Searcher(connect(str(server.kubeconfig)), backend, known, [], now)
    found = searcher.plan("default")
    searcher.remember("default", found)
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_that_is_silent_for_a_day_goes(server: ApiServer, seen: Seen, backend: str) -> None:
    register(server, backend, service(*VMS))
    assert describe([search(server, backend, START)], DAY.total_seconds(), START)["due"] == []
    # What was noted is no reason for a run to write.
    assert register(server, backend, service(VMS[0])).written == []
    found = search(server, backend, START + DAY)
    assert found.operations == []
    register(server, backend, *describe([found], DAY.total_seconds(), START + DAY)["due"], state="absent")
    assert seen.addresses("web", backend) == ["10.1.0.1"]
    assert search(server, backend, START + DAY).orphans == []
    register(server, backend, service(*VMS), state="absent")
    eventually("nothing is left", lambda: seen.ours() == set())
