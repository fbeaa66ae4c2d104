# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site: all variables C(mesh_*), parsed and validated once into one object. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from . import generations, networks
from .errors import MeshError
from .exposure import ExposureError, exposed_services
from .exposure.backends import BACKENDS
from .exposure.istiod import GATEWAY
from .generations.model import DNSMASQ, Generation

Read = t.Callable[[str], t.Any]
"""Gives the value of a variable, None when it is not set."""

GROUPS = ("director", "k8s_nodes", "vms")
# Of mesh_vm_weight and so on.
WORKLOAD = ("weight", "locality", "network", "labels", "group", "probe")
# Where VMs reach pods through a gateway they are in a network of their own, which has none: pods reach them directly.
VM_NETWORK = "vm-network"
# What the profiles are made of: a list made of wrong ones would only repeat the complaint.
_OF_EXPOSURE = ("mesh_istio_namespace", "mesh_dns_namespace", "mesh_cluster_domain", "mesh_network", "mesh_revision")
_CHECKSUM = re.compile(r"(md5|sha1|sha224|sha256|sha384|sha512):([0-9a-fA-F]+|https?://\S+|file://\S+)")
_URL = re.compile(r"http://[A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]{1,5})?(/\S*)?")
# As Go writes it.
_DURATION = re.compile(r"(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


class Problem(t.NamedTuple):
    """A value that cannot be used: the variable, and a sentence with the value and the way out."""

    variable: str
    text: str


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of the inventory, with the one address at which the others reach it."""

    name: str
    address: str


@dataclasses.dataclass(frozen=True)
class Vm(Host):
    namespace: str
    service_account: str
    # As written; the registration parses them.
    services: t.Any
    # What its workload has beyond that, by the registration's own names; only what is set.
    workload: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, t.Any]:
        # Not asdict(): it copies lists by their class, and a template's own list cannot be made like that.
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        workload = found.pop("workload")
        return {**found, **({"workload": dict(workload)} if workload else {})}


@dataclasses.dataclass(frozen=True)
class Site:
    """What the variables say. What is wrong with them stands in C(problems);
    the fields then hold the nearest usable value."""

    generation: Generation
    vip: str
    service_cidr: str
    pod_cidr: t.Sequence[str]
    dhcp_ranges: t.Sequence[str]
    control_plane_auth: str
    profile: str
    overrides: t.Mapping[str, t.Any]
    own_services: t.Sequence[t.Any]
    exposure_backend: str
    # Of istiod: its revision, the name that it has for its cluster, and the name of the network that pods are in.
    revision: str
    cluster_id: str
    network: str
    # Whether the collection labels namespace and gateway with that name, which are the mesh's owner's.
    label_network: bool
    dns_mode: str
    vm_to_pods: bool
    # How long a VM's certificate is valid, such as 72h; empty is the sidecar's own default.
    certificate_ttl: str
    registration: str
    plain_clients: bool
    istio_namespace: str
    dns_namespace: str
    cluster_domain: str
    trust_domain: str
    upstream_dns: t.Sequence[str]
    sidecar_package: str
    sidecar_checksum: str
    sidecar_allow_downgrade: bool
    kubeconfig: str
    context: str
    client: t.Mapping[str, str]
    # The pod outside of the mesh that requests are sent from.
    plain_client: t.Mapping[str, str]
    expect: str
    # The URL of a pod's Service, at which requests from VMs are sent.
    server: str
    directors: t.Mapping[str, Host] = dataclasses.field(default_factory=dict)
    nodes: t.Mapping[str, Host] = dataclasses.field(default_factory=dict)
    vms: t.Mapping[str, Vm] = dataclasses.field(default_factory=dict)
    # Of each VM: the path or URL of its sidecar package.
    packages: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    problems: t.Sequence[Problem] = ()

    @property
    def hosts(self) -> dict[str, Host]:
        return {**self.directors, **self.nodes, **self.vms}

    def exposed_services(self) -> list[dict[str, t.Any]]:
        """The list that everything is derived from."""
        return exposed_services(
            self.profile,
            overrides=self.overrides,
            istio_namespace=self.istio_namespace,
            dns_namespace=self.dns_namespace,
            cluster_domain=self.cluster_domain,
            services=self.own_services,
            revision=self.revision,
            network=self.network,
            vm_to_pods=self.vm_to_pods,
            cluster_dns=self.dns_mode == DNSMASQ,
        )

    def gateway(self) -> dict[str, str]:
        """The labels of the gateway's pods, by which VMs reach pods; empty where they do not."""
        for entry in self.exposed_services():
            if entry["name"] == GATEWAY:
                return dict(entry["selector"])
        return {}

    def node_addresses(self) -> dict[str, str]:
        return {name: host.address for name, host in self.nodes.items()}

    def notes(self) -> list[str]:
        """What is unusual about the site and wanted all the same."""
        if self.dns_mode == DNSMASQ != self.generation.dns_modes[0]:
            return [
                f"mesh_dns_mode: {DNSMASQ} exposes the cluster's DNS on the virtual address, which answers everybody. "
                f"All else that is exposed authenticates its clients; {self.generation.dns_modes[0]} needs no such "
                "exposure."
            ]
        return []

    def probe_names(self) -> list[dict[str, t.Any]]:
        """What a VM's resolver must answer: a name of the control plane with the virtual address, and with it only;
        a name that the cluster's DNS alone knows; an ordinary one."""
        name = self.generation.probe_service
        return [
            {"name": name, "expect": [self.vip]},
            {"name": name, "type": "AAAA", "empty": True},
            {"name": f"{name}.{self.istio_namespace}.svc.{self.cluster_domain}"},
            {"name": "example.com"},
        ]


def address_of(read: Read, name: str) -> str:
    """The one rule: C(mesh_vm_address), else what the control node reaches the host at."""
    return str(read("mesh_vm_address") or read("ansible_host") or name)


def vm_of(read: Read, name: str) -> Vm:
    workload = {key: value for key in WORKLOAD for value in [read(f"mesh_vm_{key}")] if value not in (None, "")}
    if _yes(read("mesh_vm_to_pods")):
        workload.setdefault("network", VM_NETWORK)
    return Vm(
        name=name,
        address=address_of(read, name),
        namespace=str(read("mesh_vm_namespace") or "default"),
        service_account=str(read("mesh_service_account") or "default"),
        services=read("mesh_vm_services") or [],
        workload=workload,
    )


def parse(read: Read, groups: t.Mapping[str, t.Sequence[str]], host_read: t.Callable[[str], Read]) -> Site:
    """The site as one host sees it; C(host_read) gives the variables of another host."""
    networks.require()
    problems: list[Problem] = []

    def choice(variable: str, values: t.Sequence[str]) -> str:
        value = read(variable)
        if value is not None and value not in values:
            problems.append(
                Problem(variable, f"{variable}: {value!r} is not known. Set it to {' or '.join(map(repr, values))}.")
            )
            return values[0]
        return str(value or values[0])

    def text(variable: str, default: str = "") -> str:
        value = read(variable)
        return default if value is None else str(value)

    def flag(variable: str) -> bool:
        try:
            return boolean(text(variable, "false"))
        except TypeError:
            said = f"{read(variable)!r} is neither true nor false. Set it to one of them."
            problems.append(Problem(variable, f"{variable}: {said}"))
            return False

    try:
        generation = generations.generation(text("mesh_control_plane", generations.DEFAULT))
    except MeshError as exc:
        problems.append(Problem("mesh_control_plane", str(exc)))
        generation = generations.generation(generations.DEFAULT)
    site = Site(
        generation=generation,
        vip=text("mesh_vip"),
        service_cidr=text("mesh_service_cidr"),
        pod_cidr=_texts(read("mesh_pod_cidr")),
        dhcp_ranges=_texts(read("mesh_dhcp_ranges")),
        control_plane_auth=choice("mesh_control_plane_auth", generation.control_plane_auth),
        profile=choice("mesh_exposed_profile", generation.profiles),
        overrides=read("mesh_exposed_overrides") or {},
        own_services=read("mesh_exposed_services") or [],
        exposure_backend=choice("mesh_exposure_backend", _first(generation.exposure_backend, BACKENDS)),
        revision=text("mesh_revision"),
        cluster_id=text("mesh_cluster_id"),
        network=text("mesh_network"),
        label_network=flag("mesh_label_network"),
        dns_mode=choice("mesh_dns_mode", generation.dns_modes),
        vm_to_pods=flag("mesh_vm_to_pods"),
        certificate_ttl=text("mesh_certificate_ttl"),
        registration=choice("mesh_registration", generation.registrations),
        plain_clients=_yes(read("mesh_plain_clients")),
        istio_namespace=text("mesh_istio_namespace", "istio-system"),
        dns_namespace=text("mesh_dns_namespace", "kube-system"),
        cluster_domain=text("mesh_cluster_domain", "cluster.local"),
        trust_domain=text("mesh_trust_domain", "cluster.local"),
        upstream_dns=read("mesh_upstream_dns") or [],
        sidecar_package=text("mesh_sidecar_package"),
        sidecar_checksum=text("mesh_sidecar_checksum"),
        sidecar_allow_downgrade=flag("mesh_sidecar_allow_downgrade"),
        kubeconfig=text("mesh_kubeconfig"),
        context=text("mesh_kube_context"),
        client=read("mesh_verify_client") or {"namespace": "default", "selector": "app=sleep"},
        plain_client=read("mesh_verify_plain_client") or {},
        expect=text("mesh_verify_expect"),
        server=text("mesh_verify_server"),
        directors={name: Host(name, address_of(host_read(name), name)) for name in groups.get("director") or []},
        nodes={name: Host(name, address_of(host_read(name), name)) for name in groups.get("k8s_nodes") or []},
        vms={name: vm_of(host_read(name), name) for name in groups.get("vms") or []},
        packages={name: str(host_read(name)("mesh_sidecar_package") or "") for name in groups.get("vms") or []},
    )
    problems += [*_addresses(site), *_names(site), *_upstream_dns(site), *_package(site), *_verification(site)]
    if not {problem.variable for problem in problems} & set(_OF_EXPOSURE):
        problems += _exposed(site)
    return dataclasses.replace(site, problems=tuple(dict.fromkeys(problems)))


def _first(default: str, values: t.Sequence[str]) -> list[str]:
    """The choices, the default in front."""
    return [default, *(value for value in values if value != default)]


def _yes(value: t.Any) -> bool:
    """As Ansible reads a boolean; an inventory in INI has texts."""
    return str(value).lower() in ("true", "yes", "on", "1", "y", "t")


def _texts(value: t.Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)] if value else []


