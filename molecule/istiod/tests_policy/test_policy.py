"""Policies of the mesh count for the VM as for a pod: STRICT mutual TLS in its namespace, and who may call it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import lab_state
import pytest
from kubernetes import client

GROUP = "security.istio.io"
NAME = "molecule"
URL = "http://deb-nginx01.default:9080/"
NAMED = "cluster.local/ns/default/sa/client"
VARIABLES = "@molecule/istiod/vars/site.yml"
SECONDS = 60
Code = Callable[[str], str]
Json = dict[str, Any]


@contextmanager
def policy(plural: str, kind: str, spec: Json) -> Iterator[None]:
    api = client.CustomObjectsApi(lab_state.api())
    body = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": NAME}, "spec": spec}
    api.create_namespaced_custom_object(GROUP, "v1", "default", plural, body)
    try:
        yield
    finally:
        api.delete_namespaced_custom_object(GROUP, "v1", "default", plural, NAME)


@pytest.fixture(scope="module")
def code(pod: Callable[..., str]) -> Code:
    """The status that a pod gets from the VM: `client` and `server` have a sidecar, `sleep` has none; 000 is none."""

    def ask(app: str) -> str:
        page = ("curl", "-s", "-o", "/dev/null", "--max-time", "5", "-w", "%{http_code}", URL)
        return pod(*page, app=app, container=app)

    return ask


def becomes(code: Code, **wanted: str) -> None:
    """Wait until all pods get what they shall; istiod tells the proxies within a second or two."""
    deadline = time.monotonic() + SECONDS
    while (found := {app: code(app) for app in wanted}) != wanted:
        assert time.monotonic() < deadline, f"{found}, not {wanted}, after {SECONDS} s"
        time.sleep(0.5)


def selecting() -> Json:
    """The VM's own labels."""
    entries = client.CustomObjectsApi(lab_state.api()).list_namespaced_custom_object(
        "networking.istio.io", "v1", "default", "workloadentries"
    )["items"]
    (labels,) = [item["spec"]["labels"] for item in entries]
    member = "service.mesh.expansion/deb-nginx01"
    return {"selector": {"matchLabels": {member: labels[member]}}}


# Before the fixture below, which stays until the end.
def test_only_the_named_principal_may_call_the_vm(code: Code) -> None:
    """Without STRICT: who has no sidecar has no name, and a client of the mesh has one only if it uses mutual TLS."""
    rules = [{"from": [{"source": {"principals": [NAMED]}}]}]
    with policy("authorizationpolicies", "AuthorizationPolicy", {"action": "ALLOW", "rules": rules} | selecting()):
        becomes(code, client="200", server="403", sleep="403")
        assert [code("client") for _number in range(10)] == ["200"] * 10
    becomes(code, client="200", server="200", sleep="200")


@pytest.fixture(scope="module")
def strict(code: Code) -> Iterator[None]:
    becomes(code, sleep="200", client="200")
    with policy("peerauthentications", "PeerAuthentication", {"mtls": {"mode": "STRICT"}}):
        becomes(code, sleep="000", client="200", server="200")
        yield
    becomes(code, sleep="200", client="200")


def test_under_strict_clients_of_the_mesh_are_served_and_others_not(strict: None, code: Code) -> None:
    # The EndpointSlice for the others does not take the mutual TLS from clients of the mesh.
    assert [code("client") for _number in range(10)] == ["200"] * 10
    assert code("sleep") == "000"


def test_verify_says_that_strict_refuses_them(
    strict: None, playbook: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    report = tmp_path / "rows.json"
    done = playbook("playbooks/verify.yml", "-e", VARIABLES, "-e", f"verify_report={report}")
    assert done.returncode == 0, done.stdout[-4000:]
    rows = {row["row"]: row for row in json.loads(report.read_text())}
    assert f"refused by STRICT (PeerAuthentication default/{NAME})" in rows["I13"]["detail"]
    assert {name for name, row in rows.items() if row["state"] != "ok"} == set()
