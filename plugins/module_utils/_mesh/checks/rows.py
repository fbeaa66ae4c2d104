# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen on a running system, judged row by row against what was wanted. Pure: no I/O.

This module is private to the collection; anything in it may change at any time.
"""

from __future__ import annotations

import json
import re
import typing as t

from ..sidecar.envoy import may_answer

Mapping = t.Mapping[str, t.Any]


class Row(t.NamedTuple):
    """One judged row of the procedure on one host."""

    row: str
    what: str
    check: str
    ok: bool
    detail: str
    host: str


# Row of the procedure: (what it is, how it is checked).
ROWS: dict[str, tuple[str, str]] = {
    "R1": ("Pilot is exposed on the VIP", "Service in the API, compared field by field"),
    "R2": ("cluster DNS is exposed on the VIP", "Service in the API, compared field by field"),
    "R3": ("Mixer is exposed on the VIP", "Service in the API, compared field by field"),
    "R4": ("Citadel is exposed on the VIP", "Service in the API, compared field by field"),
    "R5": ("the director forwards each port to its nodes", "kernel's IPVS table compared; VIP held; saved for boot"),
    "R6": ("the VM has its identity", "chain, SPIFFE name, expiry, key and owner of the files on the VM"),
    "R7": ("the mesh names are in dnsmasq's file", "the lines of kubedns compared"),
    "R8": ("the sidecar knows the cluster", "values in cluster.env compared"),
    "R9": ("the VM resolves through dnsmasq", "unit, resolv.conf and hosts read"),
    "R10": ("names answer on the VM", "each name looked up with host"),
    "R11": ("the sidecar is installed", "package, units, files and owners read"),
    "R12": ("the certificate agent works", "unit active, last approval in its journal"),
    "R13": ("the sidecar works and captures traffic", "unit active, nat chains and processes read"),
    "R14": ("inbound ports are captured", "sidecar.env and nat chain compared"),
    "R15": ("the VM is registered", "Service and Endpoints in the API compared"),
    "R16": ("Pilot pushed the VM's configuration", "clusters and listener in Envoy's config_dump"),
    "R17": ("no policy check fails closed", "policy filters in Envoy's config_dump"),
    "R18": ("the mesh settings are in force", "mesh document of the ConfigMap; Pilot's Deployment available"),
    "R19": ("a pod reaches the VM through the mesh", "HTTP request from a pod"),
}


PROCESSES = {
    "su (node_agent)": r"^su .*node_agent",
    "node_agent": r"^(?!su )\S*(python\S* (-\S+ )*)?\S*node_agent\b",
    "pilot-agent": r"^(?!su )\S*(python\S* (-\S+ )*)?\S*pilot-agent\b.* proxy\b",
    "envoy": r"^\S*/?envoy .*-c ",
}


def _row(row: str, host: str, problems: t.Sequence[str], good: str) -> Row:
    """A row of the procedure, or of an exposed Service that the procedure does not know, by the Service's name."""
    what, check = ROWS.get(row, (f"{row} is exposed on the VIP", ROWS["R1"][1]))
    return Row(row, what, check, not problems, "; ".join(problems) or good, host)


def env_values(text: str) -> dict[str, str]:
    """Parse the KEY=VALUE lines of an environment file; quotes are stripped, comments skipped."""
    values = {}
    for line in text.splitlines():
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$", line)
        if match:
            values[match.group(1)] = match.group(2).strip().strip("'\"")
    return values


def _ports(service: Mapping) -> list[tuple[t.Any, ...]]:
    return sorted(
        (p.get("name", ""), p["port"], p.get("protocol", "TCP"), str(p.get("targetPort", p["port"])))
        for p in service["spec"].get("ports") or []
    )


def expected_names(
    resources: t.Sequence[Mapping], services: t.Sequence[Mapping], vip: str, cluster_domain: str
) -> dict[str, str]:
    """R10: which name answers which address on a VM.

    Short names and names with the namespace answer the VIP;
    the full names of the Services that exist answer, through the director and the cluster's DNS, their cluster IP.
    """
    names = {}
    for service in services:
        for name in service["dns_names"]:
            names[name] = vip
            names[f"{name}.{service['namespace']}"] = vip
    short = {name for service in services for name in service["dns_names"]}
    for item in resources:
        meta, cluster_ip = item["metadata"], item["spec"].get("clusterIP")
        if meta["name"] in short and cluster_ip not in (None, "", "None"):
            names[f"{meta['name']}.{meta['namespace']}.svc.{cluster_domain}"] = cluster_ip
    return names


