"""A wrong value for each option of each role: refused by the role's argument spec, or by the module that it goes to."""

from __future__ import annotations

import re
import typing as t
from functools import cache

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from tests.unit.inputs.cases import Case, wrong_values
from tests.unit.inputs.harness import MODULES, ROOT, spec_of
from tests.unit.inputs.test_modules import fault, reason

ROLES = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
ALONE = re.compile(r"\{\{\s*(\w+)\s*(\|.*|or omit\s*)?\}\}", re.DOTALL)
OURS = "mesh.expansion."

# Options of which a value is taken that looks wrong, each with the reason.
ASKED = "any text: the API server is asked, and what is missing is a finding"
NODES = "whoever wants nodes from the cluster is refused by the role when it says none; test_director_nodes.py has that"
FOUND = "test_found.py has what the filter says that it goes to"
EXCEPTIONS = {
    "director_kubeconfig": NODES,
    "director_context": NODES,
    "director_health_roots_namespace": "the API server is asked; the role refuses when it gives no certificates",
    "director_node": "one that is no node is refused by the first task of drain and undrain, with the nodes that are",
    "director_back": "one that is no director is refused before the address is moved",
    "istio_sidecar_package": "any text can be a path; one at which nothing is found is refused",
    "istio_sidecar_cluster_id": "any text: istiod compares it with its own",
    "istio_sidecar_certificate_ttl": "handed to the sidecar's agent; mesh_certificate_ttl, its default, is judged",
    "preflight_vip": "the site's variables are judged in the findings, all at once",
    "preflight_health_address": "the same",
    "preflight_router_id": "only compared with what is heard; director_router_id, its default, is judged",
    "preflight_mesh_configmap": ASKED,
    "preflight_pilot": ASKED,
    "preflight_kubeconfig": FOUND,
    "preflight_context": FOUND,
    "registration_namespace": FOUND,
    "registration_service_account": FOUND,
    "report_path": "one that does not end with .html is refused by the first task",
    "registration_prune_max": "any number: with one that is too small nobody is taken out; mesh_prune_max is judged",
    "verify_directors": "any host: the rows of one that is not looked at fail",
    "verify_vms": "any host: the rows of one that is not looked at fail",
    "verify_expect": "any text can be in an answer",
    "verify_expiry_days": FOUND,
    "verify_report": "any text can be a path; one that cannot be written is refused when the rows have been judged",
    "verify_audit_report": "the same",
}


@cache
def options(role: str) -> dict[str, dict[str, t.Any]]:
    spec = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    found: dict[str, dict[str, t.Any]] = {}
    for entry in spec.values():
        found |= entry.get("options", {})
    return found


def _walk(node: t.Any) -> t.Iterator[tuple[str, t.Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _walk(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from _walk(value)


@cache
def goes_to(role: str) -> dict[str, set[str]]:
    """The options of modules that each of the role's variables is handed to."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "roles" / role).glob("*/*.yml")):
        if path.parent.name in ("tasks", "vars"):
            for key, value in _walk(yaml.safe_load(path.read_text())):
                alone = ALONE.fullmatch(value) if isinstance(value, str) else None
                if alone:
                    found.setdefault(alone[1], set()).add(key)
    return found


@cache
def modules(role: str) -> list[str]:
    """Those that the role runs, by itself or through a group of defaults."""
    text = "".join(path.read_text() for path in (ROOT / "roles" / role / "tasks").glob("*.yml"))
    return [name for name in MODULES if f"{OURS}{name}:" in text]


def refused_by_spec(option: str, details: dict[str, t.Any], value: t.Any) -> bool:
    known = {name: details[name] for name in ("type", "elements", "choices", "options") if name in details}
    said = ArgumentSpecValidator({option: known}).validate({option: value}).error_messages
    return any(option in text for text in said)


def refused_by_module(role: str, option: str, value: t.Any) -> bool:
    return any(
        not reason(case) and not fault(case)
        for module in modules(role)
        for name in goes_to(role).get(option, ())
        if name in spec_of(module)
        for case in [Case(module, (name,), value)]
    )


def taken(role: str) -> list[str]:
    """Options with a wrong value that nobody refuses."""
    found = [
        option
        for option, details in options(role).items()
        for value in wrong_values(details)
        if not refused_by_spec(option, details, value) and not refused_by_module(role, option, value)
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("role", ROLES)
def test_a_wrong_value_is_refused(role: str) -> None:
    """And each of the exceptions is needed."""
    assert taken(role) == [option for option in options(role) if option in EXCEPTIONS]
