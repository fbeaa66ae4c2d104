# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is registered and belongs to nobody: found in the objects of every backend, and gone when silent for long."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeConflict, KubeForbidden
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    ENDPOINTS,
    WORKLOAD_ENTRIES,
    WORKLOAD_GROUPS,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register import orphans
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.orphans import Orphan, Outcome
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.searcher import Searcher
from ansible_collections.mesh.expansion.plugins.modules.istio_orphans import describe, inventory, notes

from tests.unit.plugins.fake_kube import FakeKube, FakeStore
from tests.unit.plugins.registrations import (
    CARRIERS,
    VM1,
    VM2,
    batch,
    carried,
    istiod_registers,
    objects,
    plan,
    run,
    service,
)

Json = dict[str, Any]
WRITTEN = ["endpoints", "endpoint_slice", "workload_entry"]
GONE = VM2["address"]
NOTE = "mesh.expansion/silent"
DAY = 86400
START = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)


def search(
    store: FakeStore,
    backend: str,
    *services: Json,
    answering: Any = (),
    hours: float = 0,
    addresses: Any = (),
    kube: Any = None,
    remember: bool = True,
) -> Outcome:
    known = inventory(batch(backend, *(services or (service(VM1),))), addresses)
    now = START + datetime.timedelta(hours=hours)
    searcher = Searcher(kube or FakeKube(store), backend, known, answering, now, sleep=lambda _seconds: None)
    found = searcher.plan("default")
    if remember:
        searcher.remember("default", found)
    return found


def one(found: Outcome) -> Orphan:
    (orphan,) = found.orphans
    return orphan


def noted(store: FakeStore) -> dict[str, str]:
    """All notes, read without any code of the product."""
    found: dict[str, str] = {}
    for resource in CARRIERS:
        for body in objects(store, resource).values():
            found.update(json.loads((body["metadata"].get("annotations") or {}).get(NOTE, "{}")))
    return found


def due(found: Outcome, hours: float, after: float = DAY) -> list[Json]:
    return list(describe([found], after, START + datetime.timedelta(hours=hours))["due"])


@pytest.mark.parametrize("backend", WRITTEN)
def test_one_that_is_silent_goes_after_a_day_and_nobody_else(backend: str) -> None:
    store = FakeStore()
    run(store, backend, service(VM1, VM2), service(VM2, name="shop", ports=["grpc:9090"]))
    assert one(search(store, backend, answering=None)).state == "not asked"
    assert noted(store) == {}
    found = search(store, backend)
    assert (one(found).state, one(found).standing.host, due(found, 0)) == ("silent", "vm2", [])
    assert noted(store) == {GONE: "2026-11-28T12:00:00Z"}
    # Later runs note nothing new.
    assert search(store, backend, hours=23).operations == []
    found = search(store, backend, hours=24)
    leaving = due(found, 24)
    assert [(item["name"], [vm["address"] for vm in item["endpoints"]]) for item in leaving] == [
        ("shop", [GONE]),
        ("web", [GONE]),
    ]
    run(store, backend, *leaving, state="absent")
    assert carried(store) == {backend: {f"{VM1['address']}:9080"}}
    assert carried(store, "shop") == {}
    assert search(store, backend).orphans == []
    assert noted(store) == {}


@pytest.mark.parametrize("backend", WRITTEN)
def test_a_registration_leaves_the_note_and_writes_nothing_for_it(backend: str) -> None:
    store = FakeStore()
    run(store, backend, service(VM1, VM2))
    search(store, backend)
    assert plan(store, backend, service(VM1)).operations == []
    run(store, backend, service(VM1, {"address": "192.168.0.83", "host": "vm3"}))
    assert noted(store) == {GONE: "2026-11-28T12:00:00Z"}


@pytest.mark.parametrize("backend", WRITTEN)
def test_one_that_answers_stays_and_its_note_goes(backend: str) -> None:
    store = FakeStore()
    run(store, backend, service(VM1, VM2))
    search(store, backend)
    found = search(store, backend, answering=[GONE], hours=100)
    assert (one(found).state, due(found, 100), noted(store)) == ("answers", [], {})
    # Silent again, it begins anew.
    found = search(store, backend, hours=101)
    assert (due(found, 101), noted(store)) == ([], {GONE: "2026-12-02T17:00:00Z"})


def test_one_that_is_in_the_inventory_again_is_no_orphan_and_its_note_goes() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))
    search(store, "endpoints")
    assert search(store, "endpoints", service(VM1, VM2)).orphans == []
    assert noted(store) == {}
    # Another host of the inventory has the address: it is nobody's to take away.
    assert search(store, "endpoints", addresses=[GONE, "web2.example.com"]).orphans == []