def service_problems(wanted: Mapping, seen: Mapping | None) -> list[str]:
    """Compare one exposed Service with the API's; an empty list means they agree."""
    name = "{namespace}/{name}".format(**wanted["metadata"])
    if seen is None:
        return [f"Service {name} does not exist"]
    problems = []
    for field in ("selector", "externalIPs"):
        if (seen["spec"].get(field) or None) != (wanted["spec"].get(field) or None):
            problems.append(
                f"Service {name}: {field} is {seen['spec'].get(field)}, should be {wanted['spec'].get(field)}"
            )
    if _ports(seen) != _ports(wanted):
        problems.append(f"Service {name}: ports are {_ports(seen)}, should be {_ports(wanted)}")
    return problems


def exposure_rows(wanted: Mapping, seen: t.Sequence[Mapping], host: str) -> list[Row]:
    """R1 to R4: one row per exposed Service, and one of its own name for each that the procedure does not know."""
    by_key = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in seen}
    rows = []
    for service in wanted["manifests"]:
        meta = service["metadata"]
        ports = ", ".join(f"{p['port']}/{p.get('protocol', 'TCP')}" for p in service["spec"]["ports"])
        rows.append(
            _row(
                wanted["rows"].get(meta["name"], meta["name"]),
                host,
                service_problems(service, by_key.get((meta["namespace"], meta["name"]))),
                f"{meta['namespace']}/{meta['name']}: {ports} on {', '.join(service['spec'].get('externalIPs', []))}",
            )
        )
    return rows


def director_rows(wanted: Mapping, seen: Mapping, host: str) -> list[Row]:
    """R5: the kernel's table, the VIP and the unit that brings both back after a boot."""
    problems = []
    if seen["table"].get("changed"):
        lines = "; ".join(seen["table"].get("operations") or ["see --diff"])
        problems.append(f"the IPVS table differs, missing operations: {lines}")
    if wanted["vip"] not in seen["addresses"]:
        problems.append(f"the VIP {wanted['vip']} is not held")
    unit = seen["unit"]
    if unit.get("ActiveState") != "active" or unit.get("UnitFileState") != "enabled":
        problems.append(
            f"unit {wanted['unit']} is {unit.get('ActiveState')}/{unit.get('UnitFileState')}, should be active/enabled"
        )
    count = len(wanted["services"])
    reals = sum(len(s.get("real_servers") or []) for s in wanted["services"])
    drained = f", out of service: {', '.join(wanted['drained'])}" if wanted["drained"] else ""
    return [
        _row("R5", host, problems, f"{count} virtual services, {reals} real servers, VIP {wanted['vip']} held{drained}")
    ]


def _identity(wanted: Mapping, seen: Mapping) -> tuple[list[str], str]:
    certs = seen["certs"]
    if "action" not in certs:
        return [certs.get("msg") or "the identity could not be read"], ""
    problems = [f"the identity on the VM needs to be put right: {certs['reason']}"] if certs["action"] != "keep" else []
    return problems, f"{certs.get('identity')} valid until {certs.get('not_after')}"


def _kubedns(wanted: Mapping, seen: Mapping) -> tuple[list[str], str]:
    lines = [line for line in seen["kubedns"].splitlines() if line.strip() and not line.startswith("#")]
    missing = [line for line in wanted["kubedns"] if line not in lines]
    extra = [line for line in lines if line not in wanted["kubedns"]]
    problems = [f"lacks {line}" for line in missing] + [f"has {line}" for line in extra]
    return problems, f"{len(lines)} lines"


def _cluster_env(wanted: Mapping, seen: Mapping) -> tuple[list[str], str]:
    values = env_values(seen["cluster_env"])
    problems = [
        f"{key} is {values.get(key, 'not set')}, should be {value}"
        for key, value in wanted["cluster_env"].items()
        if values.get(key) != str(value)
    ]
    return problems, ", ".join(f"{key}={value}" for key, value in wanted["cluster_env"].items())


def _resolver(wanted: Mapping, seen: Mapping) -> tuple[list[str], str]:
    problems = []
    servers = re.findall(r"^\s*nameserver\s+(\S+)", seen["resolv_conf"], re.M)
    if servers[:1] != ["127.0.0.1"]:
        problems.append(
            f"the first nameserver of /etc/resolv.conf is {servers[0] if servers else 'missing'}, should be 127.0.0.1"
        )
    problems += _unit_problems(seen, "dnsmasq.service")
    names = [
        name
        for line in seen["hosts"].splitlines()
        if line.split("#")[0].split()[:1] == [wanted["address"]]
        for name in line.split("#")[0].split()[1:]
    ]
    if wanted["hostname"] not in names:
        problems.append(f"/etc/hosts does not map {wanted['address']} to {wanted['hostname']}")
    return problems, f"nameservers {', '.join(servers)}; {wanted['address']} is {wanted['hostname']}"


