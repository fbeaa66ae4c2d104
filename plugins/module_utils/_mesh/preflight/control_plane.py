# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight reads of the cluster's control plane, and says about it. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from .. import generations
from ..bootstrap import control_plane as istiod
from ..bootstrap.errors import BootstrapError
from ..errors import MeshError
from ..exposure.istiod import NETWORK_LABEL, REVISION_LABEL
from ..generations.model import TOKEN
from ..register.services import AUTO
from ..site import Site

JsonObject = t.Dict[str, t.Any]
_NO_ISTIOD = "Install Istio, or correct mesh_istio_namespace."


def documents(site: Site, namespaces: t.Sequence[str]) -> list[JsonObject]:
    """What to read, in the form of M(mesh.expansion.kube_access_info); C(namespaces) are those of the VMs."""
    where = site.istio_namespace
    asked = [_document("Deployment", where)]
    if site.generation.identity != TOKEN:
        return asked
    return [
        *asked,
        _document("ConfigMap", where, _named(site, site.generation.mesh_configmap), [istiod.MESH_KEY]),
        _document("ConfigMap", where, _named(site, "istio-sidecar-injector"), [istiod.VALUES_KEY]),
        *(_document("WorkloadGroup", namespace) for namespace in namespaces if site.registration == AUTO),
        *([_document("Namespace", "", where)] if site.vm_to_pods else []),
    ]


def findings(site: Site, read: t.Sequence[JsonObject]) -> t.Iterator[str]:
    """Of what could be read; what could not is a right that is missing, which is said by itself."""
    deployments = _items(read, "Deployment")
    if deployments is not None:
        unfit = list(_generation(site, deployments))
        yield from unfit
        if unfit:
            # Nothing of this generation is there to be judged.
            return
    if site.generation.identity == TOKEN:
        yield from _mesh(site, read)
        if any(item["kind"] == "WorkloadGroup" and item["state"] == "unserved" for item in read):
            yield (
                "WorkloadGroup: the API server does not know workloadgroups of networking.istio.io/v1, by which VMs "
                "join the mesh. Install Istio's definitions (its chart base) of release 1.22 or later."
            )
    if site.vm_to_pods:
        yield from _network(site, read, deployments)


def _document(kind: str, namespace: str, name: str = "", keys: t.Sequence[str] = ()) -> JsonObject:
    return {"kind": kind, "namespace": namespace, "name": name, "keys": list(keys)}


def _named(site: Site, name: str) -> str:
    return istiod.suffixed(name, istiod.plain(site.revision))


def _items(read: t.Sequence[JsonObject], kind: str, name: str = "") -> list[JsonObject] | None:
    """The objects that an answer has; None when there is no answer."""
    for item in read:
        if item["kind"] == kind and item["name"] == name:
            return [_plain(found) for found in item["items"]] if item["state"] in ("ok", "missing") else None
    return None


def _plain(found: JsonObject) -> JsonObject:
    """With mappings of Python's own: those of a registered result cannot be compared."""
    return {**found, **{key: dict(found[key]) for key in ("labels", "data", "template_labels")}}


def _generation(site: Site, deployments: t.Sequence[JsonObject]) -> t.Iterator[str]:
    """The control plane that is there, against the one that is chosen."""
    found = [(item, generations.of_pods(item["template_labels"])) for item in deployments]
    own = [item for item, generation in found if generation is site.generation]
    where = f"in namespace {site.istio_namespace}"
    other = next(((item, generation) for item, generation in found if generation not in (None, site.generation)), None)
    if not own and other and other[1]:
        yield (
            f"mesh_control_plane: it is {site.generation.name!r}, but the control plane {where} (Deployment "
            f"{other[0]['name']}) is of {other[1].name!r} ({other[1].releases}). Set mesh_control_plane: "
            f"{other[1].name}."
        )
    elif not own and site.generation.identity == TOKEN:
        labels = ",".join(f"{key}={value}" for key, value in site.generation.control_plane_pods.items())
        yield f"mesh_istio_namespace: no Deployment {where} has pods with the label {labels}. {_NO_ISTIOD}"
    elif site.generation.identity == TOKEN:
        yield from _revision(site, own)


