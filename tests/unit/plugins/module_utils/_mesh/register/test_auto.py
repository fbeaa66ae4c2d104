# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WorkloadGroups: VMs that are alike, who they are, and entries that belong to istiod."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeUnreachable
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    SERVICES,
    WORKLOAD_ENTRIES,
    WORKLOAD_GROUPS,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import RegistrationError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Registrar

from tests.unit.plugins.fake_kube import FakeKube, FakeStore
from tests.unit.plugins.registrations import (
    VM1,
    VM2,
    batch,
    carried,
    cut_after,
    istiod_forgets,
    istiod_registers,
    kinds,
    objects,
    one,
    plan,
    run,
    service,
)

PROBE = {"httpGet": {"path": "/", "port": 9080}, "periodSeconds": 1}


def groups(store):
    """Members of each group, as the record says."""
    return {
        name: sorted(json.loads(body["metadata"]["annotations"]["mesh.expansion/registered"])["members"])
        for name, body in objects(store, WORKLOAD_GROUPS).items()
    }


def test_a_group_of_ours():
    store = FakeStore()
    vm = {**VM1, "service_account": "web", "network": "vm-network", "labels": {"version": "v1"}}
    run(store, "auto", service(vm, selector={"app": "web"}, probe=PROBE))
    body = one(store, WORKLOAD_GROUPS)
    assert body["metadata"]["name"] == "web"
    assert body["spec"] == {
        "metadata": {"labels": {"app": "web", "version": "v1"}},
        "template": {"ports": {"http": 9080}, "serviceAccount": "web", "network": "vm-network"},
        "probe": PROBE,
    }
    assert one(store, SERVICES)["spec"]["selector"] == {"app": "web"}
    assert objects(store, WORKLOAD_ENTRIES) == {}
    assert run(store, "auto", service(vm, selector={"app": "web"}, probe=PROBE)).written == []
    run(store, "auto", service(vm, selector={"app": "web"}))
    assert "probe" not in one(store, WORKLOAD_GROUPS)["spec"]


def test_a_vm_behind_two_services_is_in_one_group():
    store = FakeStore()
    run(store, "auto", service(VM1), service(VM1, name="stock", ports=["grpc:9443"]))
    assert groups(store) == {"web": ["192.168.0.81"]}
    istiod_registers(store, "web", "192.168.0.81")
    assert carried(store) == {"auto": {"192.168.0.81:9080"}}
    assert carried(store, "stock") == {"auto": {"192.168.0.81:9443"}}


def test_runs_one_after_the_other_and_all_at_once_end_alike():
    store = FakeStore()
    run(store, "auto", service(VM1))
    run(store, "auto", service(VM2))
    assert groups(store) == {"web": ["192.168.0.81", "192.168.0.82"]}
    run(store, "auto", service(VM1), state="absent")
    assert groups(store) == {"web": ["192.168.0.82"]}
    run(store, "auto", service(VM2), state="absent")
    assert store.objects == {}


def test_vms_that_are_not_alike_need_groups_of_their_own():
    store = FakeStore()
    more = service(VM2, name="stock", ports=["grpc:9443"])
    with pytest.raises(
        RegistrationError, match=r"192.168.0.82 and 192.168.0.81 would be members of it, but differ in their Services"
    ):
        run(store, "auto", service(VM1, {**VM2, "group": "web"}), more)
    run(store, "auto", service(VM1, {**VM2, "group": "both"}), more)
    assert groups(store) == {"web": ["192.168.0.81"], "both": ["192.168.0.82"]}


def test_a_vm_that_serves_more_is_refused_although_the_others_are_not_in_the_run():
    store = FakeStore()
    run(store, "auto", service(VM1))
    with pytest.raises(RegistrationError, match="differ in their Services"):
        run(store, "auto", service(VM2), service(VM2, name="stock", ports=["grpc:9443"]))


def test_other_ports_are_the_group_s_and_who_is_not_in_the_run_is_named():
    store = FakeStore()
    run(store, "auto", service(VM1, VM2))
    more = service(VM2, ports=["http:9080", "grpc:9443"])
    found = plan(store, "auto", more)
    assert any("192.168.0.81 was a member with other ports and is not part of this run" in w for w in found.warnings)
    run(store, "auto", more)
    assert one(store, WORKLOAD_GROUPS)["spec"]["template"]["ports"] == {"http": 9080, "grpc": 9443}
    assert plan(store, "auto", more).operations == []


