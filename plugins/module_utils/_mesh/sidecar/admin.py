# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading Envoy's admin endpoint, and trying what its policy filters depend on. Private to the collection."""

from __future__ import annotations

import dataclasses
import socket
import typing as t
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from . import envoy


class AdminError(Exception):
    """Nothing usable can be read there; the text is fit for a user."""


def reachable(address: str, port: int, timeout: float) -> bool:
    """Whether a TCP connection can be opened."""
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return True
    except OSError:
        return False


def report(read: t.Callable[[str], str], probe: t.Callable[[str, int], bool] | None) -> dict[str, t.Any]:
    """Everything that the admin endpoint says; `probe` tells whether an endpoint of a policy service can be reached."""
    dump = envoy.parse_json(read("/config_dump"), "config_dump")
    hosts = envoy.endpoints(envoy.parse_json(read("/clusters?format=json"), "clusters"))
    clusters = [{**item, "endpoints": hosts.get(item["name"], [])} for item in envoy.clusters(dump)]
    listeners = envoy.listeners(dump)
    known = {item["name"] for item in clusters}
    tried: dict[tuple[str, int], bool] = {}
    checks, explanations = [], []
    for check in envoy.policy_checks(dump):
        targets: list[dict[str, t.Any]] | None = None
        if check.cluster in known:
            targets = []
            for host in hosts.get(check.cluster, []):
                key = (host["address"], host["port"])
                if probe and key not in tried:
                    tried[key] = probe(*key)
                targets.append({**host, "reachable": tried.get(key)})
        checks.append({**dataclasses.asdict(check), "endpoints": targets})
        explanations.append(envoy.explain(check, targets))
    return {
        "server": envoy.server(read("/server_info")),
        "clusters": clusters,
        "listeners": listeners,
        "warming": {
            kind: [item["name"] for item in items if item["warming"]]
            for kind, items in (("clusters", clusters), ("listeners", listeners))
        },
        "policy_checks": checks,
        "explanations": explanations,
    }


def reader(base: str, timeout: float) -> t.Callable[[str], str]:
    """Reads pages of the admin endpoint below this URL."""
    # A proxy of the environment must not come between.
    opener = build_opener(ProxyHandler({}))

    def read(path: str) -> str:
        with opener.open(base + path, timeout=timeout) as answer:
            return t.cast(bytes, answer.read()).decode("utf-8", "replace")

    return read


def read_report(address: str, port: int, timeout: int, probe: bool = True) -> dict[str, t.Any]:
    """What the admin endpoint at this address says; with C(probe) the endpoints of policy services are tried."""
    base = f"http://{f'[{address}]' if ':' in address else address}:{port}"
    try:
        return report(reader(base, timeout), (lambda host, number: reachable(host, number, timeout)) if probe else None)
    except (URLError, OSError) as exc:
        reason = getattr(exc, "reason", exc)
        raise AdminError(
            f"Cannot read Envoy's admin endpoint {base}: {reason}. Is the sidecar running? "
            "See: journalctl -u istio -n 50"
        ) from exc
    except (envoy.EnvoyError, KeyError, TypeError) as exc:
        raise AdminError(f"Envoy's admin endpoint {base} gave an answer that is not understood: {exc!r}") from exc
