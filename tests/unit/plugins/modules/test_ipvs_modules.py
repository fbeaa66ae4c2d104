# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on a kernel in memory: check, run, check again, run again; report; failure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mesh.expansion.plugins.module_utils import _ipvs_module, _packed
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.client import Client
from ansible_collections.mesh.expansion.plugins.module_utils._netlink.channel import Channel
from ansible_collections.mesh.expansion.plugins.modules import ipvs_info, ipvs_service, ipvs_table

from tests.unit.plugins.fake_ipvs import FakeKernel

TCP = {
    "tcp_service": "192.168.0.62:53",
    "scheduler": "wrr",
    "persistent": 300,
    "real_servers": [{"real_server": "192.168.0.71:53"}, {"real_server": "192.168.0.72:53"}],
}
UDP = {
    "udp_service": "192.168.0.62:53",
    "scheduler": "wrr",
    "ops": True,
    "real_servers": [{"real_server": "192.168.0.71:53"}],
}
TCP_LINES = [
    "-A -t 192.168.0.62:53 -s wrr -p 300",
    "-a -t 192.168.0.62:53 -r 192.168.0.71:53 -g -w 1",
    "-a -t 192.168.0.62:53 -r 192.168.0.72:53 -g -w 1",
]


class Exit(Exception):
    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result)
        self.result = result


