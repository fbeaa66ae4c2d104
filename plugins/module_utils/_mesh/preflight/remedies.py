# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to let something through a packet filter, in the words of what its rules belong to. Pure.

Private to the collection.
"""

from __future__ import annotations

import typing as t

from ..._host.firewall.model import DOCKER, FIREWALLD, NFT, UFW

# Rules that are put in by hand are gone after a restart.
_KEEP = "and have it loaded at boot as well"
# Of sources that take a command each, so many are written out.
_FEW = 3
ANSWERS, LOOPBACK = "answers", "loopback"
_PLAIN = {
    ANSWERS: ("ct state established,related", "-m conntrack --ctstate ESTABLISHED,RELATED"),
    LOOPBACK: ("iif lo", "-i lo"),
}


class Opening(t.NamedTuple):
    """What is to get through, and where."""

    owner: str
    # As iptables or nft call it: program or family, table, name.
    chain: str
    hook: str
    protocol: str
    sources: t.Sequence[str]
    destination: str = ""
    ports: t.Sequence[int] = ()
    # The ports that it was sent to, where the packet has another one by now.
    originals: t.Sequence[int] = ()
    # ANSWERS or LOOPBACK: one rule for all of them.
    plain: str = ""


def let_in(wanted: Opening) -> str:
    """One sentence's end: what to run."""
    if wanted.plain:
        return _plain(wanted)
    if wanted.owner == UFW:
        return _ufw(wanted)
    if wanted.owner == FIREWALLD:
        return _firewalld(wanted)
    if wanted.owner == NFT:
        return f"nft insert rule {wanted.chain} {_nft(wanted)} accept, {_KEEP}"
    return f"{_program(wanted)} -I {_iptables_chain(wanted)} {_iptables(wanted)} -j ACCEPT, {_KEEP}"


def not_track(owner: str, vip: str) -> str:
    """For a director: connection tracking is of no use where answers go another way."""
    rule = f"-A PREROUTING -d {vip} -j NOTRACK"
    if owner == UFW:
        return f"write the lines '*raw', '{rule}' and 'COMMIT' into /etc/ufw/before.rules, then ufw reload"
    if owner == FIREWALLD:
        return (
            f"firewall-cmd --permanent --direct --add-rule ipv4 raw PREROUTING 0 -d {vip} -j NOTRACK, "
            "then firewall-cmd --reload"
        )
    if owner == NFT:
        return (
            "a chain of nftables with 'type filter hook prerouting priority raw; policy accept;' and the rule "
            f"'ip daddr {vip} notrack'"
        )
    return f"{owner} -t raw {rule}, {_KEEP}"


def _plain(wanted: Opening) -> str:
    in_nft, in_iptables = _PLAIN[wanted.plain]
    if wanted.owner in (NFT, FIREWALLD):
        return f"nft insert rule {wanted.chain} {in_nft} accept, {_KEEP}"
    return f"{_program(wanted)} -I {_iptables_chain(wanted)} {in_iptables} -j ACCEPT, {_KEEP}"


def _ufw(wanted: Opening) -> str:
    ports = f" port {','.join(map(str, wanted.ports))}" if wanted.ports else ""
    # A route is for what is forwarded.
    verb = "route allow" if wanted.hook == "forward" else "allow out" if wanted.hook == "output" else "allow"
    commands = [
        f"ufw {verb} proto {wanted.protocol} from {source or 'any'} to {wanted.destination or 'any'}{ports}"
        for source in wanted.sources[:_FEW]
    ]
    return "; ".join(commands) + _others(wanted)


def _others(wanted: Opening) -> str:
    more = len(wanted.sources) - _FEW
    return f"; and the same from {more} more" if more > 0 else ""


def _firewalld(wanted: Opening) -> str:
    sources = wanted.sources[:_FEW]
    if wanted.hook == "forward":
        # Rich rules are for what comes to the host itself.
        options = [f"--zone=trusted --add-source={source}" for source in sources if source]
        if options:
            return f"firewall-cmd --permanent {' '.join(options)}, then firewall-cmd --reload{_others(wanted)}"
    if wanted.hook != "input":
        return "see its zones and policies (firewall-cmd --list-all-zones, firewall-cmd --list-all-policies)"
    whats = [f"port port={port} protocol={wanted.protocol}" for port in wanted.ports]
    rules = [
        f"--add-rich-rule='rule family=ipv4{f' source address={source}' if source else ''} {what} accept'"
        for source in sources
        for what in whats or [f"protocol value={wanted.protocol}"]
    ]
    return f"firewall-cmd --permanent {' '.join(rules)}, then firewall-cmd --reload{_others(wanted)}"


def _set(values: t.Sequence[t.Any]) -> str:
    return str(values[0]) if len(values) == 1 else f"{{ {', '.join(map(str, values))} }}"


def _nft(wanted: Opening) -> str:
    sources = [source for source in wanted.sources if source]
    parts = [f"ip saddr {_set(sources)}"] if sources else []
    if wanted.destination:
        parts.append(f"ip daddr {wanted.destination}")
    if wanted.ports:
        parts.append(f"{wanted.protocol} dport {_set(wanted.ports)}")
    else:
        parts.append(f"ip protocol {wanted.protocol}")
    if len(wanted.originals) == 1:
        parts.append(f"ct original proto-dst {wanted.originals[0]}")
    text = " ".join(parts)
    # For a shell.
    return f"'{text}'" if "{" in text else text


def _program(wanted: Opening) -> str:
    return wanted.owner if wanted.owner.startswith("iptables") else wanted.chain.split()[0]


def _iptables_chain(wanted: Opening) -> str:
    _program_name, table, chain = wanted.chain.split()
    if wanted.owner == DOCKER and wanted.hook == "forward":
        # The one of Docker's that it leaves to others.
        return "DOCKER-USER"
    return chain if table == "filter" else f"{chain} -t {table}"


def _iptables(wanted: Opening) -> str:
    sources = [source for source in wanted.sources if source]
    parts = [f"-s {','.join(sources)}"] if sources else []
    if wanted.destination:
        parts.append(f"-d {wanted.destination}")
    parts.append(f"-p {wanted.protocol}")
    if len(wanted.ports) == 1:
        parts.append(f"--dport {wanted.ports[0]}")
    elif wanted.ports:
        parts.append(f"-m multiport --dports {','.join(map(str, wanted.ports))}")
    if len(wanted.originals) == 1:
        parts.append(f"-m conntrack --ctorigdstport {wanted.originals[0]}")
    return " ".join(parts)
