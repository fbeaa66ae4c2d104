# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan of the mesh settings: from the ConfigMap as it is to the one that is wanted. Pure. Private to the collection."""

from __future__ import annotations

import copy
import typing as t

from .document import (
    Edit,
    MeshConfigError,
    dump_changes,
    edit,
    load_changes,
    merge_changes,
    previous_values,
    restore,
    settings_hash,
)

RECORD_ANNOTATION = "mesh.expansion/mesh-settings"
# Tells one edit from another: the version of the ConfigMap that the last one was made on.
EDIT_ANNOTATION = "mesh.expansion/mesh-settings-edit"


class Plan(t.NamedTuple):
    """The ConfigMap as it is and as it should be, and what to report."""

    label: str
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    result: dict[str, t.Any]
    diff: dict[str, str]
    warnings: list[str]

    @property
    def changed(self) -> bool:
        return self.before != self.after


def plan(params: t.Mapping[str, t.Any], configmap: dict[str, t.Any] | None) -> Plan:
    """What to write, from the ConfigMap and the module's parameters alone."""
    where = f"ConfigMap {params['namespace']}/{params['name']}"
    if configmap is None:
        raise MeshConfigError(f"{where} does not exist. Check name and namespace, or whether Istio is installed there.")
    document = (configmap.get("data") or {}).get(params["key"])
    if document is None:
        keys = ", ".join(sorted(configmap.get("data") or {})) or "none"
        raise MeshConfigError(f"{where} has no key {params['key']}; its keys: {keys}. Check the option key.")
    try:
        return _plan(params, configmap, document, where)
    except MeshConfigError as exc:
        raise MeshConfigError(f"{where}, key {params['key']}: {exc}") from exc


def _plan(params: t.Mapping[str, t.Any], configmap: dict[str, t.Any], document: str, where: str) -> Plan:
    annotations = configmap["metadata"].get("annotations") or {}
    record = load_changes(annotations.get(RECORD_ANNOTATION))
    outcome: Edit
    if params["state"] == "restored":
        outcome = restore(document, record)
        record = []
    else:
        outcome = edit(document, params["settings"], params["absent"])
        if params["remember"]:
            record = merge_changes(record, outcome.changes)
    after = copy.deepcopy(configmap)
    after["data"][params["key"]] = outcome.text
    wanted = {key: value for key, value in annotations.items() if key not in (RECORD_ANNOTATION, EDIT_ANNOTATION)}
    edited = (
        annotations.get(EDIT_ANNOTATION, "")
        if outcome.text == document
        else str(configmap["metadata"].get("resourceVersion", ""))
    )
    if record:
        wanted[RECORD_ANNOTATION] = dump_changes(record)
        if edited:
            wanted[EDIT_ANNOTATION] = edited
    if wanted != annotations:
        after["metadata"]["annotations"] = wanted
    header = f"{where} key {params['key']}"
    return Plan(
        label=where,
        before=configmap,
        after=after,
        result={
            "previous": previous_values(outcome.changes),
            "remembered": sorted(change.key for change in record),
            "settings_hash": settings_hash(outcome.text, record, edited),
        },
        diff={"before": document, "after": outcome.text, "before_header": header, "after_header": header},
        warnings=outcome.warnings,
    )
