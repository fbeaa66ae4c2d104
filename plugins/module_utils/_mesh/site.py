# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site: all variables C(mesh_*), parsed and validated once into one object. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from . import generations, networks
from .checks import client_pod
from .errors import MeshError
from .exposure import exposed_services
from .exposure.backends import BACKENDS
from .exposure.istiod import GATEWAY
from .exposure.profiles import together
from .generations.model import DNSMASQ, Generation
from .nodes import SEEN, RealServers, answer, match
from .problems import Problem, found

Read = t.Callable[[str], t.Any]
"""Gives the value of a variable, None when it is not set."""

GROUPS = ("director", "k8s_nodes", "vms")
# Of mesh_vm_weight and so on.
WORKLOAD = ("weight", "locality", "network", "labels", "group", "probe")
# What is of a generation and so holds for it only: of the one that VMs come from, mesh_migrate_from says it.
OF_GENERATION = (
    "mesh_control_plane",
    "mesh_control_plane_auth",
    "mesh_exposed_profile",
    "mesh_exposed_overrides",
    "mesh_exposed_services",
    "mesh_exposure_backend",
    "mesh_revision",
    "mesh_cluster_id",
    "mesh_dns_mode",
    "mesh_vm_to_pods",
    "mesh_registration",
    "mesh_migrate_from",
)
# Where VMs reach pods through a gateway they are in a network of their own, which has none: pods reach them directly.
VM_NETWORK = "vm-network"


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
    # What VMs come from, as long as some are left there.
    former: Site | None
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
    # Whether the cluster says who is a real server, and whether nodes are that have no host of the inventory.
    nodes_from_cluster: bool
    nodes_unmanaged: bool
    # Where the report goes on the control node.
    report_path: str
    # How long a VM must be silent that is not in the inventory, such as 24h, and how many of them go at once.
    prune_after: str
    prune_max: str
    directors: t.Mapping[str, Host] = dataclasses.field(default_factory=dict)
    # The real servers: hosts of the inventory, and nodes of the cluster that have none.
    nodes: t.Mapping[str, Host] = dataclasses.field(default_factory=dict)
    real_servers: RealServers = RealServers({})
    vms: t.Mapping[str, Vm] = dataclasses.field(default_factory=dict)
    # Of each VM: the path or URL of its sidecar package.
    packages: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    problems: t.Sequence[Problem] = ()

    @property
    def hosts(self) -> dict[str, Host]:
        return {**self.directors, **self.nodes, **self.vms}

    def exposed_services(self) -> list[dict[str, t.Any]]:
        """The list that everything is derived from. While VMs move it has what either generation needs."""
        own = exposed_services(
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
        return together(own, self.former.exposed_services()) if self.former else own

    def gateway(self) -> dict[str, str]:
        """The labels of the gateway's pods, by which VMs reach pods; empty where they do not."""
        for entry in self.exposed_services():
            if entry["name"] == GATEWAY:
                return dict(entry["selector"])
        return {}

    def tls_names(self) -> dict[str, str]:
        """Names of servers by the exposed port that answers with TLS; as texts, which keys of a dictionary are in
        templates."""
        own = {str(port): name for port, name in self.generation.tls_names(self.revision, self.istio_namespace).items()}
        return {**(self.former.tls_names() if self.former else {}), **own}

    def roots_namespace(self) -> str:
        """Where the roots of these servers are published for whoever joins VMs: in a namespace of theirs."""
        return next((vm.namespace for vm in self.vms.values()), self.istio_namespace)

    def needs_service_cidr(self) -> bool:
        """A sidecar that is bootstrapped captures everything, and asks no name server for the cluster's addresses."""
        return not self.generation.sidecar.bootstrapped or self.dns_mode == DNSMASQ

    def node_addresses(self) -> dict[str, str]:
        return {name: host.address for name, host in self.nodes.items()}

    def picture(self) -> dict[str, t.Any]:
        """What there should be, in plain values: hosts with their addresses, and what is exposed."""
        kinds = {"directors": self.directors, "nodes": self.nodes, "vms": self.vms}
        hosts = {
            kind: [{"name": host.name, "address": host.address} for host in found.values()]
            for kind, found in kinds.items()
        }
        return {
            "control_plane": self.generation.name,
            "vip": self.vip,
            "istio_namespace": self.istio_namespace,
            "services": self.exposed_services(),
            **hosts,
        }

    def notes(self) -> list[str]:
        """What is unusual about the site and wanted all the same."""
        found = self.real_servers.notes()
        if self.dns_mode == DNSMASQ != self.generation.dns_modes[0]:
            found.append(
                f"mesh_dns_mode: {DNSMASQ} exposes the cluster's DNS on the virtual address, which answers everybody. "
                f"All else that is exposed authenticates its clients; {self.generation.dns_modes[0]} needs no such "
                "exposure."
            )
        return found

    def probe_names(self) -> list[dict[str, t.Any]]:
        """What a VM's resolver must answer: a name of the control plane with the virtual address, and with it only;
        a name that the cluster's DNS alone knows; an ordinary one."""
        name = self.generation.probe_service(self.revision)
        return [
            {"name": name, "expect": [self.vip]},
            {"name": name, "type": "AAAA", "empty": True},
            {"name": f"{name}.{self.istio_namespace}.svc.{self.cluster_domain}"},
            {"name": "example.com"},
        ]

    def resolving(self) -> dict[str, t.Any]:
        """How VMs resolve the mesh's names."""
        return {"mode": self.dns_mode, "services": self.exposed_services(), "probe_names": self.probe_names()}


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
    former = _former(read, generation, problems)
    # While VMs move, nothing changes about their names: the new sidecar need not be there for them to resolve.
    modes = generation.dns_modes
    from_cluster, unmanaged = flag("mesh_nodes_from_cluster"), flag("mesh_nodes_unmanaged")
    hosts = {name: address_of(host_read(name), name) for name in groups.get("k8s_nodes") or []}
    real_servers = RealServers(hosts)
    if from_cluster and hosts:
        others = [name for group in ("director", "vms") for name in groups.get(group) or []]
        real_servers = match(hosts, answer(map(read, SEEN)), text("mesh_vip"), unmanaged, others)
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
        dns_mode=choice("mesh_dns_mode", _first(former.dns_mode, modes) if former else modes),
        vm_to_pods=flag("mesh_vm_to_pods"),
        former=former,
        certificate_ttl=text("mesh_certificate_ttl"),
        registration=choice("mesh_registration", generation.registrations),
        plain_clients=flag("mesh_plain_clients"),
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
        client=read("mesh_verify_client") or {"namespace": client_pod.NAMESPACE, "selector": client_pod.LABEL},
        plain_client=read("mesh_verify_plain_client") or {},
        expect=text("mesh_verify_expect"),
        server=text("mesh_verify_server"),
        nodes_from_cluster=from_cluster,
        nodes_unmanaged=unmanaged,
        report_path=text("mesh_report_path", "./mesh-report.html"),
        prune_after=text("mesh_prune_after", "24h"),
        prune_max=text("mesh_prune_max", "5"),
        directors={name: Host(name, address_of(host_read(name), name)) for name in groups.get("director") or []},
        nodes={name: Host(name, address) for name, address in real_servers.servers.items()},
        real_servers=real_servers,
        vms={name: vm_of(host_read(name), name) for name in groups.get("vms") or []},
        packages={name: str(host_read(name)("mesh_sidecar_package") or "") for name in groups.get("vms") or []},
    )
    return dataclasses.replace(site, problems=tuple(dict.fromkeys(found(site, problems))))