def _revision(site: Site, own: t.Sequence[JsonObject]) -> t.Iterator[str]:
    revisions = sorted({item["template_labels"].get(REVISION_LABEL) or "default" for item in own})
    if not site.revision and revisions != ["default"]:
        which = f"revision {revisions[0]}" if len(revisions) == 1 else f"several revisions: {', '.join(revisions)}"
        yield (
            f"mesh_revision: not set, but istiod in namespace {site.istio_namespace} is of {which}. Set it to the one "
            "that the VMs shall join."
        )
    elif site.revision and site.revision not in revisions:
        yield (
            f"mesh_revision: {site.revision!r} is no revision of istiod in namespace {site.istio_namespace}; there: "
            f"{', '.join(revisions)}. Set it to one of these."
        )


def _mesh(site: Site, read: t.Sequence[JsonObject]) -> t.Iterator[str]:
    """The mesh document and istiod's name of its cluster."""
    where = site.istio_namespace
    name, injector = _named(site, site.generation.mesh_configmap), _named(site, "istio-sidecar-injector")
    found, values = _items(read, "ConfigMap", name), _items(read, "ConfigMap", injector)
    if found is not None:
        try:
            mesh = istiod.mesh_document(next(iter(found), None), where, name)
        except BootstrapError as exc:
            yield str(exc)
        else:
            yield from _said("mesh_trust_domain", istiod.check_trust_domain, mesh, site.trust_domain, where, name)
    if values is not None:
        yield from _said("mesh_cluster_id", _cluster_id, next(iter(values), None), site.cluster_id, where, injector)


def _cluster_id(configmap: JsonObject | None, wanted: str, namespace: str, name: str) -> None:
    istiod.cluster_id(istiod.cluster_name(configmap, namespace, name), wanted, namespace, name)


def _said(variable: str, check: t.Callable[..., t.Any], *arguments: t.Any) -> t.Iterator[str]:
    try:
        check(*arguments)
    except BootstrapError as exc:
        yield f"{variable}: {exc}"


def _network(site: Site, read: t.Sequence[JsonObject], deployments: t.Sequence[JsonObject] | None) -> t.Iterator[str]:
    """The label by which istiod knows that VMs of another network need the gateway."""
    where = site.istio_namespace
    try:
        selector = site.gateway()
    except MeshError:
        # Said as a finding of its own.
        return
    label = kubectl = ""
    found = _items(read, "Namespace", where)
    if found:
        label = str(found[0]["labels"].get(NETWORK_LABEL) or "")
        kubectl = f"kubectl label namespace {where} {NETWORK_LABEL}={site.network or 'NAME'}"
        yield from _label(site, f"Namespace {where}", label, kubectl, site.network)
    if deployments is None or not selector:
        return
    gateways = [item for item in deployments if selector.items() <= item["template_labels"].items()]
    if not gateways:
        wanted = ",".join(f"{key}={value}" for key, value in selector.items())
        yield (
            f"mesh_vm_to_pods: true, but no Deployment in namespace {where} has pods with the label {wanted}. Install "
            "an east-west gateway, or set mesh_vm_to_pods to false."
        )
    for item in gateways:
        network = site.network or label
        patch = f'{{"spec":{{"template":{{"metadata":{{"labels":{{"{NETWORK_LABEL}":"{network or "NAME"}"}}}}}}}}}}'
        kubectl = f"kubectl -n {where} patch deployment {item['name']} --type merge -p '{patch}'"
        now = str(item["template_labels"].get(NETWORK_LABEL) or "")
        yield from _label(site, f"Deployment {item['name']} in namespace {where}", now, kubectl, network)


def _label(site: Site, what: str, now: str, kubectl: str, wanted: str) -> t.Iterator[str]:
    if now and wanted and now != wanted:
        yield (
            f"mesh_network: {what} has the label {NETWORK_LABEL}={now}, not {wanted}. Set mesh_network to the name "
            "that the pods' network has, which is the same on the namespace and on the gateway's pods, or leave it out."
        )
    elif not now and not site.label_network:
        yield (
            f"mesh_vm_to_pods: {what} lacks the label {NETWORK_LABEL}, without which VMs are not told of the gateway. "
            f"Set it: {kubectl}; or have it set by mesh_network and mesh_label_network: true."
        )
