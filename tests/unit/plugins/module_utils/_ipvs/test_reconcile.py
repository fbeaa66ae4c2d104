# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against a kernel in memory: few calls, races, lost replies, refusals, interruptions, draining."""

from __future__ import annotations

import errno
import itertools
import socket
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import drain, model, options, plan, reconcile
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.client import CHUNK_MESSAGES, Client
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import (
    ApplyError,
    IpvsError,
    ModuleMissingError,
    ReadError,
    UnavailableError,
)
from ansible_collections.mesh.expansion.plugins.module_utils._netlink.channel import Channel
from hypothesis import given, settings

from tests.unit.plugins.fake_ipvs import DEL_DEST, NEW_DEST, NEW_SERVICE, FakeKernel, FakeSocket
from tests.unit.plugins.ipvs_strategies import tables


def connect(kernel: FakeKernel) -> Client:
    return Client.open(load=False, channel=Channel(1.0, kernel.open))  # type: ignore[arg-type]


def service(port: int = 80, servers: int = 2, **values: Any) -> dict[str, Any]:
    listed = [{"real_server": f"10.1.{number // 250}.{number % 250 + 1}"} for number in range(servers)]
    return {"tcp_service": f"10.0.0.1:{port}", "scheduler": "wrr", "real_servers": listed, **values}


def run(kernel: FakeKernel, *entries: dict[str, Any], **values: Any) -> reconcile.Outcome:
    with connect(kernel) as client:
        return reconcile.converge(client, options.parse_services(list(entries)), **values)


def lines(kernel: FakeKernel) -> list[str]:
    with connect(kernel) as client:
        return model.lines(client.read())


@settings(max_examples=200)
@given(tables(), tables())
def test_the_kernel_has_what_was_wanted(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    kernel = FakeKernel()
    run(kernel, *before)
    outcome = run(kernel, *after, purge="all")
    expected = plan.simulate({}, plan.plan({}, options.parse_services(after)))
    with connect(kernel) as client:
        assert client.read() == expected == outcome.after
    writes = len(kernel.writes)
    assert run(kernel, *after, purge="all").operations == []
    assert len(kernel.writes) == writes


def test_many_messages_go_in_one_call() -> None:
    kernel = FakeKernel()
    run(kernel, *[service(port, 9) for port in range(1, 101)])
    batches = [batch for batch in kernel.sends if NEW_DEST in batch]
    assert sum(map(len, batches)) == 1000
    assert len(batches) <= 6
    assert max(map(len, batches)) <= CHUNK_MESSAGES


def test_a_new_service_is_sent_together_with_its_first_server() -> None:
    kernel = FakeKernel()
    run(kernel, *[service(port, 2) for port in range(1, 201)])
    assert all(batch[-1] == NEW_DEST for batch in kernel.sends if NEW_DEST in batch)


def test_large_messages_make_smaller_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeSocket, "getsockopt", lambda *_arguments: 2048 + 32)
    kernel = FakeKernel()
    run(kernel, service(80, 100))
    batches = [batch for batch in kernel.sends if NEW_DEST in batch]
    assert len(batches) > 5
    assert sum(map(len, batches)) == 101


def test_only_what_may_change_is_read() -> None:
    kernel = FakeKernel()
    run(kernel, *[service(port) for port in range(1, 51)])
    kernel.sends.clear()
    run(kernel, service(7))
    # The family, the services twice, the servers of one of them.
    assert len(kernel.sends) == 4
    assert kernel.writes == []


def test_a_list_that_was_disturbed_is_read_again() -> None:
    """As it happens when services of another network namespace go meanwhile."""
    kernel = FakeKernel()
    run(kernel, *[service(port, 0) for port in range(1, 51)])
    kernel.skipped = [{3, 4}, {7}, set(), set()]
    assert len(lines(kernel)) == 50
    assert kernel.skipped == []


def test_a_list_that_is_always_disturbed_does_not_keep_us() -> None:
    kernel = FakeKernel()
    run(kernel, *[service(port, 0) for port in range(1, 51)])
    kernel.skipped = [{number} for number in range(50)]
    assert len(lines(kernel)) == 49


