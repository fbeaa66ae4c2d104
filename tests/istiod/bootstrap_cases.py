"""WorkloadGroups and options for which istioctl and istio_vm_bootstrap are to make the same files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
ANNOTATION = "proxy.istio.io/config"
VIP = "192.0.2.62"
RICH, BARE = "rich", "bare"
MESHES = {
    RICH: """
        trustDomain: example.org
        defaultConfig:
          mesh_id: mesh-1
          drainDuration: 30s
          concurrency: 3
          statusPort: 16000
          statsCompression: false
          tracing: {zipkin: {address: "zipkin:9411"}, sampling: 10}
          proxyMetadata: {FROM_MESH: "it's $HOME", BOTH: mesh, ISTIO_META_DNS_CAPTURE: "false"}
    """,
    BARE: "{}",
}
"""Mesh documents of revisions that exist on paper only; the lab's own istiod has none."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What both are told, each in its own way."""

    name: str
    spec: Json = dataclasses.field(default_factory=dict)
    annotation: str = ""
    revision: str = ""
    # Options of the module, beyond group and VIP; istioctl's flags are made of them.
    options: Json = dataclasses.field(default_factory=dict)
    # Which wanted differences show, by their names in DIFFERENCES.
    wanted: tuple[str, ...] = ()

    def group(self) -> Json:
        metadata: Json = {"name": self.name, "namespace": "default"}
        if self.annotation:
            metadata["annotations"] = {ANNOTATION: self.annotation}
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "WorkloadGroup",
            "metadata": metadata,
            "spec": {"template": {}, **self.spec},
        }

    def module(self) -> Json:
        """Their defaults are not the same."""
        wanted: Json = {"workload_group": self.name, "vip": VIP, "auto_register": False, **self.options}
        return {**wanted, "revision": self.revision} if self.revision else wanted

    def flags(self) -> list[str]:
        options = self.module()
        found = ["--ingressIP", options["vip"], f"--capture-dns={str(options.get('dns_capture', True)).lower()}"]
        for option, flag in (
            ("address", "--internalIP"),
            ("external_address", "--externalIP"),
            ("cluster_id", "--clusterID"),
            ("revision", "--revision"),
            ("token_lifetime", "--tokenDuration"),
        ):
            if option in options:
                found += [flag, str(options[option])]
        return [*found, "--autoregister"] if options["auto_register"] else found


def _ports(text: str) -> list[int]:
    return [int(port) for port in text.split(",")]


# Theirs and ours; None is what is not there.
Judge = Callable[[Any, Any], bool]
DIFFERENCES: dict[str, tuple[str, Judge]] = {
    "each port once and in order": (
        r"cluster\.env ISTIO_INBOUND_PORTS",
        lambda theirs, ours: sorted(set(_ports(theirs))) == _ports(ours),
    ),
    "a cluster without a name is Kubernetes": (
        r"(cluster\.env |mesh\.yaml proxyMetadata\.)ISTIO_META_CLUSTER_ID",
        lambda theirs, ours: (theirs, ours) == ("", "Kubernetes"),
    ),
    "zero stands where it was written": (
        r"mesh\.yaml (statusPort|tracing(\..*)?)",
        # A mapping of nothing but zeros is an empty one to istioctl.
        lambda theirs, ours: (theirs, ours) in ((None, 0), ({}, None)),
    ),
}
"""What is wanted to be different: where, as a pattern of file and key, and how. Not compared at all are modes, quotes,
the order of keys, and that the line for /etc/hosts ends with a remark."""


def annotated(text: str) -> Json:
    return {"metadata": {"annotations": {ANNOTATION: text}}}


CASES = (
    Case("bare"),
    Case("account-network", {"template": {"serviceAccount": "server", "network": "vm-network"}}),
    Case("one-port", {"template": {"ports": {"http": 9080}}}),
    Case(
        "ports",
        {"template": {"ports": {"http": 9080, "admin": 8443, "grpc": 7070, "again": 9080}}},
        wanted=("each port once and in order",),
    ),
    Case("labels", {"metadata": {"labels": {"app": "shop", "version": "v2", "tier": "front"}}}),
    Case(
        "template-labels",
        {"metadata": {"labels": {"app": "shop", "tier": "front"}}, "template": {"labels": {"app": "till"}}},
    ),
    Case(
        "canonical",
        {
            "metadata": {
                "labels": {
                    "app": "a",
                    "version": "1e3",
                    "app.kubernetes.io/name": "b",
                    "service.istio.io/canonical-name": "c",
                }
            }
        },
    ),
    Case(
        "recommended-labels",
        {"metadata": {"labels": {"app.kubernetes.io/name": "n", "app.kubernetes.io/version": "007"}}},
    ),
    Case(
        "probe-http",
        {
            "probe": {
                "initialDelaySeconds": 0,
                "periodSeconds": 2,
                "timeoutSeconds": 3,
                "successThreshold": 1,
                "failureThreshold": 4,
                "httpGet": {
                    "path": "/ready",
                    "port": 9080,
                    "scheme": "HTTPS",
                    "host": "127.0.0.1",
                    "httpHeaders": [{"name": "X-Probe", "value": "yes"}],
                },
            }
        },
    ),
    Case("probe-tcp", {"probe": {"tcpSocket": {"port": 9080}}}),
    Case("probe-exec", {"probe": {"exec": {"command": ["test", "-e", "/run/ready file"]}}}),
    Case("probe-grpc", {"probe": {"grpc": {"port": 7070, "service": ""}}}),
    Case("inside", options={"address": "192.0.2.81"}),
    Case("outside", options={"external_address": "203.0.113.9"}),
    Case("six", options={"address": "2001:db8::81", "vip": "2001:db8::62"}),
    Case("no-capture", options={"dns_capture": False}),
    Case("auto", {"template": {"ports": {"http": 9080}}}, options={"auto_register": True}),
    Case("cluster", options={"cluster_id": "Kubernetes"}),
    Case("lifetime", options={"token_lifetime": 7200}),
    Case("status-port", annotated("statusPort: 15021")),
    Case("rich-mesh", revision=RICH),
    Case("rich-mesh-no-capture", revision=RICH, options={"dns_capture": False, "auto_register": True}),
    Case(
        "annotations",
        annotated("proxyMetadata: {BOTH: spec, SPEC: '\"quoted\" text'}\nconcurrency: 0\nstatusPort: 0"),
        annotation="proxyMetadata: {BOTH: group, GROUP: a b}\ndiscoveryAddress: other.example.org:15012",
        revision=RICH,
        wanted=("zero stands where it was written",),
    ),
    Case(
        "annotation-tracing",
        annotated("tracing: {sampling: 0}"),
        revision=RICH,
        wanted=("zero stands where it was written",),
    ),
    Case("bare-mesh", revision=BARE, wanted=("a cluster without a name is Kubernetes",)),
    Case(
        "bare-mesh-annotated",
        annotated("holdApplicationUntilProxyStarts: true\nterminationDrainDuration: 5s"),
        revision=BARE,
        wanted=("a cluster without a name is Kubernetes",),
    ),
    Case(
        "bare-mesh-metadata",
        annotated("proxyMetadata: {SPEC: x}"),
        revision=BARE,
        wanted=("a cluster without a name is Kubernetes",),
    ),
)
