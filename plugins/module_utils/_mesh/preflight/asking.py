# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role says about directors that ask nodes for the services end to end: of the address that each of
them does it from, and of the kernel. Pure. Private to the collection."""

from __future__ import annotations

import ipaddress
import typing as t

from ..._host.vip import Place
from ..director.asking import ADDRESS, Use, address_problems
from ..site import Site
from ..unseen import Look


def asking_findings(site: Site, seen: t.Mapping[str, Look]) -> t.Iterator[str]:
    """Of the looks at directors, as far as they ask like that."""
    known = {name: look["asking"] for name, look in seen.items() if look.get("asking")}
    owners: dict[str, str] = {}
    for name, found in known.items():
        if not found["macvlan"]["usable"]:
            reason = found["macvlan"]["error"] or "modprobe failed"
            yield (
                f"{name}: the kernel module macvlan cannot be loaded ({reason}), by which services are asked end to "
                "end. Install the kernel's full module package, or set director_health_check: kube_proxy."
            )
        problems = address_problems(name, _use(site, found))
        yield from problems
        other = owners.setdefault(str(found["address"]), name)
        if other != name and not problems:
            yield f"{ADDRESS}: {other} and {name} have the same, {found['address']}. Give each director another one."


def _use(site: Site, found: Look) -> Use:
    places = [Place(name, ipaddress.ip_address(address), prefix) for name, address, prefix in found["places"]]
    taken = {host.address: f"the address of {name}" for name, host in site.hosts.items()}
    return Use(site.vip, str(found["address"]), found["interface"], places, found["claimed_by"], taken)
