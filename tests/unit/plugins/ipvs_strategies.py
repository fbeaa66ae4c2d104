# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies for tables in the form of the modules' options."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

V4 = [f"192.168.0.{host}" for host in (71, 72, 73, 74)]
V6 = [f"2001:db8::{host}" for host in (71, 72, 73, 74)]
PORTS = [53, 80, 8080]
SCHEDULERS = ["rr", "wrr", "lc", "wlc", "sh", "mh", "dh"]
OWN_FLAGS = {"sh": ["sh-fallback", "sh-port"], "mh": ["mh-fallback", "mh-port"]}


def endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@st.composite
def _server(draw: st.DrawFn, address: str, service: dict[str, Any], port: int, ipv6: bool) -> dict[str, Any]:
    mixed = (":" in address) != ipv6
    forwarding = "ipip" if mixed else draw(st.sampled_from(["gatewaying", "masquerading", "ipip"]))
    own_port = draw(st.sampled_from(PORTS)) if forwarding == "masquerading" or "fwmark_service" in service else port
    server: dict[str, Any] = {
        "real_server": endpoint(address, own_port),
        "forwarding": forwarding,
        "weight": draw(st.integers(0, 3)),
    }
    if draw(st.booleans()):
        server["u_threshold"] = draw(st.integers(1, 1000))
        server["l_threshold"] = draw(st.integers(0, server["u_threshold"]))
    if forwarding == "ipip":
        kind = server["tun_type"] = draw(st.sampled_from(["ipip", "gue", "gre"]))
        flags = {"ipip": ["nocsum"], "gre": ["nocsum", "csum"], "gue": ["nocsum", "csum", "remcsum"]}
        server["tun_flags"] = draw(st.sampled_from(flags[kind]))
        if kind == "gue":
            server["tun_port"] = draw(st.sampled_from([6080, 5555]))
    return server


@st.composite
def _service(draw: st.DrawFn, key: tuple[str, Any]) -> dict[str, Any]:
    option, value = key
    service: dict[str, Any] = {}
    if option == "fwmark_service":
        service["fwmark_service"], service["ipv6"] = value
        ipv6, port = value[1], 0
    else:
        service[option] = endpoint(*value)
        ipv6, port = ":" in value[0], value[1]
    scheduler = service["scheduler"] = draw(st.sampled_from(SCHEDULERS))
    service["sched_flags"] = draw(
        st.lists(st.sampled_from(OWN_FLAGS.get(scheduler, ["flag-1", "flag-2", "flag-3"])), unique=True)
    )
    if port == 0 and option != "fwmark_service" or draw(st.booleans()):
        service["persistent"] = draw(st.integers(1, 600))
        if draw(st.booleans()):
            service["netmask"] = str(draw(st.integers(1, 128 if ipv6 else 32)))
        if option == "udp_service" and draw(st.booleans()):
            service["pe"] = "sip"
    if option in ("udp_service", "fwmark_service"):
        service["ops"] = draw(st.booleans())
    addresses = draw(st.lists(st.sampled_from(V4 + V6), max_size=4, unique=True))
    service["real_servers"] = [draw(_server(address, service, port, ipv6)) for address in addresses]
    return service


_KEYS = st.one_of(
    st.tuples(
        st.sampled_from(["tcp_service", "udp_service", "sctp_service"]),
        st.tuples(st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8:1::1"]), st.sampled_from([0, 53, 80])),
    ),
    st.tuples(st.just("fwmark_service"), st.tuples(st.sampled_from([1, 7, 2**32 - 1]), st.booleans())),
)


@st.composite
def tables(draw: st.DrawFn, most: int = 5) -> list[dict[str, Any]]:
    keys = draw(st.lists(_KEYS, max_size=most, unique=True))
    return [draw(_service(key)) for key in keys]