def _addresses(site: Site) -> t.Iterator[Problem]:
    vip = networks.address(site.vip)
    if not site.vip:
        text = "not set. Set it to a free address in the director's subnet, on which the control plane will answer."
        yield Problem("mesh_vip", f"mesh_vip: {text}")
    elif vip is None or _unusable(site.vip):
        yield Problem(
            "mesh_vip",
            f"mesh_vip: {site.vip!r} is not a usable IPv4 address. Set it to a free address in the director's subnet.",
        )
        vip = None
    services = networks.network(site.service_cidr)
    if not site.service_cidr:
        text = (
            "not set. Set it to the cluster's Service CIDR (--service-cluster-ip-range of "
            "kube-apiserver), for example 10.96.0.0/12."
        )
        yield Problem("mesh_service_cidr", f"mesh_service_cidr: {text}")
    elif services is None:
        text = f"{site.service_cidr!r} is not an IPv4 network. Write it as address/prefix, for example 10.96.0.0/12."
        yield Problem("mesh_service_cidr", f"mesh_service_cidr: {text}")
    pods = {value: networks.network(value) for value in site.pod_cidr}
    for value in (value for value, found in pods.items() if found is None):
        text = (
            f"{value!r} is not an IPv4 network. Write the cluster's pod network "
            "(--cluster-cidr), or leave the variable out."
        )
        yield Problem("mesh_pod_cidr", f"mesh_pod_cidr: {text}")
    dhcp = {value: networks.address_range(value) for value in site.dhcp_ranges}
    for value in (value for value, found in dhcp.items() if found is None):
        text = f"{value!r} is no range. Write first-last or a network, for example 192.168.0.100-192.168.0.199."
        yield Problem("mesh_dhcp_ranges", f"mesh_dhcp_ranges: {text}")
    known = networks.Networks(
        vip, services, [item for item in pods.values() if item], [item for item in dhcp.values() if item]
    )
    kinds = [("director", site.directors), ("node", site.nodes), ("VM", site.vms)]
    hosts = {name: (kind, networks.address(host.address)) for kind, found in kinds for name, host in found.items()}
    placed = {name: item for name, item in hosts.items() if item[1] is not None}
    yield from (Problem(*conflict) for conflict in networks.conflicts(known, placed))