class FakeModule:
    """The members of AnsibleModule that the modules use."""

    def __init__(self, params: dict[str, Any], check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self._diff = True
        self.warnings: list[str] = []
        self.logged: list[str] = []
        self.warn = self.warnings.append
        self.log = self.logged.append

    def exit_json(self, **result: Any) -> None:
        raise Exit({"failed": False, **result})

    def fail_json(self, **result: Any) -> None:
        raise Exit({"failed": True, "changed": False, **result})


class Lab:
    """A kernel, and the modules that work on it."""

    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.last: FakeModule

    def connect(self, load: bool = True) -> Client:
        del load
        return Client.open(load=False, channel=Channel(1.0, self.kernel.open))  # type: ignore[arg-type]

    def __call__(
        self, run: Callable[..., None], spec: dict[str, Any], params: dict[str, Any], check: bool
    ) -> dict[str, Any]:
        validated = ArgumentSpecValidator(spec).validate(params)
        assert not validated.error_messages
        self.last = FakeModule(validated.validated_parameters, check)
        with pytest.raises(Exit) as caught:
            run(self.last, self.connect)
        return caught.value.result

    def service(self, check: bool = False, **params: Any) -> dict[str, Any]:
        own = {"state": {"default": "present"}, "real_servers_mode": {"default": "exact"}}
        return self(
            ipvs_service.run, {**_ipvs_module.service_spec(), **_ipvs_module.drain_spec(), **own}, params, check
        )

    def table(self, *services: dict[str, Any], check: bool = False, **params: Any) -> dict[str, Any]:
        listed = {"type": "list", "elements": "dict", "required": True}
        own = {"services": listed, "purge": {"default": "real_servers"}, "vips": {"type": "list", "elements": "str"}}
        return self(ipvs_table.run, {**_ipvs_module.drain_spec(), **own}, {"services": list(services), **params}, check)

    def info(self, **params: Any) -> dict[str, Any]:
        return self(ipvs_info.run, {"vips": {"type": "list", "elements": "str"}}, params, False)


@pytest.fixture
def lab() -> Lab:
    return Lab()


def four_steps(lab: Lab, run: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Check, run, check, run. The prediction is what happens, checks write nothing, and the second run does nothing."""
    writes = len(lab.kernel.writes)
    predicted = run(check=True)
    assert len(lab.kernel.writes) == writes
    done = run(check=False)
    assert {**predicted, "drained": None} == {**done, "drained": None}
    assert done["changed"] is True
    writes = len(lab.kernel.writes)
    for check in (True, False):
        again = run(check=check)
        assert (again["changed"], again["operations"], again["diff"]) == (False, [], {"before": "", "after": ""})
    assert len(lab.kernel.writes) == writes
    return done


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def test_service_present(lab: Lab) -> None:
    done = four_steps(lab, lambda check: lab.service(check, **TCP))
    assert done["operations"] == TCP_LINES
    assert done["diff"] == {"before": "", "after": text(*TCP_LINES)}
    assert done["service"]["real_servers"][1] == {
        "real_server": "192.168.0.72:53",
        "forwarding": "gatewaying",
        "weight": 1,
        "u_threshold": 0,
        "l_threshold": 0,
    }


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"scheduler": "rr"}, {"scheduler": "sh", "sched_flags": ["sh-port"]}),
    ({"scheduler": "sh", "sched_flags": ["sh-port"]}, {"scheduler": "sh", "sched_flags": []}),
    ({"ops": True}, {"ops": False}),
    ({"persistent": 0}, {"persistent": 60}),
    ({"persistent": 60}, {"persistent": 61}),
    ({"persistent": 60, "netmask": "24"}, {"persistent": 60, "netmask": "255.255.0.0"}),
    ({"persistent": 60, "netmask": "24"}, {"persistent": 60}),
    ({"persistent": 60, "pe": "sip"}, {"persistent": 60}),
]
SERVER_CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"weight": 0}),
    ({"weight": 5}, {}),
    ({}, {"forwarding": "masquerading"}),
    ({}, {"forwarding": "ipip"}),
    ({"forwarding": "ipip"}, {"forwarding": "ipip", "tun_type": "gre"}),
    ({"forwarding": "ipip", "tun_type": "gre"}, {"forwarding": "ipip", "tun_type": "gre", "tun_flags": "csum"}),
    (
        {"forwarding": "ipip", "tun_type": "gue", "tun_port": 1},
        {"forwarding": "ipip", "tun_type": "gue", "tun_port": 2, "tun_flags": "remcsum"},
    ),
    ({"u_threshold": 5}, {"u_threshold": 6}),
    ({"u_threshold": 5}, {"u_threshold": 5, "l_threshold": 1}),
]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_every_option_of_a_service_is_changed_in_place(lab: Lab, before: dict[str, Any], after: dict[str, Any]) -> None:
    lab.service(udp_service="10.0.0.1:53", real_servers=[{"real_server": "10.1.0.1"}], **before)
    done = four_steps(
        lab,
        lambda check: lab.service(
            check, udp_service="10.0.0.1:53", real_servers=[{"real_server": "10.1.0.1"}], **after
        ),
    )
    (operation,) = done["operations"]
    assert operation.startswith("-E -u 10.0.0.1:53 -s ")


@pytest.mark.parametrize(("before", "after"), SERVER_CHANGES)
def test_every_option_of_a_real_server_is_changed_in_place(
    lab: Lab, before: dict[str, Any], after: dict[str, Any]
) -> None:
    lab.service(
        tcp_service="10.0.0.1:53", real_servers=[{"real_server": "10.1.0.1", **before}, {"real_server": "10.1.0.2"}]
    )
    done = four_steps(
        lab,
        lambda check: lab.service(
            check,
            tcp_service="10.0.0.1:53",
            real_servers=[{"real_server": "10.1.0.1", **after}, {"real_server": "10.1.0.2"}],
        ),
    )
    (operation,) = done["operations"]
    assert operation.startswith("-e -t 10.0.0.1:53 -r 10.1.0.1:53 ")


def test_exact_and_merge(lab: Lab) -> None:
    lab.service(**TCP)
    fewer = {**TCP, "real_servers": [{"real_server": "192.168.0.73:53"}]}
    assert four_steps(lab, lambda check: lab.service(check, **fewer, real_servers_mode="merge"))["operations"] == [
        "-a -t 192.168.0.62:53 -r 192.168.0.73:53 -g -w 1"
    ]
    assert four_steps(lab, lambda check: lab.service(check, **fewer))["operations"] == [
        "-d -t 192.168.0.62:53 -r 192.168.0.71:53",
        "-d -t 192.168.0.62:53 -r 192.168.0.72:53",
    ]
    kept = {name: value for name, value in TCP.items() if name != "real_servers"}
    assert not lab.service(**kept)["changed"]


def test_service_absent(lab: Lab) -> None:
    lab.service(**TCP)
    done = four_steps(lab, lambda check: lab.service(check, tcp_service="192.168.0.62:53", state="absent"))
    assert done["operations"] == ["-D -t 192.168.0.62:53"]
    assert done["diff"] == {"before": text(*TCP_LINES), "after": ""}
    assert done["service"] is None


def test_a_packed_table_is_the_same_table(lab: Lab) -> None:
    wrong = {**UDP, "scheduler": "foo"}
    for services in ((TCP, UDP), (TCP, wrong)):
        packed = _packed.unpack_result(lab.table(*_packed.pack(list(services)), check=True))
        assert packed == lab.table(*services, check=True)


def test_table_and_its_purge(lab: Lab) -> None:
    lab.service(tcp_service="192.168.0.62:99")
    lab.service(tcp_service="192.168.0.63:99")
    lab.service(fwmark_service=7)
    done = four_steps(lab, lambda check: lab.table(TCP, UDP, check=check))
    assert [service.get("tcp_service", service.get("udp_service")) for service in done["services"]] == [
        "192.168.0.62:53"
    ] * 2
    assert done["operations"][:3] == TCP_LINES
    assert not lab.table(TCP, purge="none")["changed"]
    owned = four_steps(lab, lambda check: lab.table(TCP, UDP, check=check, purge="services", vips=["192.168.0.62"]))
    assert owned["operations"] == ["-D -t 192.168.0.62:99"]
    everything = four_steps(lab, lambda check: lab.table(TCP, check=check, purge="all"))
    assert everything["operations"] == ["-D -t 192.168.0.63:99", "-D -u 192.168.0.62:53", "-D -f 7"]


def test_what_hands_have_done_is_put_right(lab: Lab) -> None:
    lab.table(TCP, UDP)
    lab.service(
        tcp_service="192.168.0.62:53",
        scheduler="lc",
        real_servers=[{"real_server": "192.168.0.71:53", "weight": 9}, {"real_server": "192.168.0.79:53"}],
    )
    done = four_steps(lab, lambda check: lab.table(TCP, UDP, check=check))
    assert done["operations"] == [
        "-E -t 192.168.0.62:53 -s wrr -p 300",
        "-a -t 192.168.0.62:53 -r 192.168.0.72:53 -g -w 1",
        "-e -t 192.168.0.62:53 -r 192.168.0.71:53 -g -w 1",
        "-d -t 192.168.0.62:53 -r 192.168.0.79:53",
    ]


def test_draining_reports_counts_and_logs(lab: Lab) -> None:
    lab.table(TCP)
    leaving = {
        **TCP,
        "real_servers": [{"real_server": "192.168.0.71:53", "state": "drained"}, {"real_server": "192.168.0.72:53"}],
    }
    done = four_steps(lab, lambda check: lab.table(leaving, check=check))
    assert done["operations"] == ["-e -t 192.168.0.62:53 -r 192.168.0.71:53 -g -w 0"]
    assert done["drained"] == [
        {
            "service": "-t 192.168.0.62:53",
            "real_server": "192.168.0.71:53",
            "active_connections": 0,
            "inactive_connections": 0,
            "persistent_connections": 0,
            "gone": True,
        }
    ]
    assert lab.last.logged == [
        "draining 192.168.0.71:53 of -t 192.168.0.62:53 for 0 s: 0 active, 0 inactive, 0 persistent connections"
    ]
    removed = four_steps(lab, lambda check: lab.table(leaving, check=check, drain_remove=True))
    assert removed["operations"] == ["-d -t 192.168.0.62:53 -r 192.168.0.71:53"]


def test_check_mode_on_a_bare_host_assumes_an_empty_table(lab: Lab) -> None:
    lab.kernel.loaded = False
    done = lab.table(TCP, check=True)
    assert done["operations"] == TCP_LINES
    assert "load the module ip_vs" in lab.last.warnings[0]
    assert lab.table(TCP)["msg"].startswith("the kernel has no IPVS")


def test_a_failed_run_tells_what_was_done(lab: Lab) -> None:
    result = lab.table(TCP, {**UDP, "scheduler": "foo"})
    assert (result["failed"], result["changed"], result["operations"]) == (True, True, TCP_LINES)
    assert result["failed_operations"][0]["operation"] == "-A -u 192.168.0.62:53 -s foo -o"
    assert result["not_applied"] == ["-a -u 192.168.0.62:53 -r 192.168.0.71:53 -g -w 1"]
    assert result["unknown"] == []


def test_wrong_entries_are_refused_before_anything_is_read(lab: Lab) -> None:
    result = lab.table(TCP, {**UDP, "udp_service": "192.168.0.62:0"})
    assert result["msg"].startswith("services[1] (-u 192.168.0.62:0): port 0")
    assert lab.kernel.sends == []
    assert lab.table(TCP, purge="services", vips=["nonsense"])["msg"].startswith("vips[0]")
    assert lab.service(fwmark_service=0)["failed"]


def test_info(lab: Lab) -> None:
    lab.table(TCP, UDP, {"fwmark_service": 7, "ipv6": True})
    result = lab.info()
    assert (result["changed"], result["available"], result["version"]) == (False, True, "1.2.1")
    assert result["timeouts"] == {"tcp": 900, "tcp_fin": 120, "udp": 300}
    assert [len(service["real_servers"]) for service in result["services"]] == [2, 1, 0]
    assert result["services"][0]["statistics"]["in_bytes"] == 2**40 + 4
    assert result["services"][0]["real_servers"][0]["active_connections"] == 0
    assert len(lab.info(vips=["192.168.0.62"])["services"]) == 2
    assert lab.info(vips=["192.168.0.1"])["services"] == []
    assert lab.info(vips=["x"])["failed"]


def test_what_info_returns_can_be_given_back(lab: Lab) -> None:
    lab.table(
        TCP,
        UDP,
        {
            "fwmark_service": 7,
            "ipv6": True,
            "persistent": 5,
            "netmask": "64",
            "real_servers": [{"real_server": "192.0.2.1", "forwarding": "ipip"}],
        },
    )
    services = lab.info()["services"]
    for service in services:
        del service["statistics"]
        for server in service["real_servers"]:
            for name in ("active_connections", "inactive_connections", "persistent_connections", "statistics"):
                del server[name]
    assert not lab.table(*services, purge="all")["changed"]


def test_info_without_ipvs(lab: Lab) -> None:
    lab.kernel.loaded = False
    assert lab.info() == {
        "failed": False, "changed": False, "available": False, "services": [], "version": None,
        "connection_table_size": None, "timeouts": {}, "daemons": [],
    }  # fmt: skip


def test_info_without_permission(lab: Lab) -> None:
    lab.kernel.permitted = False
    assert "become: true" in lab.info()["msg"]


def test_values_in_quotation_marks_are_converted(lab: Lab) -> None:
    server = {"real_server": "192.168.0.71:53", "weight": "3"}
    lab.table({**TCP, "persistent": "300", "real_servers": [server]})
    assert lab.table(check=True)["operations"] == []
    assert lab.table({**TCP, "real_servers": [{**server, "weight": 3}]}, check=True)["operations"] == []


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ({**TCP, "persistent": "long"}, r"services\[0\] .*: persistent 'long' is not a whole number"),
        ({**TCP, "colour": "red"}, r"services\[0\]: unknown option colour: possible are tcp_service"),
        ({**TCP, "udp_service": "192.168.0.62:53"}, "exactly one of .* is needed, not tcp_service, udp_service"),
        ({**TCP, "real_servers": [{"real_server": "192.168.0.71:54"}]}, "port 54 differs from the service's port 53"),
    ],
)
def test_what_cannot_be_converted_is_named(lab: Lab, service: dict[str, Any], reason: str) -> None:
    result = lab.table(service)
    assert result["failed"]
    assert re.search(reason, result["msg"])
    assert lab.kernel.writes == []


def test_the_table_is_not_told_back_as_an_option(lab: Lab) -> None:
    arguments = lab.table(TCP, UDP)["invocation"]["module_args"]
    assert (arguments["services"], arguments["purge"]) == ("2 services", "real_servers")
