"""With policy checks on, requests to the VM fail, because the VM cannot reach the policy server; verify.yml says so and
names the setting; mesh_policy fixes it and leaves the rest of the mesh document as it was."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from subprocess import CompletedProcess

import lab_state
import pytest
import yaml
from kubernetes import client
from testinfra.host import Host

Playbook = Callable[..., CompletedProcess[str]]
Pod = Callable[..., str]
VARIABLES = "@molecule/secure/vars/secure.yml"
OURS = ("disablePolicyChecks", "policyCheckFailOpen", "enableTracing")
POLICY_CLUSTER = "outbound|9091||istio-policy.istio-system.svc.cluster.local"


def mesh_document(core: client.CoreV1Api) -> str:
    return core.read_namespaced_config_map("istio", "istio-system").data["mesh"]


def page(pod: Pod) -> str:
    return pod("curl", "-sS", "--max-time", "15", "http://deb-nginx01:9080")


def wait_for(what: str, holds: Callable[[], bool], seconds: int = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(1)


@pytest.fixture(scope="module")
def document_before(core: client.CoreV1Api) -> str:
    """The mesh document of the mesh as it works."""
    return mesh_document(core)


@pytest.fixture(scope="module")
def checks_on(core: client.CoreV1Api, vm: Host, document_before: str) -> None:
    """Somebody turns policy checks on, as the mesh was before it was expanded."""
    lines = []
    for line in document_before.split("\n"):
        name = line.split(":")[0]
        lines.append(f"{name}: false" if name in OURS[:2] else line)
    core.patch_namespaced_config_map("istio", "istio-system", {"data": {"mesh": "\n".join(lines)}})
    now = {"kubectl.kubernetes.io/restartedAt": dt.datetime.now(dt.UTC).isoformat()}
    patch = {"spec": {"template": {"metadata": {"annotations": now}}}}
    client.AppsV1Api(lab_state.api()).patch_namespaced_deployment("istio-pilot", "istio-system", patch)
    listeners = "curl -sS 'http://127.0.0.1:15000/config_dump?resource=dynamic_listeners'"
    wait_for("Envoy's policy filter", lambda: POLICY_CLUSTER in vm.check_output(listeners))


def test_request_fails(checks_on: None, pod: Pod) -> None:
    # The listener with the filter takes over from the one without it.
    wait_for("the refusal of requests", lambda: "Welcome to nginx!" not in page(pod), 30)
    answer = page(pod)
    assert "Welcome to nginx!" not in answer
    assert "UNAVAILABLE" in answer or "upstream connect error or disconnect/reset before headers" in answer


def test_verify_explains(checks_on: None, playbook: Playbook) -> None:
    done = playbook("playbooks/verify.yml", "-e", VARIABLES)
    assert done.returncode != 0
    text = " ".join(done.stdout.split())
    assert "R17" in text
    # What is unreachable, from where, and which setting fixes it.
    for words in (
        "istio-policy.istio-system.svc.cluster.local",
        "deb-nginx01",
        "disablePolicyChecks",
        "policyCheckFailOpen",
    ):
        assert words in text, words


def test_check_mode_announces_the_fix_and_changes_nothing(
    checks_on: None, playbook: Playbook, core: client.CoreV1Api
) -> None:
    before = mesh_document(core)
    done = playbook("site.yml", "--tags", "mesh_policy", "--check", "--diff", "-e", VARIABLES)
    assert done.returncode == 0, done.stdout[-4000:]
    (recap,) = [line for line in done.stdout.splitlines() if line.startswith("deb-nginx01 ") and "changed=" in line]
    assert "changed=0" not in recap
    assert "disablePolicyChecks: true" in done.stdout
    assert mesh_document(core) == before


def test_mesh_policy_fixes_it(
    checks_on: None, playbook: Playbook, pod: Pod, document_before: str, core: client.CoreV1Api
) -> None:
    done = playbook("site.yml", "--tags", "mesh_policy", "-e", VARIABLES)
    assert done.returncode == 0, done.stdout[-4000:]
    wait_for("the page", lambda: "Welcome to nginx!" in page(pod))
    # Every other key, comment and the order are as they were.
    assert mesh_document(core) == document_before
    settings = yaml.safe_load(mesh_document(core))
    assert [settings[name] for name in OURS] == [True, True, False]


def test_verify_agrees_afterwards(playbook: Playbook) -> None:
    done = playbook("playbooks/verify.yml", "-e", VARIABLES)
    assert done.returncode == 0, done.stdout[-4000:]
