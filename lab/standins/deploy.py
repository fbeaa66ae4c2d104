"""Part of the lab's stand-ins: waits until the control plane, whose Deployments are available,
has done its first work."""

from __future__ import annotations

import functools

from lab import proc
from lab.errors import LabError
from lab.kube.client import ApiAnswer, Client
from lab.standins.tls import KEYS

TIMEOUT = 60
IDENTITIES = (("default", "istio.default"), ("istio-system", "istio.istio-pilot-service-account"))


def up() -> None:
    """The VMs' identity and Pilot's own are there: a VM can join now."""
    client = Client()
    try:
        for namespace, name in IDENTITIES:
            proc.wait_for(
                f"identity from Citadel, Secret {namespace}/{name}",
                functools.partial(_complete, client, namespace, name),
                TIMEOUT,
            )
    finally:
        client.close()


def _complete(client: Client, namespace: str, name: str) -> bool:
    try:
        data = client.call("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}").get("data") or {}
    except ApiAnswer as error:
        if error.status != 404:
            raise
        raise LabError("not there yet; `lab/lab logs` of the pod istio-citadel says why") from error
    return all(data.get(key) for key in KEYS)
