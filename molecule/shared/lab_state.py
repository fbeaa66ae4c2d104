"""The state of the lab's hosts and of its API before a scenario, and how it differs later.

Usage: lab_state.py take|forget SCENARIO
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from kubernetes import client, config

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "build/molecule"
LAB = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mesh-expansion/lab"
# Traces of the collection that neither a host nor the API must have before a scenario.
TRACES = ("istio-sidecar", "/etc/dnsmasq.d/kubedns", "192.168.0.62", "mesh-director", "mesh.expansion")
# A ConfigMap and a webhook of istiod's, which have nothing to do with VMs.
INJECTOR = "istio-sidecar-injector"
# Who is leader is written anew every few seconds.
LEADER = "control-plane.alpha.kubernetes.io/leader"
# Kinds of Istio's that the collection or a test writes; none is there where the API does not know them.
ISTIO = (
    ("networking.istio.io", "workloadgroups"),
    ("networking.istio.io", "workloadentries"),
    ("security.istio.io", "peerauthentications"),
    ("security.istio.io", "authorizationpolicies"),
)


class LabStateError(Exception):
    """The lab is not as a scenario needs it."""


@cache
def inventory() -> dict[str, Any]:
    """The lab's inventory as Ansible understands it."""
    command = ["ansible-inventory", "-i", str(ROOT / "inventory/lab"), "--list"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def addresses() -> dict[str, str]:
    """Host name to address."""
    hostvars = inventory()["_meta"]["hostvars"]
    return {name: values["ansible_host"] for name, values in hostvars.items()}


def hosts(group: str) -> list[str]:
    """Names of the hosts of a group."""
    return inventory()[group].get("hosts", [])


@cache
def ssh_config() -> Path:
    """Write an SSH configuration with all hosts of the lab, for tools that are not Ansible."""
    lines = []
    for name, address in addresses().items():
        lines += [f"Host {name}", f"  HostName {address}", f"  HostKeyAlias {address}"]
    lines += [
        "Host *",
        "  User root",
        f"  IdentityFile {LAB}/ssh/id_ed25519",
        f"  UserKnownHostsFile {LAB}/ssh/known_hosts",
    ]
    lines += ["  StrictHostKeyChecking yes", "  ConnectTimeout 10", "  LogLevel ERROR", ""]
    path = RECORDS / "ssh_config"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Other processes may read the file at this moment: replace it at once.
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text("\n".join(lines))
    draft.replace(path)
    return path


def ssh(name: str, command: str) -> list[str]:
    """The command line for running something on a host."""
    return ["ssh", "-F", str(ssh_config()), name, command]


def ask(name: str, command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run something on a host; the caller looks at the exit status."""
    return subprocess.run(ssh(name, command), input=given, capture_output=True, text=True, timeout=300, check=False)


def must(name: str, command: str, given: str = "") -> str:
    """What a command prints on a host."""
    done = ask(name, command, given)
    if done.returncode != 0:
        raise LabStateError(
            f"`{command}` on {name} failed: {done.stderr.strip()}. "
            "Is the lab up, and this command run in it? (lab/lab run …)"
        )
    return done.stdout


@contextmanager
def without_proxy(name: str) -> Iterator[None]:
    """The node goes on, but its kube-proxy gives no answer."""
    must(name, "systemctl kill -s STOP kube-proxy")
    try:
        yield
    finally:
        must(name, "systemctl kill -s CONT kube-proxy")


@contextmanager
def without_port(name: str, address: str, port: int, protocol: str = "tcp") -> Iterator[None]:
    """The node forwards nothing that goes to this port there; its kube-proxy is well."""
    rule = f"iptables -w -t raw {{}} PREROUTING -d {address} -p {protocol} --dport {port} -j DROP"
    must(name, rule.format("-I"))
    try:
        yield
    finally:
        must(name, rule.format("-D"))


def host_state(name: str) -> dict[str, Any]:
    return json.loads(must(name, "python3 -", Path(__file__).with_name("host_state.py").read_text()))


def api() -> client.ApiClient:
    """The API as the cluster's administrator."""
    return config.new_client_from_config(config_file=str(LAB / "admin.kubeconfig"))


def api_state() -> dict[str, Any]:
    """What the collection could change in the API, without what follows pods that restart."""
    core, apps = client.CoreV1Api(api()), client.AppsV1Api(api())
    plain = api().sanitize_for_serialization
    services = {key(item): item for item in core.list_service_for_all_namespaces().items}
    endpoints = {key(item): item for item in core.list_endpoints_for_all_namespaces().items}
    selected = {name for name, item in services.items() if item.spec.selector}
    state: dict[str, Any] = {}
    for name, item in services.items():
        state[f"Service {name}"] = [item.metadata.labels, item.metadata.annotations, plain(item.spec)]
    for name, item in endpoints.items():
        state[f"Endpoints {name}"] = None if name in selected else [item.metadata.annotations, plain(item.subsets)]
    for item in core.list_config_map_for_all_namespaces().items:
        if LEADER not in (item.metadata.annotations or {}):
            state[f"ConfigMap {key(item)}"] = [item.metadata.annotations, item.data]
    for item in apps.list_deployment_for_all_namespaces().items:
        item.spec.template.metadata.annotations = None
        state[f"Deployment {key(item)}"] = plain(item.spec)
    for item in core.list_secret_for_all_namespaces().items:
        state[f"Secret {key(item)}"] = item.type
    for item in core.list_service_account_for_all_namespaces().items:
        state[f"ServiceAccount {key(item)}"] = [item.metadata.labels, item.metadata.annotations or {}]
    for item in core.list_namespace().items:
        state[f"Namespace {item.metadata.name}"] = [item.metadata.labels, item.metadata.annotations or {}]
    for item in client.DiscoveryV1Api(api()).list_endpoint_slice_for_all_namespaces().items:
        # The others follow a Service's pods, or its Endpoints.
        if not item.metadata.owner_references:
            state[f"EndpointSlice {key(item)}"] = [item.metadata.labels, plain(item.endpoints), plain(item.ports)]
    return {**state, **_istio_state()}


def _istio_state() -> dict[str, Any]:
    state = {}
    for group, plural in ISTIO:
        for item in _custom(group, plural):
            metadata = item["metadata"]
            name = f"{item['kind']} {metadata['namespace']}/{metadata['name']}"
            state[name] = [metadata.get("labels"), metadata.get("annotations"), item.get("spec")]
    return state


def _custom(group: str, plural: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = client.CustomObjectsApi(api()).list_cluster_custom_object(group, "v1", plural)[
            "items"
        ]
    except client.ApiException as error:
        if error.status != 404:
            raise
        return []
    return found


def key(item: Any) -> str:
    return f"{item.metadata.namespace}/{item.metadata.name}"


def current() -> dict[str, dict[str, Any]]:
    """The state of everything."""
    names = sorted(addresses())
    ssh_config()  # Once, before the threads below ask for it.
    with ThreadPoolExecutor(len(names)) as pool:
        hosts = dict(zip(names, pool.map(host_state, names), strict=True))
    return hosts | {"API": api_state()}


def record(scenario: str) -> Path:
    return RECORDS / f"{scenario}.before.json"


def take(scenario: str) -> None:
    """Record the state before a scenario; refuse when an earlier run left something."""
    state = current()
    left = [
        f"{name}: {trace}"
        for name, parts in state.items()
        for trace in TRACES
        # A host's owner may have rules about the virtual address.
        if trace in json.dumps({**parts, "own rules": None, "firewall": None}, default=str).replace(INJECTOR, "")
    ]
    if left:
        raise LabStateError(f"the lab's hosts are not new ({'; '.join(left)}). Start them anew: make lab-down lab-up")
    record(scenario).write_text(json.dumps(state, indent=1, sort_keys=True))


def differences(scenario: str) -> list[str]:
    """What differs now from the state before a scenario, as lines."""
    before = json.loads(record(scenario).read_text())
    after = json.loads(json.dumps(current()))
    return [line for name in sorted(before | after) for line in _compare(name, before.get(name), after.get(name))]


def _compare(where: str, before: Any, after: Any) -> list[str]:
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for name in sorted(before | after)
            for line in _compare(f"{where}: {name}", before.get(name), after.get(name))
        ]
    if isinstance(before, list) and isinstance(after, list) and all(isinstance(item, str) for item in before + after):
        gone = [f"{where}: - {item}" for item in before if item not in after]
        return gone + [f"{where}: + {item}" for item in after if item not in before]
    return [f"{where}: {before!r} -> {after!r}"]


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in ("take", "forget"):
        print(__doc__, file=sys.stderr)
        return 2
    verb, scenario = arguments
    try:
        if verb == "take":
            take(scenario)
        else:
            record(scenario).unlink(missing_ok=True)
    except LabStateError as error:
        print(f"lab_state: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
