# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was found on all hosts to the rows that people read. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..director.model import END_TO_END, KUBE_PROXY
from ..generations.model import CLUSTER, DIRECTOR, EXPOSURE, TOKEN, VM, Generation, RowText
from ..unseen import told, unreachable, unseen
from . import rows_nodes, rows_pair, rows_token
from .model import CLUSTER_HOST, FAILED, OK, UNCHECKED, WARNING, Finding, Row, finding

Mapping = t.Mapping[str, t.Any]
Results = t.Mapping[str, Mapping]
"""Results of a task by host; empty for a host that did not get there."""


def rows(
    generation: Generation,
    cluster: Mapping,
    directors: Results,
    vms: Results,
    identities: Results,
    table: str,
    forecasts: t.Mapping[str, t.Sequence[str]] | None = None,
    real_servers: Mapping | None = None,
) -> list[Row]:
    """The rows of a whole run; C(table) says what the director's table holds when all is well, C(forecasts) by VM what
    of its identity expires before long, C(real_servers) what the cluster said of its nodes if it was asked."""
    names = cluster.get("names")
    warnings = forecasts or {}
    nodes = real_servers or {}
    return [
        *_cluster_rows(generation, cluster),
        *(
            row
            for host, result in directors.items()
            for row in _director_rows(generation, host, result, table, nodes.get("unknown", ""))
        ),
        *(rows_nodes.rows(nodes) if directors else []),
        *([rows_pair.row(directors)] if len(directors) > 1 else []),
        *(
            row
            for host, result in vms.items()
            for row in _vm_rows(generation, host, result, identities.get(host) or {}, names, warnings.get(host, ()))
        ),
    ]


def _cluster_rows(generation: Generation, result: Mapping) -> list[Row]:
    if "checks" not in result:
        return _unread(generation, CLUSTER, CLUSTER_HOST, result)
    return [
        _row(_text_of(generation, said["check"], said["service"]), said["host"], finding(said))
        for said in result["checks"]
    ]


def _director_rows(generation: Generation, host: str, result: Mapping, table: str, unknown: str) -> list[Row]:
    """C(unknown) says why it is not known which nodes there are: then the hosts of the inventory were taken."""
    if "operations" not in result:
        return _unread(generation, DIRECTOR, host, result)
    problems = list(result["refusals"])
    if result["operations"]:
        problems.append(f"the next run would: {'; '.join(result['operations'])}")
    drained = f", out of service: {', '.join(result['drained'])}" if result["drained"] else ""
    checked = _checked(result.get("keepalived") or {})
    held = f"held on {', '.join(result['places'])}" if result["places"] else "held by another director"
    good = f"{table}, {held}{drained}{checked}"
    if unknown and not result["refusals"]:
        inventory = "; ".join(problems) or good
        return [_row(_text_of(generation, "table"), host, Finding([], "", f"{unknown} Of these: {inventory}"))]
    return [_row(_text_of(generation, "table"), host, Finding(problems, good))]


def _checked(keepalived: Mapping) -> str:
    """How nodes are asked, and which are out because of it."""
    check, failing = str(keepalived.get("check")), keepalived.get("failing_services") or {}
    if check == END_TO_END:
        out = [f"{node} ({', '.join(services)})" for node, services in failing.items()]
    else:
        out = list(failing)
    asked = {END_TO_END: ", nodes are asked end to end", KUBE_PROXY: ", nodes are asked for kube-proxy"}.get(check, "")
    return asked + (f", taken out by the checks: {', '.join(out)}" if out else "")


def _vm_rows(
    generation: Generation,
    host: str,
    result: Mapping,
    identity: Mapping,
    names: t.Mapping[str, str] | None,
    warnings: t.Sequence[str],
) -> list[Row]:
    if "checks" not in result:
        return _unread(generation, VM, host, result)
    found = {name: finding(said) for name, said in result["checks"].items()}
    if generation.identity == TOKEN:
        found["bootstrap"] = rows_token.files_finding(identity)
        found["identity"] = rows_token.certificate_finding(identity)
    else:
        found["identity"] = identity_finding(identity)
        found["lookups"] = lookup_finding(result["lookups"], names)
    found["identity"] = found["identity"]._replace(warnings=warnings)
    return [_row(text, host, found[text.check]) for text in generation.rows if text.check in found]


def identity_finding(result: Mapping) -> Finding:
    """R6; C(result) is that of M(mesh.expansion.istio_vm_certs) in check mode."""
    if "action" not in result:
        return Finding([str(result.get("msg") or "the identity could not be read")])
    problems = [] if result["action"] == "keep" else [f"the identity has to be put right: {result['reason']}"]
    return Finding(problems, f"{result.get('identity')} valid until {result.get('not_after')}")


def lookup_finding(lookups: Mapping, names: t.Mapping[str, str] | None) -> Finding:
    """R10: what names answered on the VM, against what they are in the cluster."""
    if names is None:
        return Finding(["what the names must answer is not known: the cluster could not be looked at"])
    problems = []
    for name, address in names.items():
        seen = lookups.get(name) or {"addresses": [], "said": ""}
        if seen["addresses"] != [address]:
            said = f"nothing ({seen['said']})" if seen["said"] else "nothing"
            problems.append(f"{name} answers {', '.join(seen['addresses']) or said}, should be {address}")
    return Finding(problems, f"{len(names)} names answer, cluster names with their cluster IPs")


def _unread(generation: Generation, scope: str, host: str, result: Mapping) -> list[Row]:
    """None of the rows holds, and each says why."""
    if not result:
        reason = f"{host} was not reached, or its check broke off"
    elif unreachable(result):
        reason = unseen(host, result)
    else:
        reason = told(result, "no reason was given")
        reason = f"{host}: {reason}" if scope != CLUSTER and host not in reason else reason
    return [_row(text, host, Finding([reason])) for text in generation.rows if text.scope == scope]


def _text_of(generation: Generation, check: str, service: str = "") -> RowText:
    """The row of a check; of a Service that the procedure does not know, a row of its own name."""
    for text in generation.rows:
        if (text.check, text.service) == (check, service):
            return text
    how = next(text.how for text in generation.rows if text.check == EXPOSURE)
    return RowText(service, EXPOSURE, CLUSTER, f"{service} is exposed on the VIP", how, service)


def _row(text: RowText, host: str, found: Finding) -> Row:
    passed = WARNING if found.warnings else OK
    state = FAILED if found.problems else UNCHECKED if found.unchecked else passed
    detail = "; ".join(found.problems) or found.unchecked or "; ".join([found.good, *found.warnings])
    return Row(text.id, text.what, text.how, state, state != FAILED, detail, host)


def table(generation: Generation, judged: t.Sequence[Mapping]) -> list[str]:
    """The rows as lines that people read: state, row, what, detail."""
    order = {text.id: number for number, text in enumerate(generation.rows)}
    return [
        f"{row['state']:<7} {row['row']:<3} {row['what']}: {row['detail']}"
        for row in sorted(judged, key=lambda row: (order.get(row["row"], len(order)), row["row"], row["host"]))
    ]
