"""A wrong value for each option of each module, from the argument specs: refused, by name, before anything is done."""

from __future__ import annotations

import typing as t

import pytest

from tests.unit.inputs.cases import Case, options, valid, wrong_values
from tests.unit.inputs.harness import MODULES, ON_CONTROL_NODE, run, spec_of

# Options of which a value is taken that looks wrong, each with the reason.
SAID = "any text: it is only repeated in messages"
ASKED = "any text: the API server is asked, and answers that there is no such thing"
LOOKED_FOR = "any text can be a path; one at which nothing is found is reported, by preflight with what to do"
LATER = "loaded when the API is asked; tests/unit/inputs/test_found.py has what is said then"
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("*", "host"): SAID,
    ("*", "managed"): "any text: it is a comment in files",
    ("diagnose_cluster", "dest"): "of the control node: the action plugin writes there",
    ("diagnose_look", "dest"): "of the control node: the action plugin writes there",
    ("istio_register", "services.endpoints.host"): SAID,
    ("deb_package_info", "source"): LOOKED_FOR,
    ("istio_sidecar_look", "package"): LOOKED_FOR,
    ("preflight_look", "package"): LOOKED_FOR,
    **{
        ("preflight_look", name): "the site's variables are judged where the findings are made, all at once"
        for name in ("vip", "health_address")
    },
    ("istio_sidecar_apply", "upgraded_from"): "a version as dpkg says it, for state=reverted only",
    ("istio_mesh_config", "absent"): "any text can be a key of the mesh document",
    ("istio_orphans", "addresses"): "names of hosts are passed over",
    ("istio_vm_bootstrap", "cluster_id"): "any text: istiod compares it with its own",
    ("istio_vm_bootstrap", "workload"): "its action plugin has no say in what Ansible's search for secrets says first",
    ("metrics_textfile", "content"): "any text",
    ("verify_cluster", "expect"): "any text can be in an answer",
    ("verify_cluster", "client.selector"): ASKED,
    ("verify_cluster", "plain_client.selector"): ASKED,
    **{
        ("kube_access_info", f"{kind}.{name}"): ASKED
        for kind, names in {
            "access": ["verbs", "resource", "subresource", "group", "namespace", "name"],
            "documents": ["name", "namespace", "selector", "keys"],
            "objects": ["name", "namespace"],
        }.items()
        for name in names
    },
    **{(name, way): LATER for name in ("kube_access_info", *ON_CONTROL_NODE) for way in ("kubeconfig", "context")},
}
# Where a message has another word for the option.
WORDS = {"generation": "mesh_control_plane", "control_plane": "mesh_control_plane", "service_account": "ServiceAccount"}


def reason(case: Case) -> str:
    name = ".".join(case.path)
    return EXCEPTIONS.get((case.module, name)) or EXCEPTIONS.get(("*", name), "")


def cases(module: str) -> t.Iterator[Case]:
    for path, details in options(spec_of(module)):
        for value in wrong_values(details):
            yield Case(module, path, value)


def fault(case: Case) -> str:
    """What is wrong with the answer to this value; empty when it is as it should be."""
    try:
        result = run(case.module, case.options())
    except Exception as exc:
        return f"a traceback: {exc!r}"
    said = str(result.get("msg", ""))
    value = case.value[0] if isinstance(case.value, list) else case.value
    if not result.get("failed"):
        return f"taken: {str(result)[:200]}"
    if case.path[-1] not in said and WORDS.get(case.path[-1], case.path[-1].rstrip("s")) not in said:
        return f"the option is not named: {said}"
    # Ansible's own messages say the type of some values in the place of the value.
    named = str(value) in said or "unable to convert to" in said or isinstance(value, dict)
    return "" if named else f"the value is not named: {said}"


@pytest.mark.parametrize("module", MODULES)
def test_a_wrong_value_is_refused(module: str) -> None:
    faults = {str(case): found for case in cases(module) if not reason(case) for found in [fault(case)] if found}
    assert faults == {}


@pytest.mark.parametrize("module", MODULES)
def test_without_a_wrong_value_nothing_is_refused(module: str) -> None:
    """Or the others would prove nothing."""
    result = run(module, valid(module))
    said = str(result.get("msg", ""))
    assert not result.get("failed") or "/nonexistent/kubeconfig" in said or "resolver is not given" in said, said


def test_exceptions_are_needed() -> None:
    """Each of them names an option that is there, and that takes such a value."""
    needed = set()
    for module in MODULES:
        for case in cases(module):
            if reason(case) and fault(case):
                needed |= {(module, ".".join(case.path)), ("*", ".".join(case.path))}
    assert set(EXCEPTIONS) - needed == set()