def _lookups(wanted: Mapping, seen: Mapping) -> tuple[list[str], str]:
    problems = []
    for name, address in wanted["names"].items():
        answers = re.findall(rf"^{re.escape(name)} has address (\S+)$", seen["lookups"], re.MULTILINE)
        if answers != [address]:
            problems.append(f"{name} answers {', '.join(answers) or _no_answer(name, seen)}, should be {address}")
    return problems, f"{len(wanted['names'])} names answer, cluster names with their cluster IPs"


def _no_answer(name: str, seen: Mapping) -> str:
    """What the program host said instead of an address."""
    lines = [
        line for line in seen["lookups"].splitlines() if name in line.replace("(", " ").split() or line.startswith(";;")
    ]
    said = "; ".join(dict.fromkeys(lines)) or " ".join(seen.get("lookups_error", "").split())
    return f"nothing ({said})" if said else "nothing"


def _unit_problems(seen: Mapping, unit: str) -> list[str]:
    status = seen["units"].get(unit, {})
    state = (status.get("ActiveState", "missing"), status.get("UnitFileState", "missing"))
    return [] if state == ("active", "enabled") else [f"{unit} is {'/'.join(state)}, should be active/enabled"]


def _installed(wanted: Mapping, seen: Mapping) -> tuple[list[str], str]:
    problems = [] if seen["package"].startswith("ii") else ["package istio-sidecar is not installed"]
    for path, owner in wanted["owners"].items():
        found = seen["owners"].get(path)
        if found != owner:
            problems.append(f"{path} belongs to {found or 'nobody: it is missing'}, should be {owner}")
    for unit in ("istio.service", "istio-auth-node-agent.service"):
        problems += _unit_problems(seen, unit)
    return problems, " ".join(seen["package"].split()[1:3])


def _agent(wanted: Mapping, seen: Mapping) -> tuple[list[str], str]:
    problems = _unit_problems(seen, "istio-auth-node-agent.service")
    approvals = re.findall(r"CSR is approved successfully\. Will renew cert in \S+", seen["agent_log"])
    if not approvals:
        problems.append("the journal of istio-auth-node-agent holds no approved certificate request")
    return problems, approvals[-1] if approvals else ""


def capture_problems(wanted: Mapping, nat: str, uid: str, gid: str) -> list[str]:
    """What the nat table lacks to capture outbound traffic without capturing the proxy's own (R13)."""
    rules = {
        f"RETURN for the proxy's user {uid}": rf"-A ISTIO_OUTPUT .*--uid-owner {re.escape(uid)} -j RETURN",
        f"RETURN for the proxy's group {gid}": rf"-A ISTIO_OUTPUT .*--gid-owner {re.escape(gid)} -j RETURN",
        "RETURN for root's user": r"-A ISTIO_OUTPUT .*--uid-owner 0 -j RETURN",
        "RETURN for root's group": r"-A ISTIO_OUTPUT .*--gid-owner 0 -j RETURN",
        "RETURN for 127.0.0.1/32": r"-A ISTIO_OUTPUT -d 127\.0\.0\.1/32 .*-j RETURN",
        f"ISTIO_REDIRECT for {wanted['service_cidr']}": (
            rf"-A ISTIO_OUTPUT -d {re.escape(wanted['service_cidr'])} .*-j ISTIO_REDIRECT"
        ),
        "REDIRECT to 15001": r"-A ISTIO_REDIRECT .*-j REDIRECT --to-ports 15001",
    }
    return [f"nat table lacks {what}" for what, pattern in rules.items() if not re.search(pattern, nat)]


def _sidecar(wanted: Mapping, seen: Mapping) -> tuple[list[str], str]:
    problems = _unit_problems(seen, "istio.service")
    problems += capture_problems(wanted, seen["nat"], seen["uid"], seen["gid"])
    lines = [line.strip() for line in seen["processes"].splitlines()]
    for name, pattern in PROCESSES.items():
        if not any(re.search(pattern, line) for line in lines):
            problems.append(f"no process {name}")
    return problems, "nat chains complete; node_agent, pilot-agent and envoy run"


