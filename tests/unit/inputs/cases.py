"""Options with which each module would begin its work, and a value for each of them that no module may take."""

from __future__ import annotations

import copy
import typing as t

Options = t.Dict[str, t.Any]
Path = t.Tuple[str, ...]

VIP, NODE, VM = "192.0.2.62", "192.0.2.71", "192.0.2.81"
_SERVER = {"real_server": f"{NODE}:443"}
_VIRTUAL = {"tcp_service": f"{VIP}:443", "real_servers": [_SERVER]}
_EXPOSED = {
    "name": "kube-dns-lb",
    "namespace": "kube-system",
    "selector": {"k8s-app": "kube-dns"},
    "dns_zone": "svc.cluster.local",
    "ports": [{"port": 53, "protocol": "UDP"}],
}
_QUERY = {"name": "istio-pilot", "expect": [VIP]}
_RESOLVER = {"vip": VIP, "service_cidr": "10.233.0.0/16", "services": [_EXPOSED], "probe_names": [_QUERY]}
_KUBE = {"kubeconfig": "/nonexistent/kubeconfig"}
_REGISTERED = {"name": "web", "ports": ["http:9080"], "endpoints": [{"address": VM}]}
_REQUIRED: dict[str, Options] = {
    "audit_result": {"drift": []},
    "deb_package_info": {"source": "/nonexistent/sidecar.deb"},
    "diagnose_cluster": {"dest": "/nonexistent/bundle", **_KUBE},
    "diagnose_look": {"dest": "/nonexistent/bundle", "kinds": ["vm"]},
    "director_apply": {"vip": VIP},
    "director_look": {"vip": VIP},
    "dns_probe": {"queries": [_QUERY]},
    "dnsmasq_apply": _RESOLVER,
    "dnsmasq_look": _RESOLVER,
    "envoy_info": {},
    "guard_confirm": {"role": "dnsmasq"},
    "ipvs_info": {},
    "ipvs_service": {"tcp_service": f"{VIP}:443", "real_servers": [_SERVER]},
    "ipvs_table": {"services": [_VIRTUAL], "purge": "services", "vips": [VIP]},
    "istio_drain": {"addresses": [VM], **_KUBE},
    "istio_mesh_config": _KUBE,
    "istio_network_labels": {"network": "pods", **_KUBE},
    "istio_orphans": {"registrations": [_REGISTERED], **_KUBE},
    "istio_register": {"services": [_REGISTERED], "backend": "workload_entry", **_KUBE},
    "istio_rotation_info": {"vms": {}, **_KUBE},
    "istio_sidecar_apply": {"vip": VIP},
    "istio_sidecar_look": {"vip": VIP},
    "istio_vm_bootstrap": {"vip": VIP, "workload_group": "web", **_KUBE},
    "istio_vm_certs": _KUBE,
    "kube_access_info": {
        "access": [{"verbs": ["get"], "resource": "services"}],
        "objects": [{"kind": "Secret", "name": "istio.default"}],
        "documents": [{"kind": "Namespace"}],
        "exposure": {"vip": VIP, "services": [_EXPOSED]},
        **_KUBE,
    },
    "mesh_services": {"vip": VIP, "services": [_EXPOSED], **_KUBE},
    "metrics_textfile": {"directory": "/nonexistent/metrics"},
    "preflight_look": {"kinds": ["vm"]},
    "real_server_apply": {"vip": VIP},
    "real_server_look": {"vip": VIP},
    "tcp_probe": {"targets": [{"address": VM, "ports": [9080]}]},
    "verify_cluster": {
        "vip": VIP,
        "services": [_EXPOSED],
        "mesh": {},
        "client": {},
        "plain_client": {"selector": "app=plain"},
        **_KUBE,
    },
    "verify_vm": {"sidecar": {"vip": VIP}},
    "vip_probe": {"address": VIP},
    "vm_connections": {"ports": [9080]},
}

# What an option is only read with.
_TOGETHER: dict[tuple[str, Path], Options] = {
    **{(f"director_{verb}", ("node",)): {"state": "drained"} for verb in ("apply", "look")},
    ("ipvs_service", ("fwmark_service",)): {"tcp_service": None},
    ("ipvs_service", ("udp_service",)): {"tcp_service": None},
    ("ipvs_service", ("sctp_service",)): {"tcp_service": None},
    ("istio_sidecar_look", ("checksum",)): {"package": "https://example.com/istio-sidecar.deb"},
    ("verify_vm", ("resolver",)): {"dns_mode": "dnsmasq"},
}

TEXT = "## no ##"
WORD = "nonsense"


class Case(t.NamedTuple):
    module: str
    path: Path
    value: t.Any

    def __str__(self) -> str:
        return f"{self.module}: {'.'.join(self.path)}: {self.value!r}"

    def options(self) -> Options:
        """Those of the module, with this value in them."""
        found = copy.deepcopy({**_REQUIRED[self.module], **_TOGETHER.get((self.module, self.path), {})})
        place: t.Any = found
        for name in self.path[:-1]:
            place = place.setdefault(name, {})
            place = place[0] if isinstance(place, list) else place
        place[self.path[-1]] = self.value
        return {name: value for name, value in found.items() if value is not None}


def valid(module: str) -> Options:
    return copy.deepcopy(_REQUIRED[module])


def options(spec: t.Mapping[str, t.Any], above: Path = ()) -> t.Iterator[tuple[Path, Options]]:
    """All options of a spec, with those of the mappings in it."""
    for name, details in spec.items():
        yield (*above, name), details
        yield from options(details.get("options") or {}, (*above, name))


def wrong_values(details: t.Mapping[str, t.Any]) -> list[t.Any]:
    """What an option of this type cannot be."""
    kind, of = details.get("type", "str"), details.get("elements", "str")
    if details.get("choices"):
        return [[WORD] if kind == "list" else WORD]
    if kind == "list":
        return {"dict": [[WORD]], "int": [["many"], [-1], [70000]], "raw": [[{"name": "http"}]]}.get(of, [[TEXT]])
    return {
        "bool": ["perhaps"],
        "int": ["many", -(10**12), 10**12],
        "float": ["much", -1e12, 1e15],
        "dict": [WORD],
    }.get(kind, [TEXT])
