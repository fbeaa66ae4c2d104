# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the API behind a Service, read with the official client and without any code of the product."""

from __future__ import annotations

import json
from typing import Any

from kubernetes import client

Json = dict[str, Any]
GROUP = "networking.istio.io"
OURS = "app.kubernetes.io/managed-by=mesh.expansion"
OUR_SLICES = "endpointslice.kubernetes.io/managed-by=mesh.expansion"
UNREAD = "multicluster.kubernetes.io/service-name"


class Seen:
    """One namespace of a cluster."""

    def __init__(self, api: client.ApiClient, namespace: str = "default") -> None:
        self.namespace = namespace
        self.core = client.CoreV1Api(api)
        self.discovery = client.DiscoveryV1Api(api)
        self.custom = client.CustomObjectsApi(api)

    def custom_objects(self, plural: str) -> list[Json]:
        found = self.custom.list_namespaced_custom_object(GROUP, "v1", self.namespace, plural)
        return list(found["items"])

    def ours(self) -> set[str]:
        """All objects of the collection. The controllers give what they make for a Service the Service's labels."""
        lists = {
            "Service": self.core.list_namespaced_service,
            "Endpoints": self.core.list_namespaced_endpoints,
            "ServiceAccount": self.core.list_namespaced_service_account,
        }
        found = {
            f"{kind} {item.metadata.name}"
            for kind, listed in lists.items()
            for item in listed(self.namespace, label_selector=OURS).items
        }
        found |= {f"EndpointSlice {item.metadata.name}" for item in self._slices()}
        for kind, plural in (("WorkloadEntry", "workloadentries"), ("WorkloadGroup", "workloadgroups")):
            found |= {f"{kind} {item['metadata']['name']}" for item in self.custom_objects(plural)}
        return found

    def addresses(self, service: str, backend: str) -> list[str]:
        """Who is registered behind a Service, with repetitions."""
        return sorted(getattr(self, f"_{backend}")(service))

    def kube_proxy(self, service: str) -> set[str]:
        """The addresses that kube-proxy sends to: those of all slices of the Service."""
        listed = self.discovery.list_namespaced_endpoint_slice(
            self.namespace, label_selector=f"kubernetes.io/service-name={service}"
        )
        return {address for item in listed.items for endpoint in item.endpoints or [] for address in endpoint.addresses}

    def _slices(self) -> list[Any]:
        return list(self.discovery.list_namespaced_endpoint_slice(self.namespace, label_selector=OUR_SLICES).items)

    def _endpoints(self, service: str) -> list[str]:
        for item in self.core.list_namespaced_endpoints(self.namespace, label_selector=OURS).items:
            if item.metadata.name == service:
                return [address.ip for subset in item.subsets or [] for address in subset.addresses or []]
        return []

    def _endpoint_slice(self, service: str) -> list[str]:
        found = []
        for item in self._slices():
            labels = item.metadata.labels
            if labels["kubernetes.io/service-name"] == service and UNREAD not in labels:
                found += [address for endpoint in item.endpoints or [] for address in endpoint.addresses]
        return found

    def _workload_entry(self, service: str) -> list[str]:
        try:
            front = self.core.read_namespaced_service(service, self.namespace)
        except client.ApiException:
            return []
        selector = front.spec.selector or {}
        return [
            item["spec"]["address"]
            for item in self.custom_objects("workloadentries")
            if selector and selector.items() <= (item["spec"].get("labels") or {}).items()
        ]

    def _auto(self, service: str) -> list[str]:
        """Members of groups: istiod is not there to write their entries."""
        found: list[str] = []
        for item in self.custom_objects("workloadgroups"):
            record = json.loads(item["metadata"]["annotations"]["mesh.expansion/registered"])
            if service in record["services"]:
                found += record["members"]
        return found
