# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two modules of the role director: options, answers, and the change itself. Private to the collection."""

from __future__ import annotations

import typing as t

from ... import _options
from ..._host import change, kernel, transaction
from ..._host.addresses import parse
from ..._host.errors import HostError
from ..._ipvs import options
from . import layout, model, operations, pair, program
from .look import look
from .model import Seen, Wanted
from .plan import plan
from .refuse import refusals

Result = t.Dict[str, t.Any]


def spec() -> dict[str, t.Any]:
    """The options of both modules."""
    return {
        "vip": {"type": "str", "required": True},
        "state": {"type": "str", "choices": list(model.STATES), "default": model.PRESENT},
        "services": {"type": "list", "elements": "dict", "default": []},
        "sysctls": {"type": "dict", "default": {}},
        "interface": {"type": "str", "default": ""},
        "python": {"type": "path", "default": "/usr/bin/python3"},
        "ipvsadm_boot": {"type": "str", "choices": [model.REFUSE, model.TAKEOVER], "default": model.REFUSE},
        "node": {"type": "str"},
        "host": {"type": "str", "default": "this host"},
        "managed": {"type": "str", "default": "Ansible managed"},
        "directors": {"type": "list", "elements": "dict", "default": []},
        "ha": {"type": "str", "choices": [model.NONE, model.KEEPALIVED], "default": model.NONE},
        "router_id": {"type": "int", "default": 0},
        "priority": {"type": "int", "default": 0},
        "advert_interval": {"type": "float", "default": 0.3},
        "health": {"type": "str", "choices": [model.NONE, model.KEEPALIVED], "default": model.NONE},
        "health_port": {"type": "int", "default": 10256},
        "health_path": {"type": "str", "default": "/healthz"},
        "health_failed": {"type": "str", "choices": [model.INHIBIT, model.REMOVE], "default": model.INHIBIT},
        "health_quorum": {"type": "int", "default": 1},
        "health_check": {
            "type": "str",
            "choices": [model.KUBE_PROXY, model.END_TO_END],
            "default": model.KUBE_PROXY,
        },
        "health_address": {"type": "str", "default": ""},
        "health_tls": {"type": "dict", "default": {}},
        "health_roots": {"type": "str", "default": ""},
        "health_dns_name": {"type": "str", "default": "kubernetes.default.svc.cluster.local"},
        "keepalived": {"type": "str", "choices": [model.REFUSE, model.TAKEOVER], "default": model.REFUSE},
    }


# What fits these options, for both modules.
KINDS = {
    "health_address": _options.ADDRESS,
    "health_dns_name": _options.DOMAIN,
    "health_path": _options.URL_PATH,
    "health_roots": _options.PEM,
    "interface": _options.INTERFACE,
    "python": _options.PATH,
}
# For AnsibleModule.
REQUIRED_IF = [("state", model.DRAINED, ["node"]), ("state", model.UNDRAINED, ["node"])]


def wanted_of(params: t.Mapping[str, t.Any]) -> Wanted:
    node = params["node"]
    # What is wrong with a service is said before anything is looked at.
    options.parse_services(params["services"])
    _check(params)
    return Wanted(
        vip=parse(params["vip"], "vip"),
        state=params["state"],
        services=params["services"],
        sysctls={name: str(value) for name, value in params["sysctls"].items()},
        interface=params["interface"],
        python=params["python"],
        ipvsadm_boot=params["ipvsadm_boot"],
        node=parse(node, "node") if node else None,
        host=params["host"],
        managed=params["managed"],
        health_address=parse(params["health_address"], "health_address") if params["health_address"] else None,
        health_tls=_tls(params["health_tls"]),
        directors=[{name: str(one[name]) for name in ("name", "address")} for one in params["directors"]],
        **{name: params[name] for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    "ha",
    "router_id",
    "priority",
    "advert_interval",
    "health",
    "health_port",
    "health_path",
    "health_failed",
    "health_quorum",
    "health_check",
    "health_roots",
    "health_dns_name",
    "keepalived",
)
_RANGES = {
    "router_id": (0, 255),
    "priority": (0, 254),
    "advert_interval": (0.01, 40),
    "health_port": (1, 65535),
    "health_quorum": (0, 65535),
}


def _check(params: t.Mapping[str, t.Any]) -> None:
    for name, (least, most) in _RANGES.items():
        if not least <= params[name] <= most:
            raise HostError(f"{name} is {params[name]}; it must be between {least} and {most}.")


def _tls(given: t.Mapping[t.Any, t.Any]) -> dict[int, str]:
    """Names of servers by port."""
    read = {}
    for port, name in given.items():
        number = int(port) if str(port).isdigit() else 0
        if not 1 <= number <= 65535:
            raise HostError(f"health_tls has {port!r}; it must be a port number, with the server's name as its value.")
        if not _options.HOST.fits(name):
            raise HostError(f"health_tls has {name!r} for port {port}; it must be {_options.HOST.text}.")
        read[number] = str(name)
    return read


def found(wanted: Wanted, seen: Seen, package: t.Mapping[str, bytes]) -> Result:
    """What director_look answers."""
    devices = model.devices(wanted, seen)
    refused = refusals(wanted, seen)
    steps = [] if refused else plan(wanted, seen, package)
    result: Result = {
        "interface": devices[0] if len(devices) == 1 else "",
        "places": [str(place) for place in model.held_at(wanted, seen)],
        "refusals": refused,
        "operations": operations.lines(steps),
        "drained": sorted(seen.drained),
        "dropping": list(seen.dropping),
    }
    if wanted.uses_keepalived:
        result["keepalived"] = pair.report(wanted, seen, any(isinstance(step, operations.LoadTable) for step in steps))
        result["turn"] = pair.turn(wanted, seen)
    if wanted.node is not None and wanted.state in (model.DRAINED, model.UNDRAINED):
        mine = model.node_weights(wanted, seen)
        result["node"] = {
            "drained": seen.is_drained(wanted.node),
            "last_of": mine["last_of"],
            "services": mine["drain"],
        }
    return result


def look_at(params: t.Mapping[str, t.Any]) -> Result:
    wanted = wanted_of(params)
    return {"changed": False, **found(wanted, look(wanted), program.files())}


def apply(params: t.Mapping[str, t.Any], check_mode: bool) -> Result:
    """Look again, plan, and do it; or a HostError, with nothing changed."""
    wanted = wanted_of(params)
    package = program.files()
    seen = look(wanted)
    refused = refusals(wanted, seen)
    if refused:
        raise HostError(" ".join(refused))
    steps = plan(wanted, seen, package)
    texts = operations.lines(steps)
    result = {"changed": bool(steps), "operations": texts, "diff": _diff(steps, seen)}
    if check_mode or not steps:
        return result
    if seen.missing_modules:
        # The settings and the table come with them.
        kernel.Load(tuple(seen.missing_modules)).run()
        steps = plan(wanted, look(wanted), package)
    transaction.apply(steps)
    return result


def _diff(steps: t.Sequence[change.Operation], seen: Seen) -> list[dict[str, str]]:
    shown = [step for step in steps if not str(getattr(step, "path", "")).startswith(layout.PACKAGE)]
    return change.diff(shown, seen.files) + operations.table_diff(steps, seen.table)