def _unusable(value: str) -> bool:
    address = ipaddress.IPv4Address(value)
    return address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local


def _names(site: Site) -> t.Iterator[Problem]:
    for name, value in (("mesh_istio_namespace", site.istio_namespace), ("mesh_dns_namespace", site.dns_namespace)):
        if not _DNS_LABEL.fullmatch(value):
            yield Problem(name, f"{name}: {value!r} is not a namespace name. Use lower-case letters, digits and '-'.")
    if site.revision and not _DNS_LABEL.fullmatch(site.revision):
        text = f"{site.revision!r} is not the name of a revision. Set it to istiod's label istio.io/rev, or drop it."
        yield Problem("mesh_revision", f"mesh_revision: {text}")
    if site.network and not _LABEL_VALUE.fullmatch(site.network):
        text = (
            f"{site.network!r} cannot be a label's value. Use letters, digits, '-', '_' and '.', 63 at most, and a "
            "letter or digit first and last."
        )
        yield Problem("mesh_network", f"mesh_network: {text}")
    if site.label_network and not site.network:
        text = "true, but mesh_network is not set. Set mesh_network to the name that the pods' network shall have."
        yield Problem("mesh_label_network", f"mesh_label_network: {text}")
    for name, value in (("mesh_cluster_domain", site.cluster_domain), ("mesh_trust_domain", site.trust_domain)):
        if not all(_DNS_LABEL.fullmatch(label) for label in value.split(".")):
            yield Problem(
                name, f"{name}: {value!r} is not a domain name. Set it to the cluster's, for example cluster.local."
            )


