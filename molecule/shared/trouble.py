"""What happens to hosts and their cluster: a disk that is full, a reboot, a policy, an API that is gone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import lab_state
import urllib3
from kubernetes import client

# Where apt puts what it fetches; it refuses to begin where that has no room.
ARCHIVES = "/var/cache/apt/archives"
# Hosts that have another name in the inventory than in the lab.
_LAB_NAMES = {"lvs1": "director"} | {f"lvs{number}": f"director{number}" for number in range(2, 5)}
_BOOT = "cat /proc/sys/kernel/random/boot_id"
_SECONDS = 120
_POLICY = "no-external-addresses"


def lab_name(name: str) -> str:
    """Of a host of the inventory."""
    return _LAB_NAMES.get(name, name)


@contextmanager
def full_disk(name: str) -> Iterator[None]:
    """No package can be fetched to the host meanwhile."""
    lab_state.must(name, f"mount -t tmpfs -o size=64k full {ARCHIVES}")
    try:
        yield
    finally:
        lab_state.must(name, f"umount {ARCHIVES}")


@contextmanager
def no_external_addresses(namespace: str) -> Iterator[None]:
    """The cluster forbids external addresses of Services in a namespace meanwhile, by a policy."""
    api = client.AdmissionregistrationV1Api(lab_state.api())
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["services"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "!has(object.spec.externalIPs)", "message": "external addresses are forbidden"}],
    }
    name = {"name": _POLICY}
    only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {"policyName": _POLICY, "validationActions": ["Deny"], "matchResources": only}
    api.create_validating_admission_policy({"metadata": name, "spec": spec})
    api.create_validating_admission_policy_binding({"metadata": name, "spec": binding})
    try:
        yield
    finally:
        api.delete_validating_admission_policy_binding(_POLICY)
        api.delete_validating_admission_policy(_POLICY)


@contextmanager
def no_api() -> Iterator[None]:
    """The Kubernetes API refuses every connection meanwhile, as one that has ended. For the lab's control node."""
    rule = ["INPUT", "-p", "tcp", "--dport", "6443", "-j", "REJECT", "--reject-with", "tcp-reset"]
    subprocess.run(["iptables", "-w", "-I", *rule], check=True, timeout=30)
    try:
        yield
    finally:
        subprocess.run(["iptables", "-w", "-D", *rule], check=True, timeout=30)
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                client.CoreV1Api(lab_state.api()).list_namespace()
                break
            except (client.ApiException, OSError, urllib3.exceptions.HTTPError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)


def reboot(name: str) -> None:
    """Restart a host with its disk kept, and wait until everything that starts there has started."""
    before = lab_state.must(name, _BOOT)
    subprocess.run(
        [str(lab_state.ROOT / "lab/lab"), "reboot", lab_name(name)],
        check=True,
        timeout=180,
        stdin=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        answer = lab_state.ask(name, f"{_BOOT} && systemctl is-system-running --wait")
        # 1 is a system with a unit that failed.
        if answer.returncode in (0, 1) and answer.stdout and not answer.stdout.startswith(before):
            return
        time.sleep(2)
    raise lab_state.LabStateError(f"{name} did not come back within {_SECONDS} s")
