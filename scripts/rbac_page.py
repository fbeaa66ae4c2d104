"""Write docs/rbac.md: the rights on the Kubernetes API that the collection needs, by generation and feature.

Usage: rbac_page.py
They come from the function that preflight asks with, for a site with one VM.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "build/collections")]

# Found through the path above.
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import generations, site  # noqa: E402
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.cluster import (  # noqa: E402
    required_access,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.rbac import Right, rights  # noqa: E402

PAGE = ROOT / "docs/rbac.md"
VM = {"mesh_vm_services": [{"name": "web", "port": 9080, "protocol": "http"}], "mesh_service_account": "web"}
VARIABLES = {"mesh_vip": "192.0.2.62", "mesh_service_cidr": "10.233.0.0/16"}
# What a site may want beside the generation's own way, with the variables that say so.
FEATURES: dict[str, list[dict[str, Any]]] = {
    "istiod": [
        {"mesh_registration": "workload_entry"},
        {"mesh_registration": "endpoint_slice"},
        {"mesh_registration": "endpoints"},
        {"mesh_plain_clients": True},
        {"mesh_vm_to_pods": True},
        {"mesh_vm_to_pods": True, "mesh_network": "pods", "mesh_label_network": True},
        {"mesh_dns_mode": "dnsmasq"},
        {"mesh_exposure_backend": "external_ips"},
        {"mesh_nodes_from_cluster": True},
    ],
    "citadel": [{"mesh_exposure_backend": "load_balancer"}, {"mesh_nodes_from_cluster": True}],
}
HEAD = """<!-- Written by scripts/rbac_page.py. -->
# Rights on the Kubernetes API

The user of `mesh_kubeconfig` needs the rights of this page. They are those that preflight asks for, one by one, before
anything is changed; it names each one that is missing. Namespaces, service accounts and names are those of a site with
the VM `web` in the namespace `default`.

The roles for your site, and nothing more:

    ansible-playbook -i inventory mesh.expansion.rbac -e rbac_user=mesh-operator -e rbac_file=mesh-expansion-rbac.yml

[rbac.yaml](rbac.yaml) has one role for all generations and features, to begin with.
"""


def needed(name: str, variables: dict[str, Any]) -> set[Right]:
    every = {**VARIABLES, "mesh_control_plane": name, **variables}
    groups = {"director": ["lvs1"], "k8s_nodes": ["node1"], "vms": ["web"]}
    own = {**VM, **every}
    found = site.parse(every.get, groups, lambda host: (own if host == "web" else every).get)
    generation = found.generation
    return set(rights(required_access(found, generation.mesh_configmap, generation.control_plane_deployment)))


def table(granted: set[Right]) -> Iterator[str]:
    yield "| where | resource | verbs |"
    yield "| --- | --- | --- |"
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in sorted(granted):
        where = f"`{right.namespace}`" if right.namespace else "all namespaces"
        group = f" of {right.group}" if right.group else ""
        what = f"`{right.resource}`{group}" + (f", only `{right.name}`" if right.name else "")
        verbs.setdefault((where, what), []).append(right.verb)
    for (where, what), allowed in verbs.items():
        yield f"| {where} | {what} | {', '.join(allowed)} |"


def feature(name: str, variables: dict[str, Any], base: set[Right]) -> Iterator[str]:
    found = needed(name, variables)
    said = ", ".join(f"`{key}: {str(value).lower()}`" for key, value in variables.items())
    yield f"\n### With {said}\n"
    if found - base:
        yield "In addition:\n"
        yield from table(found - base)
    if base - found:
        yield ("\n" if found - base else "") + "Not needed then:\n"
        yield from table(base - found)
    if found == base:
        yield "Nothing else."


def page() -> str:
    lines = [HEAD]
    for name, features in FEATURES.items():
        base = needed(name, {})
        lines += [f"## `mesh_control_plane: {name}` ({generations.generation(name).releases})\n", *table(base)]
        for variables in features:
            lines += feature(name, variables, base)
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