def test_two_groups_for_one_vm_are_refused():
    store = FakeStore()
    with pytest.raises(RegistrationError, match="192.168.0.81: its Services name the WorkloadGroups a and b"):
        run(store, "auto", service({**VM1, "group": "a"}), service({**VM1, "group": "b"}, name="stock"))


def test_a_vm_keeps_its_group_and_moves_when_it_is_told_to():
    store = FakeStore()
    run(store, "auto", service(VM1))
    run(store, "auto", service(VM1, name="stock", ports=["grpc:9443"]))
    assert groups(store) == {"web": ["192.168.0.81"]}
    istiod_registers(store, "web", "192.168.0.81")
    run(store, "auto", service({**VM1, "group": "new"}))
    # Its sidecar is still connected as a member of the old group, and could not connect again without it.
    assert set(objects(store, WORKLOAD_GROUPS)) == {"web", "new"}
    istiod_forgets(store, "web", "192.168.0.81")
    istiod_registers(store, "new", "192.168.0.81")
    run(store, "auto", service({**VM1, "group": "new"}))
    assert groups(store) == {"new": ["192.168.0.81"]}


def test_leaving_does_not_take_the_group_from_a_sidecar_that_is_connected():
    store = FakeStore()
    run(store, "auto", service(VM1))
    istiod_registers(store, "web", "192.168.0.81")
    found = plan(store, "auto", service(VM1), state="absent")
    assert found.last.waiting
    assert any("WorkloadGroup default/web stays: 192.168.0.81 still connected" in text for text in found.last.stays)
    run(store, "auto", service(VM1), state="absent")
    assert kinds(store) == {"WorkloadGroup", "WorkloadEntry"}
    istiod_registers(store, "web", "192.168.0.81", connected=False)
    run(store, "auto", service(VM1), state="absent")
    # The entry goes with its group, to which it belongs, or by istiod's own hand.
    assert kinds(store) == {"WorkloadEntry"}


class Clock:
    """Time passes by sleeping, and with it happens what is due."""

    def __init__(self, due):
        self.now, self.due = 0.0, due

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        for when in [when for when in self.due if when <= self.now]:
            self.due.pop(when)()


def settle(store, clock, seconds, state="present"):
    wish = Wish(state, "auto")
    registrar = Registrar(FakeKube(store), wish, sleep=clock.sleep, clock=clock)
    return registrar.settle("default", batch("auto", service(VM1), state=state), seconds)


def test_what_istiod_does_by_itself_is_waited_for():
    store = FakeStore()
    run(store, "workload_entry", service(VM1))
    clock = Clock({3.0: lambda: istiod_registers(store, "web", "192.168.0.81")})
    assert settle(store, clock, 30).pending == {"web": []}
    assert 3 <= clock.now < 10
    assert carried(store) == {"auto": {"192.168.0.81:9080"}}
    gone = Clock({4.0: lambda: istiod_registers(store, "web", "192.168.0.81", connected=False)})
    assert settle(store, gone, 30, "absent").stays == []
    assert kinds(store) == {"WorkloadEntry"}


def test_what_does_not_happen_in_time_is_no_failure():
    store, clock = FakeStore(), Clock({})
    assert settle(store, clock, 5).pending == {"web": ["192.168.0.81"]}
    assert 5 <= clock.now < 8


def test_entries_of_istiod_take_over_what_changes_in_their_group():
    store = FakeStore()
    old = {**VM1, "service_account": "web", "network": "n", "labels": {"version": "v1"}, "weight": 1}
    run(store, "auto", service(old))
    istiod_registers(store, "web", "192.168.0.81")
    entry = one(store, WORKLOAD_ENTRIES)
    entry["spec"]["labels"] = entry["metadata"]["labels"] = {**entry["spec"]["labels"], "service.istio.io/x": "web"}
    assert run(store, "auto", service(old)).written == []
    new = {**VM1, "service_account": "api", "network": "n", "labels": {"tier": "a"}, "locality": "r/z"}
    again = run(store, "auto", service(new, ports=["http:9080", "grpc:9443"]))
    # If it is cut here, the next run still knows what was before.
    assert again.written.index("update WorkloadEntry default/web-192.168.0.81") < again.written.index(
        "update WorkloadGroup default/web"
    )
    spec = one(store, WORKLOAD_ENTRIES)["spec"]
    labels = {"service.mesh.expansion/web": "true", "service.istio.io/x": "web", "tier": "a"}
    assert spec == {
        "address": "192.168.0.81",
        "network": "n",
        "locality": "r/z",
        "serviceAccount": "web",
        "ports": {"http": 9080, "grpc": 9443},
        "labels": labels,
    }
    assert one(store, WORKLOAD_ENTRIES)["metadata"]["labels"] == labels
    assert run(store, "auto", service(new, ports=["http:9080", "grpc:9443"])).written == []


