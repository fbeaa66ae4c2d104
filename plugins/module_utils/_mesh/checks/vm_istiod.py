# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a VM in the mesh of an istiod. Where a role applies something, the check asks its plan to be empty.

Pure: no I/O. Private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ..._host.systemd import UnitState
from ..dns import files as dns_files
from ..dns import plan as dns_plan
from ..errors import MeshError
from ..generations.model import CAPTURE, DNSMASQ, HOSTS
from ..sidecar import layout
from ..sidecar import look as sidecar_look
from ..sidecar import plan as sidecar_plan
from . import plans
from .look_istiod import Answer, Seen, Wanted
from .model import Finding

OUTBOUND, INBOUND, DNS, GATEWAY_PORT = 15001, 15006, 15053, 15443
_UPDATES = {"clusters": "cluster_manager.cds", "listeners": "listener_manager.lds"}


def judge(wanted: Wanted, seen: Seen) -> dict[str, Finding]:
    """By the name of the check, all but the bootstrap files and the certificate: these need the cluster's word."""
    return {
        "resolver": _resolver(wanted, seen),
        **_sidecar(wanted, seen),
        "capture": _capture(wanted, seen),
        "vm_to_pods": _vm_to_pods(wanted, seen),
    }


def _resolver(wanted: Wanted, seen: Seen) -> Finding:
    """I6: what programs get for names, and what the role dnsmasq would do."""
    problems = name_problems(wanted, seen.lookups)
    if seen.ordinary:
        problems.append(f"other names: {seen.ordinary}")
    if wanted.dns_mode == DNSMASQ:
        return Finding([*problems, *_dnsmasq_problems(wanted, seen)], "dnsmasq answers names of the mesh")
    if seen.has_dnsmasq:
        problems.append("dnsmasq resolves for this host still: the next run would put back how it was before")
    how = (
        "the sidecar answers names of the mesh" if wanted.dns_mode == CAPTURE else "names of the mesh are not resolved"
    )
    return Finding(problems, f"{wanted.control_plane} is {wanted.sidecar.vip}; {how}, resolv.conf is the host's own")