def _inbound(wanted: Mapping, seen: Mapping) -> tuple[list[str], str]:
    problems = []
    value = env_values(seen["sidecar_env"]).get("ISTIO_INBOUND_PORTS")
    if value != wanted["inbound_ports"]:
        problems.append(f"ISTIO_INBOUND_PORTS is {value}, should be {wanted['inbound_ports']}")
    for port in filter(None, wanted["inbound_ports"].split(",")):
        if not re.search(rf"-A ISTIO_INBOUND .*--dport {port} .*-j ISTIO_\w*REDIRECT", seen["nat"]):
            problems.append(f"port {port} is not captured")
    return problems, f"ISTIO_INBOUND_PORTS={value}"


def pushed_problems(wanted: Mapping, envoy: Mapping) -> list[str]:
    """What Pilot has not pushed to this VM's Envoy for its services (R16)."""
    if "clusters" not in envoy:
        return [envoy.get("msg") or "Envoy's configuration could not be read"]
    clusters = {c["name"] for c in envoy["clusters"]}
    listeners = {item["name"] for item in envoy.get("listeners", [])}
    problems = []
    for service in wanted["services"]:
        fqdn = f"{service['name']}.{service['namespace']}.svc.{wanted['cluster_domain']}"
        for name in (f"outbound|{service['port']}||{fqdn}", f"inbound|{service['port']}||{fqdn}"):
            if name not in clusters:
                problems.append(f"Envoy has no cluster {name}")
        listener = f"{wanted['address']}_{service['port']}"
        if listener not in listeners:
            problems.append(f"Envoy has no listener {listener}")
    return problems


def policy_problems(checks: t.Sequence[Mapping], host: str) -> list[str]:
    """Say in words why requests to this VM fail, if a policy filter fails closed on a service
    that it cannot reach (R17)."""
    problems = []
    for item in checks:
        endpoints = item.get("endpoints") or []
        if item["fail_mode"] != "closed" or any(may_answer(endpoint) for endpoint in endpoints):
            continue
        where = (
            ", ".join(f"{endpoint['address']}:{endpoint['port']}" for endpoint in endpoints) or "it has no endpoints"
        )
        problems.append(
            f"{item['cluster']} ({where}) is unreachable from {host}, and the filter {item['filter']} on listener "
            f"{item['listener']} fails closed, so every request to it is answered UNAVAILABLE. Fix: the role "
            "mesh_policy with mesh_policy_settings: {disablePolicyChecks: true} (or policyCheckFailOpen: true)"
        )
    return problems


VM_CHECKS: dict[str, t.Callable[[Mapping, Mapping], tuple[list[str], str]]] = {
    "R6": _identity,
    "R7": _kubedns,
    "R8": _cluster_env,
    "R9": _resolver,
    "R10": _lookups,
    "R11": _installed,
    "R12": _agent,
    "R13": _sidecar,
    "R14": _inbound,
}


def vm_rows(wanted: Mapping, seen: Mapping, host: str) -> list[Row]:
    """R6 to R14, R16 and R17 for one VM."""
    rows = []
    for row, check in VM_CHECKS.items():
        problems, good = check(wanted, seen)
        rows.append(_row(row, host, problems, good))
    envoy = seen["envoy"]
    names = ", ".join(f"{s['name']}:{s['port']}" for s in wanted["services"])
    rows.append(_row("R16", host, pushed_problems(wanted, envoy), f"inbound and outbound of {names or 'no service'}"))
    checks = envoy.get("policy_checks")
    unread = ["the filters could not be read, see R16"]
    good = f"{len(checks or [])} policy filters, none fails closed on a service out of reach"
    rows.append(_row("R17", host, unread if checks is None else policy_problems(checks, host), good))
    return rows


def registration_problems(
    wanted: Mapping, endpoint: Mapping, service: Mapping | None, endpoints: Mapping | None
) -> list[str]:
    """Compare Service and Endpoints with one VM of a registration (R15)."""
    name = f"{wanted['namespace']}/{wanted['name']}"
    if service is None or endpoints is None:
        return [f"{'Service' if service is None else 'Endpoints'} {name} does not exist"]
    problems = []
    if service["spec"].get("selector"):
        problems.append(f"Service {name} has a selector: the cluster overwrites its Endpoints")
    key = "alpha.istio.io/kubernetes-serviceaccounts"
    for kind, item in (("Service", service), ("Endpoints", endpoints)):
        accounts = ((item["metadata"].get("annotations") or {}).get(key) or "").split(",")
        if endpoint["service_account"] not in accounts:
            problems.append(f"{kind} {name} lacks the annotation {key}: {endpoint['service_account']}")
    for port in endpoint["ports"]:
        held = [
            address["ip"]
            for subset in endpoints.get("subsets") or []
            for address in subset.get("addresses") or []
            if port["port"] in [p["port"] for p in subset.get("ports") or []]
        ].count(endpoint["address"])
        if held != 1:
            problems.append(f"Endpoints {name} hold {endpoint['address']}:{port['port']} {held} times, should be once")
    return problems


