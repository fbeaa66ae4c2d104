# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: exposed_services
short_description: List the services that are exposed on the virtual address
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Returns the one list from which the Kubernetes Services, the director's IPVS table, the names on the VMs and the
    checks are derived, in its full form.
  - The list is that of a profile, or one of your own; single entries are changed by name through O(overrides).
options:
  _input:
    description:
      - Name of the profile.
      - V(secure) leaves out the ports 8080 and 15010, which carry unauthenticated traffic, offers DNS over TCP too, and
        pins no client to a node.
      - V(reference) is the complete port list of the manual procedure with a persistence of 300 seconds everywhere.
      - V(istiod) is for today's Istio. It exposes the port 15012 of istiod, which authenticates its clients, and what
        O(vm_to_pods) and O(cluster_dns) add.
    type: string
    choices: [secure, reference, istiod]
    required: true
  overrides:
    description:
      - What to change, by the name of the entry. All keys of an entry but C(name) may be given.
      - The port keys C(persistence) and C(one_packet) may stand at the entry too, and then hold for all its ports
        (C(one_packet) for its UDP ports).
    type: dictionary
    default: {}
  istio_namespace:
    description: Namespace of the Istio control plane.
    type: string
    default: istio-system
  dns_namespace:
    description: Namespace of the cluster's DNS service.
    type: string
    default: kube-system
  cluster_domain:
    description: DNS domain of the cluster.
    type: string
    default: cluster.local
  services:
    description:
      - A list of your own that replaces the profile's. Keys as in the result; C(name), C(namespace), C(selector) and
        C(ports) are required.
    type: list
    elements: dictionary
  revision:
    description: Revision of istiod, when there are several; its pods carry it as the label C(istio.io/rev).
    type: string
    default: ""
    version_added: "1.1.0"
  network:
    description:
      - Name of the network that the pods are in, which the Service of the east-west gateway carries as the label
        C(topology.istio.io/network).
      - When it is empty the Service takes the label over from its namespace.
    type: string
    default: ""
    version_added: "1.1.0"
  vm_to_pods:
    description: With V(istiod), expose the east-west gateway too (15443), by which VMs reach pods.
    type: bool
    default: false
    version_added: "1.1.0"
  cluster_dns:
    description: With V(istiod), expose the cluster's DNS too, for VMs that resolve through dnsmasq.
    type: bool
    default: false
    version_added: "1.1.0"
seealso:
  - plugin: mesh.expansion.ipvs_table
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Show what the secure profile exposes, with DNS forwarded to two nodes only
  ansible.builtin.debug:
    msg: "{{ 'secure' | mesh.expansion.exposed_services(overrides={'kube-dns-lb': {'nodes': ['node1', 'node2']}}) }}"
"""

RETURN = r"""
_value:
  description: The exposed services.
  type: list
  elements: dictionary
  contains:
    name:
      description: Name of the Service object.
      type: string
      sample: istio-pilot-lb
    namespace:
      description: Namespace of the Service object.
      type: string
      sample: istio-system
    selector:
      description: Labels of the pods behind it.
      type: dictionary
      sample:
        istio: pilot
    labels:
      description: Labels of the Service object, without those that mark it as ours.
      type: dictionary
      sample:
        istio: pilot
    inherited_labels:
      description: Labels that the Service object takes over from its namespace, with their values there.
      type: list
      elements: string
      sample: []
    nodes:
      description: Inventory names of the nodes that it is forwarded to. Empty means all nodes.
      type: list
      elements: string
      sample: []
    scheduler:
      description: IPVS scheduler.
      type: string
      sample: wrr
    dns_names:
      description: Names that the VMs resolve to the virtual address, relative to the namespace.
      type: list
      elements: string
      sample: [istio-pilot]
    dns_zone:
      description: Zone that the VMs ask this service for. Empty for all but the cluster's DNS.
      type: string
      sample: ""
    ports:
      description:
        - The exposed ports.
        - C(persistence) is in seconds, 0 for none. C(one_packet) schedules every UDP packet by itself.
      type: list
      elements: dictionary
      sample:
        - name: tls-grpc-pilot
          port: 15011
          protocol: TCP
          target_port: 15011
          persistence: 0
          one_packet: false
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure


def exposed_services(
    profile: str,
    overrides: dict[str, t.Any] | None = None,
    istio_namespace: str = "istio-system",
    dns_namespace: str = "kube-system",
    cluster_domain: str = "cluster.local",
    services: list[t.Any] | None = None,
    revision: str = "",
    network: str = "",
    vm_to_pods: bool = False,
    cluster_dns: bool = False,
) -> list[dict[str, t.Any]]:
    more = {"revision": revision, "network": network, "vm_to_pods": vm_to_pods, "cluster_dns": cluster_dns}
    try:
        return exposure.exposed_services(
            profile, overrides, istio_namespace, dns_namespace, cluster_domain, services, **more
        )
    except exposure.ExposureError as exc:
        raise AnsibleFilterError(f"mesh.expansion.exposed_services: {exc}") from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"exposed_services": exposed_services}
