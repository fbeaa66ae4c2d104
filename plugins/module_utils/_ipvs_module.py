# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the IPVS modules share: options, the run, the report. Private to the collection.

Of the module only `params`, `check_mode`, `_diff`, `warn`, `log`, `fail_json` and `exit_json` are used.
"""

from __future__ import annotations

import copy
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import model, options
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.client import Client
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.drain import Drained, progress_line, wait_drained
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import (
    ApplyError,
    IpvsError,
    ModuleMissingError,
    ValidationError,
)
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.plan import touched
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.reconcile import (
    Outcome,
    concerned,
    converge,
    predict,
)
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.wanted import Wanted

_LOG_INTERVAL = 10.0

_SERVER_SPEC: dict[str, t.Any] = {
    "real_server": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "drained", "absent"], "default": "present"},
    "forwarding": {"type": "str", "choices": ["gatewaying", "masquerading", "ipip"], "default": "gatewaying"},
    "weight": {"type": "int", "default": 1},
    "u_threshold": {"type": "int", "default": 0},
    "l_threshold": {"type": "int", "default": 0},
    "tun_type": {"type": "str", "choices": ["ipip", "gue", "gre"], "default": "ipip"},
    "tun_port": {"type": "int"},
    "tun_flags": {"type": "str", "choices": ["nocsum", "csum", "remcsum"], "default": "nocsum"},
}

_SERVICE_SPEC: dict[str, t.Any] = {
    "tcp_service": {"type": "str"},
    "udp_service": {"type": "str"},
    "sctp_service": {"type": "str"},
    "fwmark_service": {"type": "int"},
    "ipv6": {"type": "bool", "default": False},
    "scheduler": {"type": "str", "default": "wlc"},
    "sched_flags": {
        "type": "list",
        "elements": "str",
        "choices": ["sh-fallback", "sh-port", "mh-fallback", "mh-port", "flag-1", "flag-2", "flag-3"],
    },
    "ops": {"type": "bool", "default": False},
    "persistent": {"type": "int", "default": 0},
    "netmask": {"type": "str"},
    "pe": {"type": "str"},
    "real_servers": {"type": "list", "elements": "dict", "options": _SERVER_SPEC},
}

_DRAIN_SPEC: dict[str, t.Any] = {
    "drain_timeout": {"type": "int", "default": 300},
    "drain_remove": {"type": "bool", "default": False},
}

ONE_KEY = [options.KEY_OPTIONS]


def service_spec() -> dict[str, t.Any]:
    return copy.deepcopy(_SERVICE_SPEC)


def drain_spec() -> dict[str, t.Any]:
    return copy.deepcopy(_DRAIN_SPEC)


def parse_services(entries: t.Sequence[t.Any]) -> list[Wanted]:
    """Services as the user gave them, on the short way if they are of the right types.

    Ansible's own validation takes half a second for ten thousand real servers. So it is left to values that have to be
    converted first, like numbers in quotation marks.
    """
    try:
        return options.parse_services(entries)
    except ValidationError:
        spec = {
            "services": {
                "type": "list",
                "elements": "dict",
                "options": service_spec(),
                "mutually_exclusive": ONE_KEY,
                "required_one_of": ONE_KEY,
            }
        }
        found = ArgumentSpecValidator(spec).validate({"services": entries})
        if found.error_messages:
            # Ours name the entry.
            raise
        return options.parse_services(found.validated_parameters["services"])


def run(
    module: t.Any,
    parse: t.Callable[[], t.Sequence[Wanted]],
    purge: str,
    vips: t.Sequence[str] | None,
    report: t.Callable[[Outcome], dict[str, t.Any]],
    connect: t.Callable[..., Client],
) -> None:
    """Parse, read, plan, apply, report; or fail with what was and what was not done."""
    try:
        wrong = _options.wrong(module.params, {"drain_timeout": _options.SECONDS})
        if wrong:
            raise ValidationError(wrong)
        wanted = parse()
        addresses = options.parse_addresses(vips)
        outcome = (_predict if module.check_mode else _apply)(module, wanted, purge, addresses, connect)
    except ApplyError as exc:
        module.fail_json(
            msg=str(exc),
            changed=bool(exc.applied),
            operations=[str(operation) for operation in exc.applied],
            failed_operations=[{"operation": str(operation), "reason": reason} for operation, reason in exc.failed],
            not_applied=[str(operation) for operation in exc.not_applied],
            unknown=[str(operation) for operation in exc.unknown],
        )
    except IpvsError as exc:
        module.fail_json(msg=str(exc), operations=[])
    else:
        module.exit_json(**_result(outcome), **_diff(module, outcome), **report(outcome), **_invocation(module))


def _apply(
    module: t.Any, wanted: t.Sequence[Wanted], purge: str, vips: t.Sequence[bytes], connect: t.Callable[..., Client]
) -> Outcome:
    timeout, remove = module.params["drain_timeout"], module.params["drain_remove"]
    with connect() as client:
        return converge(client, wanted, purge, vips, timeout, remove, _Journal(module.log))


def _predict(
    module: t.Any, wanted: t.Sequence[Wanted], purge: str, vips: t.Sequence[bytes], connect: t.Callable[..., Client]
) -> Outcome:
    remove = module.params["drain_remove"]
    try:
        client = connect(load=False)
    except ModuleMissingError as exc:
        module.warn(f"Assuming an empty IPVS table for the prediction: {exc}")
        return predict({}, wanted, purge, vips, remove)
    with client:
        outcome = predict(client.read(concerned(wanted, purge, vips)), wanted, purge, vips, remove)
        outcome.drained = wait_drained(client.read_states, wanted, timeout=0)
    return outcome


def _result(outcome: Outcome) -> dict[str, t.Any]:
    return {
        "changed": bool(outcome.operations),
        "operations": [str(operation) for operation in outcome.operations],
        "drained": [one.as_dict() for one in outcome.drained],
    }


def _diff(module: t.Any, outcome: Outcome) -> dict[str, t.Any]:
    """Where somebody wants to see it: of a large table it is half of all that there is to write."""
    if not module._diff:
        return {}
    keys = touched(outcome.operations)
    return {"diff": {"before": _text(outcome.before, keys), "after": _text(outcome.after, keys)}}


def _invocation(module: t.Any) -> dict[str, t.Any]:
    """What the result tells of the options: not a whole table, which would double its size, and the time to send it."""
    services = module.params.get("services")
    if services is None:
        return {}
    return {"invocation": {"module_args": {**module.params, "services": f"{len(services)} services"}}}


def _text(table: model.Table, keys: t.Collection[model.ServiceKey]) -> str:
    return "".join(f"{line}\n" for line in model.lines(table, keys))


class _Journal:
    """Tells the system log of the director how far draining is, now and then."""

    def __init__(self, log: t.Callable[[str], None]) -> None:
        self._log = log
        self._next = 0.0

    def __call__(self, drained: t.Sequence[Drained], waited: float) -> None:
        if waited < self._next and not all(one.gone for one in drained):
            return
        self._next = waited + _LOG_INTERVAL
        for one in drained:
            self._log(progress_line(one.as_dict(), waited))