def test_another_writer_adds_the_same() -> None:
    kernel = FakeKernel()

    def intervene(kernel: FakeKernel) -> None:
        run(kernel, service(80, 1), {"udp_service": "10.0.0.9:9", "real_servers": []})

    # After the family and the services, twice, comes the call that adds.
    kernel.interventions[4] = intervene
    outcome = run(kernel, service(80, 2), service(81, 1))
    assert lines(kernel) == [
        "-A -t 10.0.0.1:80 -s wrr",
        "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 1",
        "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 1",
        "-A -t 10.0.0.1:81 -s wrr",
        "-a -t 10.0.0.1:81 -r 10.1.0.1:81 -g -w 1",
        "-A -u 10.0.0.9:9 -s wlc",
    ]
    assert [str(operation) for operation in outcome.operations] == [
        "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 1",
        "-A -t 10.0.0.1:81 -s wrr",
        "-a -t 10.0.0.1:81 -r 10.1.0.1:81 -g -w 1",
    ]


@pytest.mark.parametrize(
    "vandalism",
    [
        lambda kernel: kernel.services.clear(),
        lambda kernel: [found["dests"].clear() for found in kernel.services.values()],
    ],
)
def test_another_writer_removes_what_is_to_be_changed(vandalism: Callable[[FakeKernel], None]) -> None:
    kernel = FakeKernel()
    run(kernel, service(80, 2))
    wanted = service(80, 2, scheduler="rr")
    wanted["real_servers"][0]["weight"] = 3
    kernel.interventions[len(kernel.sends) + 5] = vandalism
    run(kernel, wanted)
    assert lines(kernel) == [
        "-A -t 10.0.0.1:80 -s rr",
        "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 3",
        "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 1",
    ]


def test_another_writer_that_never_stops_is_an_error() -> None:
    kernel = FakeKernel()
    for number in range(1, 100):
        kernel.interventions[number] = lambda kernel: kernel.services.clear()
    run(kernel, {"tcp_service": "10.0.0.1:80"})
    with pytest.raises(ApplyError, match="another writer") as caught:
        run(kernel, service(80, 0, scheduler="rr"), service(81, 300))
    assert caught.value.not_applied


def test_lost_replies_are_not_failures() -> None:
    kernel = FakeKernel()
    kernel.reply_limit = 20

    def add_many(kernel: FakeKernel) -> None:
        run(kernel, *[service(port, 1) for port in range(1, 60)])

    # All of it is there by the time it is sent: 118 errors, more than fit.
    kernel.interventions[4] = add_many
    outcome = run(kernel, *[service(port, 1) for port in range(1, 61)])
    assert len(lines(kernel)) == 120
    assert str(plan.Operation(plan.ADD_SERVICE, options.parse_service(service(60)).service)) in map(
        str, outcome.operations
    )


def test_what_was_done_although_its_reply_was_lost_is_reported() -> None:
    kernel = FakeKernel()
    kernel.interventions[4] = lambda kernel: setattr(kernel, "reply_limit", 0)
    kernel.interventions[5] = lambda kernel: setattr(kernel, "reply_limit", 380)
    outcome = run(kernel, service(80, 2))
    assert len(outcome.operations) == 3
    assert len(lines(kernel)) == 3


def test_a_missing_scheduler_is_named_and_leaves_nothing_half_done() -> None:
    kernel = FakeKernel()
    run(kernel, service(70, 2))
    with pytest.raises(ApplyError) as caught:
        run(kernel, service(70, 1), service(80, 2, scheduler="foo"), service(90, 1))
    error = caught.value
    assert "-A -t 10.0.0.1:80 -s foo: the kernel does not find the scheduler foo (module ip_vs_foo)" in str(error)
    assert [str(operation) for operation, _reason in error.failed] == ["-A -t 10.0.0.1:80 -s foo"]
    assert list(map(str, error.applied)) == ["-A -t 10.0.0.1:90 -s wrr", "-a -t 10.0.0.1:90 -r 10.1.0.1:90 -g -w 1"]
    assert list(map(str, error.not_applied)) == [
        "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 1",
        "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 1",
        "-d -t 10.0.0.1:70 -r 10.1.0.2:70",
    ]
    assert not any(":80 " in line for line in lines(kernel))
    kernel.schedulers.add("foo")
    run(kernel, service(70, 1), service(80, 2, scheduler="foo"), service(90, 1))
    assert len(lines(kernel)) == 7


