# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of others that VMs are to be put behind: what the registration would refuse, before anything is changed.

Pure. Private to the collection.
"""

from __future__ import annotations

import json
import typing as t

from ..register.hosts import registrations
from ..register.layers import Wish, World
from ..register.model import Registration, RegistrationError, parse_registrations
from ..register.objects import is_ours
from ..register.plan import plan_round
from ..site import Site

JsonObject = t.Dict[str, t.Any]
KIND = "Service"


def documents(site: Site) -> list[JsonObject]:
    """What to read, in the form of M(mesh.expansion.kube_access_info)."""
    return [
        {"kind": KIND, "namespace": item.namespace, "name": item.name, "keys": []}
        for item in sorted(_batch(site), key=lambda item: item.label)
    ]


def findings(site: Site, read: t.Sequence[JsonObject]) -> t.Iterator[str]:
    there = {(item["namespace"], item["name"]): item["items"] for item in read if item["kind"] == KIND}
    for item in _batch(site):
        for found in there.get((item.namespace, item.name)) or []:
            # As plain mappings: those of a registered result cannot be compared.
            body = json.loads(json.dumps({"metadata": {"labels": found["labels"]}, "spec": found["service"]}))
            try:
                if not is_ours(body):
                    world = World({item.name: body}, {}, {}, {}, {}, {})
                    plan_round(item.namespace, world, [item], Wish(backend=site.registration))
            except RegistrationError as exc:
                yield f"mesh_vm_services: {exc}"


def _batch(site: Site) -> list[Registration]:
    try:
        batch = registrations([vm.as_dict() for vm in site.vms.values()], "default", "default")
        return parse_registrations(batch, backend=site.registration)
    except RegistrationError:
        # Said as a finding of its own.
        return []