def _upstream_dns(site: Site) -> t.Iterator[Problem]:
    name = "mesh_upstream_dns"
    if not isinstance(site.upstream_dns, (list, tuple)):
        yield Problem(
            name,
            f"{name}: {site.upstream_dns!r} is not a list. Write a list of addresses, or [] for the VM's present ones.",
        )
        return
    for server in site.upstream_dns:
        try:
            ipaddress.ip_address(str(server))
        except ValueError:
            yield Problem(name, f"{name}: {server!r} is not an IP address. Give name servers by address.")
        else:
            if str(server) == site.vip:
                text = "is mesh_vip, which answers cluster names only. Name the servers that resolve all other names."
                yield Problem(name, f"{name}: {server} {text}")


def _package(site: Site) -> t.Iterator[Problem]:
    if not site.sidecar_package:
        text = f"not set. Set it to the path on the control node, or the URL, of {site.generation.package}.deb."
        yield Problem("mesh_sidecar_package", f"mesh_sidecar_package: {text}")
    if site.sidecar_checksum and not _CHECKSUM.fullmatch(site.sidecar_checksum):
        text = (
            f"{site.sidecar_checksum!r} is not a checksum. Write algorithm:value, for example sha256: with 64 "
            "hexadecimal digits, or sha256: with the URL of a checksum file."
        )
        yield Problem("mesh_sidecar_checksum", f"mesh_sidecar_checksum: {text}")


def _verification(site: Site) -> t.Iterator[Problem]:
    if site.server and not _URL.fullmatch(site.server):
        text = f"{site.server!r} is no URL of a Service. Write it as http://NAME.NAMESPACE:PORT/, or leave it out."
        yield Problem("mesh_verify_server", f"mesh_verify_server: {text}")
    if site.certificate_ttl and not _DURATION.fullmatch(site.certificate_ttl):
        text = f"{site.certificate_ttl!r} is no duration. Write hours, minutes and seconds, such as 72h or 1h30m."
        yield Problem("mesh_certificate_ttl", f"mesh_certificate_ttl: {text}")


def _exposed(site: Site) -> t.Iterator[Problem]:
    try:
        site.exposed_services()
    except ExposureError as exc:
        text = f"{exc}. Correct the entry, or remove it to get the profile's own list."
        yield Problem("mesh_exposed_services", f"mesh_exposed_services or mesh_exposed_overrides: {text}")