def test_one_bad_entry_among_many_chunks() -> None:
    kernel = FakeKernel()
    entries = [service(port, 9) for port in range(1, 51)]
    entries[10]["scheduler"] = "foo"
    with pytest.raises(ApplyError) as caught:
        run(kernel, *entries)
    assert (len(caught.value.applied), len(caught.value.failed), len(caught.value.not_applied)) == (490, 1, 9)


def test_an_unknown_persistence_engine_is_named() -> None:
    with pytest.raises(ApplyError, match="persistence engine foo"):
        run(FakeKernel(), service(80, 0, persistent=1, pe="foo"))


def test_without_permission_nothing_is_done() -> None:
    kernel = FakeKernel()
    kernel.permitted = False
    with pytest.raises(UnavailableError, match="become: true"):
        run(kernel, service())
    assert kernel.services == {}


def test_permission_that_is_lost_ends_the_run() -> None:
    kernel = FakeKernel()
    kernel.interventions[5] = lambda kernel: setattr(kernel, "permitted", False)
    with pytest.raises(ApplyError, match="CAP_NET_ADMIN") as caught:
        run(kernel, service(80, 500))
    assert len(caught.value.applied) == 200
    assert len(caught.value.failed) == 200
    assert len(caught.value.not_applied) == 101


def break_call(number: int) -> Callable[[FakeKernel], None]:
    def fail(_kernel: FakeKernel) -> None:
        raise OSError(number, "out of memory")

    return fail


def test_what_was_applied_before_a_broken_call_is_told() -> None:
    """299 services are sent in two system calls; the second one fails."""
    kernel = FakeKernel()
    kernel.interventions[5] = break_call(errno.ENOMEM)
    with pytest.raises(
        ApplyError, match="to send .* bytes to the kernel.*200 operations applied, 99 not applied"
    ) as caught:
        run(kernel, *[service(port, 0) for port in range(1, 300)])
    assert (len(caught.value.applied), len(caught.value.not_applied), caught.value.unknown) == (200, 99, [])
    assert len(kernel.services) == 200
    run(kernel, *[service(port, 0) for port in range(1, 300)])
    assert len(kernel.services) == 299


def test_what_was_applied_before_a_failed_second_look_is_told() -> None:
    kernel = FakeKernel()

    def lose_every_answer(kernel: FakeKernel) -> None:
        kernel.reply_limit = 0
        kernel.interventions[6] = lambda kernel: setattr(kernel, "permitted", False)

    kernel.interventions[5] = lose_every_answer
    with pytest.raises(
        ApplyError, match="replies of the kernel were lost.*200 operations applied, of 99 it is not known"
    ) as caught:
        run(kernel, *[service(port, 0) for port in range(1, 300)])
    assert (len(caught.value.applied), len(caught.value.unknown)) == (200, 99)


def test_a_kernel_without_ipvs_is_named() -> None:
    kernel = FakeKernel()
    kernel.loaded = False
    with pytest.raises(ModuleMissingError, match="load the module ip_vs"):
        run(kernel)


def test_a_module_that_goes_away() -> None:
    kernel = FakeKernel()
    kernel.interventions[2] = lambda kernel: setattr(kernel, "loaded", False)
    with pytest.raises(ReadError):
        run(kernel, service())


@pytest.mark.parametrize("survivors", range(1, 8))
def test_an_interrupted_run_is_completed_by_the_next(survivors: int) -> None:
    """As with kill -9: the process ends between two calls."""
    kernel = FakeKernel()
    run(kernel, *[service(port, 9) for port in range(1, 201)])
    wanted = [service(port, 8, scheduler="rr") for port in range(101, 301)]

    def die(_kernel: FakeKernel) -> None:
        raise KeyboardInterrupt

    # The family, the services, the servers of those that are listed and of those that are to go.
    before = len(kernel.writes)
    kernel.interventions[len(kernel.sends) + 3 + 200 + survivors] = die
    with pytest.raises(KeyboardInterrupt):
        run(kernel, *wanted, purge="all")
    assert (len(kernel.writes) > before) == (survivors > 1)
    run(kernel, *wanted, purge="all")
    assert len(lines(kernel)) == 1800
    assert run(kernel, *wanted, purge="all").operations == []