def _former(read: Read, generation: Generation, problems: list[Problem]) -> Site | None:
    """The site as it was for the VMs that are still to move."""
    was = read("mesh_migrate_from")
    if not was:
        return None
    example = "Write the variables of a generation as they were, mesh_control_plane at least, or drop it when all VMs"
    if not isinstance(was, t.Mapping) or not was.get("mesh_control_plane"):
        problems.append(Problem("mesh_migrate_from", f"mesh_migrate_from: {was!r} is of no use. {example} have moved."))
        return None
    strange = [str(name) for name in was if name not in OF_GENERATION[:-1]]
    if strange:
        text = f"{', '.join(strange)} is none of {', '.join(OF_GENERATION[:-1])}. Take it out."
        problems.append(Problem("mesh_migrate_from", f"mesh_migrate_from: {text}"))
        return None
    former = parse(lambda name: was.get(name) if name in OF_GENERATION else read(name), {}, lambda _name: read)
    wrong = [problem.text for problem in former.problems if problem.variable in OF_GENERATION]
    if former.generation is generation and not wrong:
        wrong = [f"{generation.name!r} is mesh_control_plane, to which VMs move. {example} have moved."]
    problems += [Problem("mesh_migrate_from", f"mesh_migrate_from: {said}") for said in wrong]
    return None if wrong else former


def _first(default: str, values: t.Sequence[str]) -> list[str]:
    """The choices, the default in front if it is one of them."""
    return [*(value for value in values if value == default), *(value for value in values if value != default)]


def _yes(value: t.Any) -> bool:
    """As Ansible reads a boolean; an inventory in INI has texts."""
    return boolean(str(value), strict=False)


def _texts(value: t.Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)] if value else []
