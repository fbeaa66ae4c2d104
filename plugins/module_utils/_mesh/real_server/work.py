# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two modules of the role real_server: options, answers, and the change itself. Private to the collection."""

from __future__ import annotations

import typing as t

from ... import _options
from ..._host import change, transaction
from ..._host.addresses import parse
from ..._host.errors import HostError
from . import model
from .look import look
from .model import Seen, Wanted
from .plan import plan

Result = t.Dict[str, t.Any]


def spec() -> dict[str, t.Any]:
    """The options of both modules."""
    return {
        "vip": {"type": "str", "required": True},
        "state": {"type": "str", "choices": [model.PRESENT, model.ABSENT], "default": model.PRESENT},
        "proxy_mode": {"type": "str", "choices": [model.AUTO, *model.MODES], "default": model.AUTO},
        "proxy_url": {"type": "str", "default": "http://127.0.0.1:10249/proxyMode"},
        "interface": {"type": "str", "default": ""},
        "clients": {"type": "list", "elements": "str", "default": []},
        "manage_arp": {"type": "bool", "default": False},
        "manage_rp_filter": {"type": "bool", "default": False},
        "host": {"type": "str", "default": "this host"},
        "managed": {"type": "str", "default": "Ansible managed"},
    }


_KINDS = {"proxy_url": _options.URL, "interface": _options.INTERFACE, "clients": _options.HOST}


def wanted_of(params: t.Mapping[str, t.Any]) -> Wanted:
    wrong = _options.wrong(params, _KINDS, "real_server_")
    if wrong:
        raise HostError(" ".join(wrong))
    return Wanted(**{**{name: params[name] for name in spec()}, "vip": parse(params["vip"], "vip")})


def found(wanted: Wanted, seen: Seen) -> Result:
    """What real_server_look answers."""
    devices = model.devices(wanted, seen.places)
    device = devices[0] if len(devices) == 1 else ""
    refused = model.refusals(wanted, seen)
    return {
        "interface": device,
        "mode": seen.mode,
        "settings": {name: model.effective(seen, device, name) for name in model.NAMES} if device else {},
        "astray": model.astray(seen, device) if device else [],
        "refusals": refused,
        "operations": [] if refused else [str(step) for step in plan(wanted, seen)],
    }


def look_at(params: t.Mapping[str, t.Any]) -> Result:
    wanted = wanted_of(params)
    return {"changed": False, **found(wanted, look(wanted))}


def apply(params: t.Mapping[str, t.Any], check_mode: bool) -> Result:
    """Look again, plan, and do it; or a HostError, with nothing changed."""
    wanted = wanted_of(params)
    seen = look(wanted)
    refused = model.refusals(wanted, seen)
    if refused:
        raise HostError(" ".join(refused))
    steps = plan(wanted, seen)
    if not check_mode:
        transaction.apply(steps)
    return {
        "changed": bool(steps),
        "operations": [str(step) for step in steps],
        "diff": change.diff(steps, seen.files),
    }