def test_an_entry_that_was_made_of_a_group_of_before_is_made_up_for():
    store = FakeStore()
    run(store, "auto", service(VM1))
    istiod_registers(store, "web", "192.168.0.81")
    del one(store, WORKLOAD_ENTRIES)["spec"]["ports"]
    assert run(store, "auto", service(VM1)).written == ["update WorkloadEntry default/web-192.168.0.81"]
    assert carried(store) == {"auto": {"192.168.0.81:9080"}}


def test_what_others_wrote_into_a_group_stays():
    store = FakeStore()
    run(store, "auto", service(VM1))
    spec = one(store, WORKLOAD_GROUPS)["spec"]
    spec["metadata"]["annotations"] = {"proxy.istio.io/config": "concurrency: 1"}
    spec["metadata"]["labels"]["team"] = "a"
    spec["template"]["ports"]["tcp-x"] = 7
    run(store, "auto", service(VM1, ports=["http:9090"]))
    spec = one(store, WORKLOAD_GROUPS)["spec"]
    assert spec["metadata"]["annotations"] == {"proxy.istio.io/config": "concurrency: 1"}
    assert spec["metadata"]["labels"]["team"] == "a"
    assert spec["template"]["ports"] == {"tcp-x": 7, "http": 9090}


def test_a_vm_s_own_probe_is_its_group_s():
    store = FakeStore()
    grpc = {"grpc": {"port": 9443}}
    run(store, "auto", service({**VM1, "probe": grpc}, probe=PROBE))
    assert one(store, WORKLOAD_GROUPS)["spec"]["probe"] == grpc
    # Of a member that this run is not about the group has what it had.
    assert run(store, "auto", service({**VM2, "group": "web", "probe": grpc})).written != []
    assert one(store, WORKLOAD_GROUPS)["spec"]["probe"] == grpc
    with pytest.raises(RegistrationError, match="two probes, .*9443.* give it once"):
        run(store, "auto", service({**VM1, "probe": grpc}, {**VM2, "group": "web", "probe": PROBE}))


def test_two_probes_for_one_group_are_refused():
    store = FakeStore()
    other = service(VM1, name="stock", ports=["grpc:9443"], probe={"tcpSocket": {"port": 9443}})
    with pytest.raises(RegistrationError, match="WorkloadGroup default/web: its Services give two probes"):
        run(store, "auto", service(VM1, probe=PROBE), other)


@pytest.mark.parametrize("moment", range(4))
def test_a_rival_in_between_loses_nobody(moment):
    store, writes = FakeStore(), []
    run(store, "auto", service(VM1))

    def interfere(_action, _key):
        writes.append(1)
        if len(writes) == moment + 1:
            run(store, "auto", service(VM1), state="absent")

    run(store, "auto", service(VM2), before_write=interfere)
    if moment >= len(writes):
        run(store, "auto", service(VM1), state="absent")
    assert groups(store) == {"web": ["192.168.0.82"]}
    assert one(store, SERVICES)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_run_that_is_cut_at_any_write_is_completed_by_the_next(state):
    vm = {**VM1, "service_account": "web"}
    for moment in range(8):
        store = FakeStore()
        services = [service(vm, plain_clients=True), service(vm, name="stock", ports=["grpc:9443"])]
        if state == "absent":
            run(store, "auto", *services)

        try:
            run(store, "auto", *services, state=state, before_write=cut_after(moment))
        except KubeUnreachable:
            run(store, "auto", *services, state=state)
        if state == "absent":
            assert store.objects == {}
        else:
            assert groups(store) == {"web": ["192.168.0.81"]}
            assert set(objects(store, SERVICES)) == {"web", "stock"}
            assert carried(store) == {"plain_clients": {"192.168.0.81:9080"}}


def test_a_group_keeps_its_probe_in_a_run_about_another_vm_of_the_service():
    store = FakeStore()
    one_vm, other = {**VM1, "group": "one", "probe": PROBE}, {**VM2, "group": "two", "probe": PROBE}
    run(store, "auto", service(one_vm, other))
    assert run(store, "auto", service(one_vm)).written == []
    assert objects(store, WORKLOAD_GROUPS)["two"]["spec"]["probe"] == PROBE
