# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role says about the directors, of which there may be several. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..site import Site
from ..unseen import Look
from .asking import asking_findings
from .hosts import Looks, Rules, clock


def director_findings(site: Site, looks: Looks, rules: Rules) -> t.Iterator[str]:
    # One that was not looked at as root tells nothing of what is judged here.
    seen = {name: looks[name] for name in site.directors if "ip_vs" in looks.get(name, {})}
    own = {mac for look in seen.values() for mac in [(look.get("probe") or {}).get("hardware")] if mac}
    for name, look in seen.items():
        if not look["ip_vs"]["usable"]:
            yield (
                f"{name}: the kernel module ip_vs cannot be loaded ({look['ip_vs']['error'] or 'modprobe failed'}). "
                "Install the kernel's full module package, or use a host (not a container) whose kernel has ip_vs."
            )
        probe = look.get("probe")
        if probe is not None:
            yield from _address(site, name, probe, own)
            yield from _vrrp(site, name, probe, rules.router_id or _last_byte(site))
    yield from asking_findings(site, seen)
    if len(site.directors) > 1:
        for name, look in seen.items():
            # A director has nothing to do with certificates.
            yield from clock(name, look, "what two directors logged of a failover could not be put in order")
            yield from _between(name, look, rules)
        yield from _split(site, seen)
        yield from _nobody(site, seen)


def _address(site: Site, name: str, probe: Look, own: t.Collection[str]) -> t.Iterator[str]:
    if probe["error"]:
        yield f"{name}: it could not be probed whether {site.vip} is free: {probe['error']}"
    elif not probe["interface"]:
        yield (
            f"mesh_vip: {site.vip} is in no subnet of the director {name}, so no neighbour would find it there. "
            "Choose a free address in one of the director's subnets."
        )
    # Another director may hold it.
    strangers = [mac for mac in probe["answered_by"] if mac not in own]
    if strangers:
        yield (
            f"mesh_vip: {site.vip} is answered by another host, hardware address {', '.join(strangers)}, "
            f"seen from {name} on {probe['interface']}. Choose a free address, or take it off that host."
        )


def _between(name: str, look: Look, rules: Rules) -> t.Iterator[str]:
    """What a director has that would keep it from sharing the address."""
    if (look.get("keepalived") or {}).get("foreign") and not rules.takeover:
        yield (
            f"{name}: /etc/keepalived/keepalived.conf is not the role director's. Take keepalived's configuration away "
            "there, or let the role replace it, and put it back on removal, with director_keepalived: takeover."
        )


def _vrrp(site: Site, name: str, probe: Look, router_id: int) -> t.Iterator[str]:
    """Adverts that no director sends."""
    if len(site.directors) < 2:
        return
    ours = {host.address for host in site.directors.values()}
    for advert in probe.get("adverts") or []:
        if advert["source"] not in ours and advert["router_id"] == router_id:
            yield (
                f"director_router_id: {advert['source']} uses the virtual router id {router_id} already, seen from "
                f"{name} on {probe['interface']}. Set director_router_id to another number, the same for all directors."
            )


def _last_byte(site: Site) -> int:
    last = site.vip.rpartition(".")[2]
    return int(last) if last.isdigit() and int(last) else 1


def _split(site: Site, seen: Looks) -> t.Iterator[str]:
    holders = [name for name, look in seen.items() if (look.get("probe") or {}).get("held")]
    if len(holders) > 1:
        yield (
            f"mesh_vip: {', '.join(holders)} hold {site.vip} at the same time. They do not hear each other's adverts: "
            "let protocol 112 (VRRP) from each of them through to the others, in their packet filters and on the "
            "network between them."
        )


def _nobody(site: Site, seen: Looks) -> t.Iterator[str]:
    """No holder, where a run of the role would change nothing about it."""
    own = {name: look.get("keepalived") or {} for name, look in seen.items()}
    probes = [look.get("probe") or {} for look in seen.values()]
    held = any(probe.get("held") or probe.get("answered_by") for probe in probes)
    ours = all(one.get("active") and not one.get("foreign") for one in own.values())
    if held or not ours or set(seen) != set(site.directors):
        return
    out = [name for name, one in own.items() if one["standby"]]
    if len(out) == len(own):
        yield (
            f"mesh_vip: no director holds {site.vip}, all are kept out. "
            f"Next: ansible-playbook mesh.expansion.failover -e director_back={out[0]}"
        )
    else:
        yield (
            f"mesh_vip: no director holds {site.vip}, though keepalived runs on {', '.join(own)}. "
            "See journalctl -u keepalived there."
        )