def name_problems(wanted: Wanted, lookups: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    problems = []
    for name in wanted.names():
        found = list(lookups.get(name) or ())
        if name == wanted.control_plane and found != [wanted.sidecar.vip]:
            problems.append(f"{name} answers {', '.join(found) or 'nothing'}, should be {wanted.sidecar.vip}")
        elif not found:
            problems.append(f"{name} answers nothing")
    return problems


def _dnsmasq_problems(wanted: Wanted, seen: Seen) -> list[str]:
    if wanted.resolver is None or seen.resolver is None:
        return ["what dnsmasq should be told is not known"]
    try:
        operations = dns_plan.join(seen.resolver, wanted.resolver)
    except MeshError as exc:
        return [str(exc)]
    missing = dns_plan.missing_packages(seen.resolver, wanted.resolver)
    problems = [f"package {name} is not installed" for name in missing]
    problems += [text for texts in plans.wrong(operations, seen.resolver.paths).values() for text in texts]
    problems += plans.unit_problems(dns_files.UNIT, seen.resolver.units.get(dns_files.UNIT, UnitState()))
    return plans.complete(operations, problems, [])


def _sidecar(wanted: Wanted, seen: Seen) -> dict[str, Finding]:
    """I7 and I9: what the role istio_sidecar would do, and what shows that it works."""
    vm, settings = seen.sidecar, wanted.sidecar
    operations = sidecar_plan.plan(vm, settings)
    package = [] if vm.version else [f"package {layout.PACKAGE} is not installed"]
    package += [] if vm.account else [f"there is no account {layout.USER}"]
    package += [f"{path} belongs to {state.owner}, should be {layout.USER}" for path, state in vm.foreign.items()]
    package += [text for texts in plans.wrong(operations, vm.paths).values() for text in texts]
    units = [text for name in settings.layout.units for text in plans.unit_problems(name, vm.unit(name))]
    proxy = [f"{path} is newer than the sidecar's start: it has to be restarted" for path in vm.newer]
    if vm.envoy != sidecar_look.LIVE:
        proxy.append(f"the sidecar is {vm.envoy}")
    accepted = updates(seen.stats)
    proxy += update_problems(seen.stats, accepted)
    proxy = plans.complete(operations, proxy, [*package, *units])
    good = ", ".join(f"{number} updates of {name}" for name, number in accepted.items())
    return {
        "package": Finding([*package, *units], f"{layout.PACKAGE} {vm.version}"),
        "proxy": Finding(proxy, f"ready; {good}, 0 rejected"),
    }


def _counters(stats: str, name: str) -> dict[str, int]:
    found = re.findall(rf"^(\S+\.{name}): (\d+)$", stats, re.MULTILINE)
    return {counter: int(value) for counter, value in found}


def updates(stats: str) -> dict[str, int]:
    """How often istiod's clusters and listeners were taken."""
    found = _counters(stats, "update_success")
    return {name: found.get(f"{prefix}.update_success", 0) for name, prefix in _UPDATES.items()}


def update_problems(stats: str, accepted: t.Mapping[str, int]) -> list[str]:
    if not stats:
        return ["Envoy's admin endpoint does not answer: journalctl -u istio -n 50"]
    problems = [f"Envoy has got no {name} from istiod" for name, number in accepted.items() if not number]
    rejected = {name: number for name, number in _counters(stats, "update_rejected").items() if number}
    return problems + [
        f"Envoy rejected a configuration ({name.rpartition('.')[0]}: {number}): see {layout.LOGS}/istio.err.log"
        for name, number in rejected.items()
    ]


def _capture(wanted: Wanted, seen: Seen) -> Finding:
    """I10: the rules, in the one kind of packet filter that they are in."""
    there = {name: text for name, text in seen.nat.items() if re.search(r"^:ISTIO_", text, re.MULTILINE)}
    if len(there) != 1:
        where = " and ".join(there or seen.nat)
        text = f"there are chains in {where}" if there else f"there are no chains of the sidecar in {where}"
        return Finding([f"{text}: systemctl restart istio makes them anew"])
    ((program, nat),) = there.items()
    settings = wanted.sidecar
    ports = [int(service["port"]) for service in settings.services]
    problems = rule_problems(nat, seen.uid, wanted.dns_mode == CAPTURE)
    problems += [f"port {port} is not captured" for port in ports if not is_captured(nat, port)]
    excluded = [port for port in settings.management_ports if port not in ports]
    problems += [f"port {port} is captured, and must not be" for port in excluded if is_captured(nat, port)]
    inbound = ", ".join(map(str, ports)) or "everything"
    names = ", DNS queries" if wanted.dns_mode == CAPTURE else ""
    return Finding(
        problems, f"{program}: inbound {inbound}, not {', '.join(map(str, excluded)) or 'nothing'}; outbound{names}"
    )


def rule_problems(nat: str, uid: str, dns: bool) -> list[str]:
    """What the nat table lacks to capture traffic without capturing the proxy's own. The agent takes the account's
    number for that of its group as well, so no rule for a group is asked for."""
    rules = {
        "a jump to ISTIO_INBOUND": r"-A PREROUTING .*-j ISTIO_INBOUND",
        "a jump to ISTIO_OUTPUT": r"-A OUTPUT .*-j ISTIO_OUTPUT",
        f"RETURN for the proxy's user {uid}": rf"-A ISTIO_OUTPUT -m owner --uid-owner {re.escape(uid)} -j RETURN",
        "ISTIO_REDIRECT of all else": r"-A ISTIO_OUTPUT (-p tcp )?-j ISTIO_REDIRECT",
        f"REDIRECT to {OUTBOUND}": rf"-A ISTIO_REDIRECT .*-j REDIRECT --to-ports {OUTBOUND}",
        f"REDIRECT to {INBOUND}": rf"-A ISTIO_IN_REDIRECT .*-j REDIRECT --to-ports {INBOUND}",
    }
    queries = rf"--dport 53 .*-j REDIRECT --to-ports {DNS}"
    if dns:
        rules["REDIRECT of DNS queries"] = queries
    problems = [f"nat table lacks {what}" for what, pattern in rules.items() if not re.search(pattern, nat)]
    if not dns and re.search(queries, nat):
        problems.append("DNS queries are captured, and must not be")
    return problems


def is_captured(nat: str, port: int) -> bool:
    """Whether a connection that comes in goes to the proxy: the first rule that fits says so."""
    for rule in re.findall(r"^-A ISTIO_INBOUND (.*)$", nat, re.MULTILINE):
        number = re.search(r"--dport (\d+)", rule)
        if number is None or int(number.group(1)) == port:
            return "-j ISTIO_IN_REDIRECT" in rule
    return False


def _vm_to_pods(wanted: Wanted, seen: Seen) -> Finding:
    """I15: a request through the gateway."""
    if not wanted.vm_to_pods:
        return Finding([], unchecked="mesh_vm_to_pods is off: VMs reach no pods here")
    if wanted.dns_mode == HOSTS:
        return Finding([], unchecked=f"with mesh_dns_mode {HOSTS!r} the VM resolves no Service of the cluster")
    if seen.answer is None:
        text = (
            "no Service is known to which a request could be sent. Name one with pods that answer HTTP in "
            "mesh_verify_server (verify_server), such as http://web.default:80/"
        )
        return Finding([], unchecked=text)
    return answer_finding(wanted, seen.answer)


def answer_finding(wanted: Wanted, answer: Answer) -> Finding:
    gateway = f"{wanted.sidecar.vip}:{GATEWAY_PORT}"
    elsewhere = [place for place in answer.endpoints if place != gateway]
    problems = []
    if elsewhere:
        problems.append(
            f"Envoy would send requests for {wanted.server} to {', '.join(elsewhere)} and not to {gateway}: are the "
            "gateway, its pods and the namespace of the control plane labelled with topology.istio.io/network, and is "
            "the VM in another network?"
        )
    if not 0 < answer.status < 400:
        said = f"{answer.status} {answer.said}".strip() if answer.status else f"nothing ({answer.said})"
        problems.append(f"{wanted.server} answers {said} to {wanted.host}")
    through = f" through {gateway}" if answer.endpoints else ""
    return Finding(problems, f"{wanted.server} answers {answer.status}{through}")