def count(kernel: FakeKernel, *counts: int) -> None:
    key = (socket.AF_INET, socket.IPPROTO_TCP, socket.inet_aton("10.0.0.1") + bytes(12), (80).to_bytes(2, "big"))
    kernel.connections[
        key,
        (socket.inet_aton("10.1.0.1") + bytes(12), (80).to_bytes(2, "big")),
    ] = counts  # type: ignore[assignment]


def drained_service() -> dict[str, Any]:
    wanted = service(80, 2)
    wanted["real_servers"][0]["state"] = "drained"
    return wanted


def test_draining_waits_until_connections_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel()
    run(kernel, service(80, 2))
    clock = itertools.count()
    left = iter([(2, 1, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0)])
    seen: list[tuple[model.Connections, float]] = []
    count(kernel, *next(left))
    with connect(kernel) as client:
        wanted = options.parse_services([drained_service()])
        reconcile.reconcile(client, wanted)
        drained = drain.wait_drained(
            client.read_states,
            wanted,
            timeout=100,
            progress=lambda found, waited: seen.append((found[0].connections, waited)),
            clock=lambda: float(next(clock)),
            sleep=lambda _time: count(kernel, *next(left)),
        )
    assert [tuple(connections) for connections, _waited in seen] == [(2, 1, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0)]
    assert [waited for _connections, waited in seen] == [1, 2, 3, 4]
    assert drained[0].gone
    assert "-e -t" not in lines(kernel)
    assert "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 0" in lines(kernel)


def test_draining_ends_with_the_time() -> None:
    kernel = FakeKernel()
    run(kernel, service(80, 2))
    count(kernel, 5, 0, 0)
    outcome = run(kernel, drained_service(), drain_timeout=0)
    assert (outcome.drained[0].connections, outcome.drained[0].gone) == (model.Connections(5, 0, 0), False)
    assert len(lines(kernel)) == 3


def test_a_drained_server_may_be_removed_afterwards() -> None:
    kernel = FakeKernel()
    run(kernel, service(80, 2))
    with connect(kernel) as client:
        predicted = reconcile.predict(client.read(), options.parse_services([drained_service()]), drain_remove=True)
    outcome = run(kernel, drained_service(), drain_remove=True)
    assert predicted.operations == outcome.operations
    assert predicted.after == outcome.after
    assert list(map(str, outcome.operations)) == [
        "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 0",
        "-d -t 10.0.0.1:80 -r 10.1.0.1:80",
    ]
    assert run(kernel, drained_service(), drain_remove=True).operations == []


def test_what_was_done_before_a_failure_while_draining_is_told() -> None:
    kernel = FakeKernel()
    run(kernel, service(80, 2))
    # Family, services twice, servers, change, then the look at the connections.
    kernel.interventions[len(kernel.sends) + 6] = lambda kernel: setattr(kernel, "permitted", False)
    with pytest.raises(ApplyError) as caught:
        run(kernel, drained_service())
    assert list(map(str, caught.value.applied)) == ["-e -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 0"]


def test_states_and_info() -> None:
    kernel = FakeKernel()
    run(kernel, service(80, 2), service(81, 1))
    count(kernel, 3, 2, 1)
    with connect(kernel) as client:
        states = client.read_states(lambda key: key.port == 80)
        assert [len(state.servers) for state in states] == [2]
        assert states[0].servers[0].connections == model.Connections(3, 2, 1)
        assert states[0].statistics["connections"] == 2**40 + 1
        assert client.info() == {
            "version": "1.2.1",
            "connection_table_size": 4096,
            "timeouts": {"tcp": 900, "tcp_fin": 120, "udp": 300},
            "daemons": [{"state": "master", "mcast_interface": "eth0", "syncid": 5}],
        }


def test_nothing_is_deleted_in_a_call_that_also_adds() -> None:
    kernel = FakeKernel()
    run(kernel, service(80, 3), service(81, 1))
    kernel.sends.clear()
    run(kernel, service(80, 2, scheduler="rr"), service(82, 2), purge="all")
    assert [{NEW_SERVICE, NEW_DEST} & set(batch) and DEL_DEST in batch for batch in kernel.sends].count(True) == 0
    assert any(DEL_DEST in batch for batch in kernel.sends)


def test_errors_have_one_base() -> None:
    assert all(issubclass(kind, IpvsError) for kind in (ApplyError, ModuleMissingError, ReadError, UnavailableError))
