"""Roles with values of a user, in one playbook: who refuses what, in which words, before a host is reached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.mesh.expansion.plugins.module_utils import _options

# The host is in all groups, and out of reach: what gets as far as asking it is not refused.
HOST = "box"
AWAY = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_retries": 0}
VIP = {"mesh_vip": "192.0.2.62", "mesh_service_cidr": "10.233.0.0/16"}
WEB = {"name": "web", "port": 9080, "protocol": "http"}
VM = {"name": "vm1", "address": "192.0.2.81", "services": [WEB]}

# By the role, or by role and entry point.
CASES: dict[str, tuple[str, dict[str, t.Any], str]] = {
    # Alone, as one would try them, without any variable.
    "exposure alone": ("exposure", {}, "mesh_vip: not set. Set it to a free address"),
    "director alone": ("director", {}, "mesh_vip: not set. Set it to a free address"),
    "real_server alone": ("real_server", {}, "mesh_vip: not set. Set it to a free address"),
    "dnsmasq alone": ("dnsmasq", {}, "mesh_vip: not set. Set it to a free address"),
    "istio_sidecar alone": ("istio_sidecar", {}, "mesh_sidecar_package: not set. Set it to the path"),
    "registration alone": (
        "registration",
        {},
        "registration_services is empty, so nothing would be registered: none of box has services. Set their",
    ),
    "mesh_policy alone": (
        "mesh_policy",
        {"mesh_control_plane": "citadel"},
        "Cannot load /nonexistent/kubeconfig: it cannot be read: No such file or directory. Set kubeconfig",
    ),
    "verify alone": ("verify", {}, "mesh_vip: not set. Set it to a free address"),
    # Values that are wrong.
    "no hosts": ("registration", {"registration_hosts": []}, "registration_hosts is empty. Put VMs into the"),
    "hosts": ("registration", {"registration_hosts": ["a"]}, "VM 1: 'a' is not a mapping. Write name, address"),
    "services": (
        "registration",
        {"registration_hosts": [{**VM, "services": [{"nam": "web"}]}]},
        "vm1: mesh_vm_services entry 1: unknown key 'nam', did you mean 'name'?",
    ),
    "overrides": ("exposure", {**VIP, "mesh_exposed_overrides": ["a"]}, "must be a dictionary, not ['a']. Correct"),
    "kubeconfig": (
        "exposure",
        {**VIP, "mesh_kubeconfig": "/etc/passwd"},
        "Cannot load /etc/passwd: it is no kubeconfig: it does not hold clusters, users and contexts.",
    ),
    "control plane": (
        "dnsmasq",
        {**VIP, "mesh_control_plane": "linkerd"},
        "mesh_control_plane: 'linkerd' is not known",
    ),
    "a wait for a node": (
        "director/drain",
        {**VIP, "director_node": "192.0.2.72", "director_drain_timeout": -1},
        f"director_drain_timeout is -1; it must be {_options.SECONDS.text}. No node was drained.",
    ),
    "a wait for a VM": (
        "registration/drain",
        {"registration_hosts": [{**VM, "name": HOST}], "registration_drain_timeout": 2678401},
        f"registration_drain_timeout is 2678401; it must be {_options.SECONDS.text}. Nobody was drained.",
    ),
    "the longest wait for a VM": (
        "registration/drain",
        {"registration_hosts": [{**VM, "name": HOST}], "registration_drain_timeout": 2678400},
        "Cannot load /nonexistent/kubeconfig: it cannot be read",
    ),
    # Where istiod may have registered VMs, the API is asked whatever registers them now.
    "another registration": (
        "registration/prepare",
        {"registration_hosts": [{**VM, "name": HOST}], "mesh_registration": "endpoint_slice"},
        "Cannot load /nonexistent/kubeconfig: it cannot be read",
    ),
    "nothing to prepare": (
        "registration/prepare",
        {"registration_hosts": [{**VM, "name": HOST}], "mesh_control_plane": "citadel"},
        "",
    ),
    "attempts": ("dnsmasq", {**VIP, "dnsmasq_probe_attempts": "many"}, "argument 'dnsmasq_probe_attempts' is of type"),
}


@pytest.fixture(scope="module", name="said")
def _said(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each of the cases fails with; nothing where it does not fail, and for those after one that goes on to the
    host."""
    folder = tmp_path_factory.mktemp("roles")
    groups = {name: {"hosts": {HOST: {}}} for name in ("director", "k8s_nodes", "vms")}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"vars": AWAY, "children": groups}}))
    tasks: list[dict[str, t.Any]] = []
    for number, (role, variables, _words) in enumerate(CASES.values()):
        refused = {f"said_{number}": "{{ ansible_failed_result.msg | default('') }}"}
        name, _slash, entry_point = role.partition("/")
        included = {"name": f"mesh.expansion.{name}", "tasks_from": entry_point or "main"}
        tasks.append(
            {
                "vars": variables,
                "block": [{"ansible.builtin.include_role": included}],
                "rescue": [{"ansible.builtin.set_fact": refused}],
            }
        )
    everything = ", ".join(f"said_{number} | default('')" for number in range(len(CASES)))
    written = {"content": f"{{{{ [{everything}] | to_json }}}}", "dest": str(folder / "said")}
    tasks.append({"ansible.builtin.copy": written, "delegate_to": "localhost"})
    (folder / "play.yml").write_text(yaml.safe_dump([{"hosts": HOST, "gather_facts": False, "tasks": tasks}]))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(root / "build/collections"), "ANSIBLE_NOCOLOR": "1"}
    environment |= {"ANSIBLE_HOME": str(folder / "ansible"), "K8S_AUTH_KUBECONFIG": "/nonexistent/kubeconfig"}
    command = [f"{Path(sys.executable).parent}/ansible-playbook", "-i", "hosts.yml", "play.yml"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    output = done.stdout + done.stderr
    assert (folder / "said").is_file(), output[-6000:]
    for words in ("is undefined", "Traceback", "UNREACHABLE"):
        assert words not in output, output[-6000:]
    return dict(zip(CASES, json.loads((folder / "said").read_text()), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_a_role_says(case: str, said: dict[str, str]) -> None:
    _role, _variables, words = CASES[case]
    assert words in said[case] if words else not said[case]
