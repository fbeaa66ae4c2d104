# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the VMs' services from a pod. Private to the collection."""

from __future__ import annotations

import re
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeError
from ..._kube.pods import Done
from ..._kube.resources import PODS
from ..register.model import Registration
from ..register.subsets import Port
from .client_pod import no_client
from .cluster_model import LONG, Context, Mapping, Said, own_fault
from .model import Finding

REQUEST_SECONDS = 10
SIDECAR = "istio-proxy"


class Pod(t.NamedTuple):
    """A running pod, and which of its containers has C(curl); none is the first."""

    namespace: str
    name: str
    container: str
    has_sidecar: bool

    def __str__(self) -> str:
        return f"pod {self.namespace}/{self.name}"


def requests(context: Context) -> t.Iterator[Said]:
    """R19: a request to each HTTP port of each VM service, from a pod."""
    targets = http_targets(context.batch)
    if not targets:
        return
    pod, missing = client_pod(context.client, context.options["client"])
    for registration, port in targets:
        found = missing
        if pod is not None:
            found = ask(url_of(context, registration, port), context.options["expect"], runs(context, pod))
        yield Said("request", found, hosts_of(registration, port))


def http_targets(batch: t.Sequence[Registration]) -> list[tuple[Registration, Port]]:
    return [
        (registration, port)
        for registration in batch
        for port in dict.fromkeys(port for endpoint in registration.endpoints for port in endpoint.ports)
        if port.name.split("-", 1)[0] in ("http", "http2")
    ]


def url_of(context: Context, registration: Registration, port: Port) -> str:
    return f"http://{registration.name}.{registration.namespace}:{context.asked_at(registration, port)}"


def hosts_of(registration: Registration, port: Port) -> str:
    return ", ".join(item.host or item.address for item in registration.endpoints if port in item.ports)


def runs(context: Context, pod: Pod, container: str | None = None) -> t.Callable[[t.Sequence[str]], Done]:
    where = pod.container if container is None else container
    return lambda argv: context.run_in_pod(pod.namespace, pod.name, where, argv)


def client_pod(client: KubeClient, wanted: Mapping, variable: str = "verify_client") -> tuple[Pod | None, Finding]:
    """A running pod, one with a sidecar where there is one; or what to say without one."""
    namespace, selector, container = wanted["namespace"], wanted["selector"], str(wanted.get("container") or "")
    try:
        pods = client.list(PODS, namespace, selector)
    except KubeError as exc:
        return None, own_fault(exc)
    running = [
        Pod(namespace, pod["metadata"]["name"], container, _has_sidecar(pod))
        for pod in pods
        if (pod.get("status") or {}).get("phase") == "Running"
    ]
    if running:
        return next((pod for pod in running if pod.has_sidecar), running[0]), Finding([])
    return None, Finding([], unchecked=no_client(namespace, selector, variable))


def _has_sidecar(pod: Mapping) -> bool:
    """A native one is among the containers that are started first."""
    spec = pod.get("spec") or {}
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    return any(item.get("name") == SIDECAR for item in containers)


def ask(url: str, expect: str, run: t.Callable[[t.Sequence[str]], Done]) -> Finding:
    """What a request from the pod answers."""
    # With something to look for, the page says more than its status.
    argv = ["curl", "-sS", "--max-time", str(REQUEST_SECONDS), *([] if expect else ["-f"]), url]
    try:
        done = run(argv)
    except KubeError as exc:
        return Finding([f"{url} could not be asked: {exc}"])
    if done.rc != 0:
        said = " ".join((done.stderr or done.stdout).split())[:LONG]
        return Finding([f"{url} gives no answer, curl ended with {done.rc}: {said or 'no reason was given'}"])
    page = done.stdout
    if expect not in page:
        return Finding([f"{url} answers without {expect!r}: {' '.join(page.split())[:200] or 'an empty page'}"])
    title = re.search(r"<title>(.*?)</title>", page, re.S)
    return Finding([], f"{url} answers {(title.group(1) if title else page[:60]).strip()}")
