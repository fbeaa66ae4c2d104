# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles of Kubernetes that grant exactly the rights that are asked for. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

JsonObject = t.Dict[str, t.Any]
API = "rbac.authorization.k8s.io"


class Right(t.NamedTuple):
    """One verb; an empty namespace and an empty name are all of them."""

    namespace: str
    group: str
    resource: str
    name: str
    verb: str

    def covers(self, other: Right) -> bool:
        same = (self.group, self.resource, self.verb) == (other.group, other.resource, other.verb)
        return same and self.namespace in ("", other.namespace) and self.name in ("", other.name)


def rights(access: t.Iterable[t.Mapping[str, t.Any]]) -> list[Right]:
    """Of what preflight asks for, each once, and none that another one includes."""
    every = {
        Right(item.get("namespace") or "", item.get("group") or "", _resource(item), item.get("name") or "", verb)
        for item in access
        for verb in item["verbs"]
    }
    return sorted(one for one in every if not any(other.covers(one) for other in every if other != one))


def _resource(item: t.Mapping[str, t.Any]) -> str:
    return "/".join(part for part in (item["resource"], item.get("subresource")) if part)


def manifests(access: t.Iterable[t.Mapping[str, t.Any]], user: str) -> list[JsonObject]:
    """A role for each namespace, one for the cluster, and what binds them to the user."""
    found: list[JsonObject] = []
    by_namespace: dict[str, list[Right]] = {}
    for right in rights(access):
        by_namespace.setdefault(right.namespace, []).append(right)
    for namespace, granted in by_namespace.items():
        kind = "Role" if namespace else "ClusterRole"
        metadata = {"name": "mesh-expansion", **({"namespace": namespace} if namespace else {})}
        subject = {"apiGroup": API, "kind": "User", "name": user}
        role = {"apiGroup": API, "kind": kind, "name": metadata["name"]}
        head = {"apiVersion": f"{API}/v1"}
        found.append({**head, "kind": kind, "metadata": metadata, "rules": _rules(granted)})
        found.append(
            {**head, "kind": f"{kind}Binding", "metadata": dict(metadata), "roleRef": role, "subjects": [subject]}
        )
    return found


def _rules(granted: t.Iterable[Right]) -> list[JsonObject]:
    """One for each resource, and for each set of names in it."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for right in granted:
        verbs.setdefault((right.group, right.resource, right.name), []).append(right.verb)
    names: dict[tuple[str, str, bool, tuple[str, ...]], list[str]] = {}
    for (group, resource, name), allowed in verbs.items():
        names.setdefault((group, resource, bool(name), tuple(allowed)), []).append(name)
    return [
        {
            "apiGroups": [group],
            "resources": [resource],
            **({"resourceNames": called} if named else {}),
            "verbs": list(allowed),
        }
        for (group, resource, named, allowed), called in names.items()
    ]
