# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the director's files say, and what files of others say. Pure. Private to the collection."""

from __future__ import annotations

import json
import re
import typing as t

from ..._ipvs import ask, save, watch
from . import layout
from .asking import asking
from .model import Seen, Service, Wanted

_REASONS = {
    "net.ipv4.vs.expire_nodest_conn": (
        "Without it packets to a real server that was removed are dropped silently until the connection times out."
    ),
    "net.ipv4.vs.expire_quiescent_template": (
        "Without it persistent clients keep going to a real server whose weight is 0."
    ),
}

_UNIT = """\
# {managed}
[Unit]
Description=IPVS table and virtual address {vip} of the mesh
Wants=network-online.target
After=network-online.target systemd-modules-load.service systemd-sysctl.service
Before=keepalived.service
{part_of}

[Service]
Type=oneshot
RemainAfterExit=yes
Environment=PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={library}
ExecStart=/sbin/modprobe -a {modules}
ExecStart={python} -m mesh_ipvs._ipvs.loader --restore {table}
{hold}
TimeoutStartSec=120
# There is no ExecStop: stopping the unit flushes nothing and keeps the address.

[Install]
WantedBy=multi-user.target
"""

_PART_OF = """\
# These drop addresses that they do not know when they restart.
PartOf=systemd-networkd.service networking.service"""
_HOLD = """\
# After the table: an address without a table answers with resets.
ExecStart={python} {package}/vip.py hold {vip} {device}"""
_NO_HOLD = "# The address is held by keepalived."


def unit(wanted: Wanted, device: str) -> str:
    hold = _HOLD.format(python=wanted.python, package=layout.PACKAGE, vip=wanted.vip, device=device)
    return _UNIT.format(
        part_of="# keepalived sees by itself when its address goes." if wanted.vrrp else _PART_OF,
        hold=_NO_HOLD if wanted.vrrp else hold,
        managed=wanted.managed,
        vip=wanted.vip,
        library=layout.LIBRARY,
        table=layout.TABLE,
        modules=" ".join(wanted.modules),
        python=wanted.python,
    )


_HEALTH = """\
# {managed}
[Unit]
Description=Checks of the nodes behind the virtual address {vip} of the mesh
Wants=network-online.target{wants}
After=network-online.target mesh-director.service{wants}
Before=keepalived.service
{inside}
[Service]
# Without any rights: it asks the nodes, and writes files that keepalived follows.
DynamicUser=yes
{namespace}RuntimeDirectory={directory}
# What was judged last stays when it ends: keepalived follows these very files, and not those of a directory made anew.
RuntimeDirectoryPreserve=yes
Environment=PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={library}
ExecStart={python} -m mesh_ipvs._ipvs.watch --table {table} --files {files} \\
    {words} --quorum {quorum}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def health(wanted: Wanted) -> str:
    there = wanted.end_to_end
    return _HEALTH.format(
        managed=wanted.managed,
        vip=wanted.vip,
        wants=f" {layout.PROBE_UNIT}" if there else "",
        # It may have to wait for its namespace.
        inside=f"PartOf={layout.PROBE_UNIT}\nStartLimitIntervalSec=0\n" if there else "",
        namespace=f"NetworkNamespacePath={layout.NAMESPACE}\n" if there else "",
        directory=layout.HEALTH.rpartition("/")[2],
        library=layout.LIBRARY,
        python=wanted.python,
        table=layout.TABLE,
        files=layout.HEALTH,
        words=" ".join(watch.words(asking(wanted))),
        quorum=wanted.health_quorum,
    )


_PROBE = """\
# {managed}
[Unit]
Description=Network namespace from which nodes are asked through {vip}, the virtual address of the mesh
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
Restart=on-failure
RestartSec=2
ExecStart=/sbin/ip netns add {name}
ExecStart=/sbin/ip link add link {device} name {name} netns {name} type macvlan mode bridge
ExecStart=/sbin/ip -n {name} address add {address} dev {name}{nodad}
# What a node says of a shorter way would lead past it.
ExecStart=/sbin/ip netns exec {name} /bin/sh -c 'for one in all {name}; do \\
    echo 0 > /proc/sys/net/{family}/conf/$$one/accept_redirects; done'