def cluster_rows(wanted: Mapping, seen: Mapping, host: str) -> list[Row]:
    """R15, R18 and R19, seen from the API and from a pod."""
    services = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in seen["services"]}
    endpoints = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in seen["endpoints"]}
    rows = []
    for item in wanted["registrations"]:
        key = (item["namespace"], item["name"])
        for endpoint in item["endpoints"]:
            problems = registration_problems(item, endpoint, services.get(key), endpoints.get(key))
            ports = ", ".join(f"{port['name']}:{port['port']}" for port in endpoint["ports"])
            rows.append(
                _row(
                    "R15",
                    endpoint["host"],
                    problems,
                    f"{item['namespace']}/{item['name']} -> {endpoint['address']} {ports}",
                )
            )
    problems = [*settings_problems(wanted["settings"], seen["mesh"]), *pilot_problems(seen["pilot"])]
    rows.append(_row("R18", host, problems, ", ".join(f"{k}: {json.dumps(v)}" for k, v in wanted["settings"].items())))
    for item in seen["requests"]:
        rows.append(_request_row(item, wanted["expect"]))
    return rows


def _request_row(result: Mapping, expect: str) -> Row:
    """R19: what a request to one VM service answered; C(result) is the task result of M(kubernetes.core.k8s_exec)."""
    (service, port), body = result["item"], result.get("stdout") or ""
    url = f"http://{service['name']}.{service['namespace']}:{port['port']}"
    hosts = ", ".join(endpoint["host"] for endpoint in service["endpoints"])
    problems = []
    error = " ".join(str(result.get("stderr") or result.get("msg") or "no reason was given").split())[:300]
    if "rc" not in result:
        problems.append(f"{url} could not be asked from the pod: {error}")
    elif result["rc"] != 0:
        problems.append(f"{url} gives no answer, curl ended with {result['rc']}: {error}")
    elif expect not in body:
        problems.append(f"{url} answers without {expect!r}: {' '.join(body.split())[:200] or 'an empty page'}")
    title = re.search(r"<title>(.*?)</title>", body, re.S)
    return _row("R19", hosts, problems, f"{url} answers {(title.group(1) if title else body[:60]).strip()}")


def settings_problems(wanted: Mapping, result: Mapping) -> list[str]:
    """Mesh settings that differ (R18); C(result) is that of M(mesh.expansion.istio_mesh_config) in check mode."""
    if "previous" not in result:
        return [str(result.get("msg") or "the mesh settings could not be read")]
    return [
        f"mesh setting {key} is {json.dumps(value)}, should be {json.dumps(wanted.get(key))}"
        for key, value in result["previous"].items()
    ]


def pilot_problems(deployments: t.Sequence[Mapping]) -> list[str]:
    """Pilot's Deployments that have not finished rolling out."""
    problems = [] if deployments else ["no Deployment of Pilot was found"]
    for item in deployments:
        status, wanted = item.get("status", {}), item["spec"].get("replicas", 1)
        current = status.get("observedGeneration") == item["metadata"].get("generation")
        if not current or status.get("updatedReplicas") != wanted or status.get("availableReplicas") != wanted:
            problems.append(f"Deployment {item['metadata']['name']} has not finished rolling out")
    return problems


def all_rows(
    wanted: t.Mapping[str, t.Sequence[str]], seen: t.Mapping[str, t.Sequence[Mapping]], host: str
) -> list[Row]:
    """The rows of all hosts of a run. A host that should have shown rows and has none was not reached:
    its rows do not hold."""
    rows = [Row(**row) for found in seen.values() for row in found]
    numbers = {"director": ["R5"], "vm": [*VM_CHECKS, "R16", "R17"]}
    for kind, hosts in wanted.items():
        for name in hosts:
            if not seen.get(name):
                rows += [
                    _row(number, name, [f"{name} was not reached or its check broke off"], "")
                    for number in numbers[kind]
                ]
    return rows


def table(rows: t.Sequence[Mapping]) -> list[str]:
    """The rows as lines that people read: ok or FAILED, row, what, detail."""
    return [
        f"{'ok    ' if row['ok'] else 'FAILED'} {row['row']:<3} {row['what']}: {row['detail']}"
        for row in sorted(rows, key=_place)
    ]


def _place(row: Mapping) -> tuple[int, str, str]:
    """Rows of the procedure by number, then those of the user's own Services by name."""
    number = re.fullmatch(r"R(\d+)", row["row"])
    return (int(number.group(1)) if number else len(ROWS) + 1, row["row"], row["host"])