def test_nobody_is_held_to_be_silent_whom_nobody_asked() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))
    search(store, "endpoints")
    found = search(store, "endpoints", answering=None, hours=100)
    assert due(found, 100, after=0) == []
    # That nobody could ask this time does not begin the day anew.
    assert noted(store) == {GONE: "2026-11-28T12:00:00Z"}
    asked = describe([found], DAY, START)["probe"]
    assert asked == [{"address": GONE, "ports": [22, 9080]}]


def test_a_vm_that_istiod_registers_is_silent_when_istiod_says_so() -> None:
    store = FakeStore()
    run(store, "auto", service({**VM1, "group": "one"}, {**VM2, "group": "two"}))
    istiod_registers(store, "one", VM1["address"])
    istiod_registers(store, "two", GONE)
    mine = service({**VM1, "group": "one"})
    # Nobody asks it, and what it would answer does not matter.
    found = search(store, "auto", mine, answering=None, hours=100)
    assert (one(found).state, describe([found], DAY, START)["probe"]) == ("connected", [])
    istiod_registers(store, "two", GONE, connected=False)
    found = search(store, "auto", mine, answering=[GONE])
    # istiod has known it for longer.
    assert (one(found).state, orphans.written(one(found).since or START)) == ("silent", "2026-11-27T00:00:00Z")
    run(store, "auto", *due(found, 0), state="absent")
    assert list(objects(store, WORKLOAD_GROUPS)) == ["one"]


def test_a_vm_that_istiod_has_taken_out_is_silent_from_the_first_look_on() -> None:
    store = FakeStore()
    run(store, "auto", service({**VM1, "group": "one"}, {**VM2, "group": "two"}))
    mine = service({**VM1, "group": "one"})
    found = search(store, "auto", mine)
    assert (one(found).state, due(found, 0)) == ("silent", [])
    assert [item["name"] for item in due(search(store, "auto", mine, hours=25), 25)] == ["web"]


def test_a_vm_behind_a_service_that_the_inventory_does_not_name_is_told_and_stays() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1), service(VM1, name="old", ports=["grpc:9090"]))
    found = search(store, "endpoints", hours=100)
    assert found.orphans == []
    (surplus,) = describe([found], 0, START)["surplus"]
    assert (surplus["address"], surplus["services"]) == (VM1["address"], ["old"])
    assert due(found, 100, after=0) == []


def test_what_others_wrote_is_not_looked_at() -> None:
    store = FakeStore()
    subsets = [{"addresses": [{"ip": GONE}], "ports": [{"name": "http", "port": 9080}]}]
    store.put(ENDPOINTS, "default", {"metadata": {"name": "theirs"}, "subsets": subsets})
    store.put(WORKLOAD_ENTRIES, "default", {"metadata": {"name": "theirs"}, "spec": {"address": GONE}})
    run(store, "workload_entry", service(VM1))
    found = search(store, "workload_entry")
    assert (found.orphans, found.surplus, found.operations) == ([], [], [])


def test_a_note_that_somebody_edited_is_none() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))
    search(store, "endpoints")
    for text in ("{", "[1]", json.dumps({GONE: "long ago"})):
        body = objects(store, ENDPOINTS)["web"]
        body["metadata"]["annotations"][NOTE] = text
        store.put(ENDPOINTS, "default", body)
        assert due(search(store, "endpoints", hours=100), 100) == []
        assert noted(store) == {GONE: "2026-12-02T16:00:00Z"}


def test_a_note_of_the_future_counts_from_now() -> None:
    assert orphans.moment("2026-11-24T10:00:00.123456789+08:00") == orphans.moment("2026-11-24T02:00:00Z")
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))
    search(store, "endpoints", hours=1000)
    assert one(search(store, "endpoints")).since == START


def test_a_note_that_meets_another_write_is_written_on_a_fresh_reading() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))
    left = [1]

    def interfere(_action: str, _key: Any) -> None:
        if left:
            left.clear()
            raise KubeConflict("somebody wrote")

    search(store, "endpoints", kube=FakeKube(store, interfere))
    assert noted(store) == {GONE: "2026-11-28T12:00:00Z"}


def test_kinds_that_may_not_be_read_matter_only_to_their_backend() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))

    class Limited(FakeKube):
        def list(self, resource: Any, *args: Any, **more: Any) -> list[Json]:
            if resource is not ENDPOINTS:
                raise KubeForbidden("no")
            return super().list(resource, *args, **more)

    assert one(search(store, "endpoints", kube=Limited(store))).state == "silent"
    with pytest.raises(KubeForbidden):
        search(store, "auto", kube=Limited(store))


def test_the_diff_shows_the_notes() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))
    shown = notes([search(store, "endpoints", remember=False)])
    assert noted(store) == {}
    assert shown["operations"] == ["update Endpoints default/web"]
    assert shown["diff"] == {
        "before": "Endpoints default/web: no note\n",
        "after": f'Endpoints default/web: {{"{GONE}":"2026-11-28T12:00:00Z"}}\n',
    }