ExecStart=/sbin/ip -n {name} link set {name} up
# The source port is the way: through which node a packet for the virtual address goes.
{ways}
ExecStopPost=-/sbin/ip netns delete {name}
TimeoutStartSec=60

[Install]
WantedBy=multi-user.target
"""
_WAY = """\
ExecStart=/sbin/ip -n {name} {kind} rule add sport {first}-{last} lookup {table}
ExecStart=/sbin/ip -n {name} {kind} route add {vip} via {node} dev {name} table {table}"""
# Numbers of routing tables; in a namespace of its own they are nobody else's.
_TABLES = 1000


def probe(wanted: Wanted, device: str, prefix: int) -> str:
    six = wanted.vip.version == 6
    ways = [
        _WAY.format(
            name=layout.PROBE,
            kind="-6" if six else "-4",
            first=ask.ports(number)[0],
            last=ask.ports(number)[1],
            table=_TABLES + number,
            vip=wanted.vip,
            node=node,
        )
        for number, node in enumerate(asking(wanted).through)
    ]
    return _PROBE.format(
        managed=wanted.managed,
        vip=wanted.vip,
        name=layout.PROBE,
        device=device,
        address=f"{wanted.health_address}/{prefix}",
        nodad=" nodad" if six else "",
        family="ipv6" if six else "ipv4",
        ways="\n".join(ways),
    )


def modules(wanted: Wanted) -> str:
    lines = [
        f"# {wanted.managed}",
        "# IPVS and the schedulers in use. Without them net.ipv4.vs.* does not exist when sysctl.d is applied.",
        *wanted.modules,
    ]
    return "\n".join(lines) + "\n"


def sysctls(wanted: Wanted) -> str:
    lines = [f"# {wanted.managed}"]
    for name, value in wanted.sysctls.items():
        if name in _REASONS:
            lines.append(f"# {_REASONS[name]}")
        lines.append(f"{name} = {value}")
    return "\n".join(lines) + "\n"


def _nice(content: t.Any, sort_keys: bool) -> str:
    return json.dumps(content, indent=4, sort_keys=sort_keys, separators=(",", ": ")) + "\n"


def table(wanted: Wanted, services: t.Sequence[Service]) -> str:
    """The table of the next boot: what the user said, no more."""
    vips = [str(wanted.vip)]
    return _nice({"format": save.FORMAT, "version": save.VERSION, "vips": vips, "services": list(services)}, False)


def table_with(seen: Seen, services: t.Sequence[Service]) -> str:
    """The table of the next boot as it is, with other services."""
    return _nice({**seen.saved, "services": list(services)}, False)


def drained(content: t.Mapping[str, t.Any]) -> str:
    return _nice(content, True)


def names_address(text: str, address: str) -> bool:
    """Whether a configuration of keepalived names an address outside of comments."""
    pattern = re.compile(r"(?<![\w.:])" + re.escape(address) + r"(?![\w.:])")
    return any(pattern.search(re.split("[#!]", line, maxsplit=1)[0]) for line in text.splitlines())


def loads_at_boot(text: str) -> bool:
    """Whether /etc/default/ipvsadm lets the package load a table of its own; the last word counts."""
    values = re.findall(r"""^\s*AUTO\s*=\s*["']?(\w+)""", text, re.MULTILINE)
    return bool(values) and values[-1].lower() == "true"


def with_boot(text: str, wanted: bool) -> str:
    """/etc/default/ipvsadm with its last word on loading a table at boot changed, or added."""
    line = f'AUTO="{"true" if wanted else "false"}"'
    lines = text.splitlines()
    places = [number for number, one in enumerate(lines) if re.match(r"\s*AUTO\s*=", one)]
    if places:
        lines[places[-1]] = line
    else:
        lines.append(line)
    return "\n".join(lines) + "\n"
