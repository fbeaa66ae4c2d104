"""leave.yml with the role registration's own tasks, and roles and modules that only say what they would do: a VM leaves
whether or not it can be drained."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.playbooks.fake_roles import AWAY, with_filters

WEB = [{"name": "web", "port": 9080, "protocol": "http"}]
BROKEN = {"ansible.builtin.fail": {"msg": "it is stuck"}, "when": "broken | default(false)", "name": "Take it out"}
ROLES: dict[str, list[Any]] = {
    "istio_sidecar/remove": [{"ansible.builtin.ping": {}}, BROKEN],
    "dnsmasq/remove": [{"ansible.builtin.ping": {}}],
    "verify/forget": [{"ansible.builtin.ping": {}}],
}
TASKS = [f"tasks/{name}.yml" for name in ("drain", "endpoints", "withdraw", "forget", "remove")]
# There is an API, or not.
DRAIN = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule

names = ("state", "addresses", "namespaces", "backend", "last", "kubeconfig", "context")
module = AnsibleModule({name: {"type": "raw"} for name in names}, supports_check_mode=True)
if module.params["kubeconfig"] == "gone":
    module.fail_json(msg="no API")
services = {address: ["default/web"] for address in module.params["addresses"] if address != "192.0.2.9"}
module.exit_json(services=services, changed=True)
"""
REGISTER = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule

names = ("state", "services", "backend", "service_accounts", "wait", "kubeconfig", "context")
module = AnsibleModule({name: {"type": "raw"} for name in names}, supports_check_mode=True)
addresses = [item["address"] for service in module.params["services"] for item in service["endpoints"]]
if module.params["kubeconfig"] == "gone":
    module.fail_json(msg="no API", left=["Service of " + address for address in addresses])
module.warn("out: " + " ".join(addresses))
module.exit_json(changed=True)
"""
CONNECTIONS = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({name: {"type": "raw"} for name in ("ports", "timeout")}, supports_check_mode=True)
module.exit_json(left=["%(ports)s for %(timeout)s s" % module.params])
"""


@pytest.fixture
def collections(root: Path, tmp_path: Path) -> Path:
    found = with_filters(root, tmp_path, "leave", ROLES)
    place = found / "ansible_collections/mesh/expansion"
    (place / "plugins/modules").mkdir()
    for name, text in (("istio_drain", DRAIN), ("istio_register", REGISTER), ("vm_connections", CONNECTIONS)):
        (place / f"plugins/modules/{name}.py").write_text(text)
    for path in ("defaults/main.yml", "vars/main.yml", *TASKS):
        (place / "roles/registration" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "roles/registration" / path, place / "roles/registration" / path)
    return found


def run(collections: Path, vms: dict[str, Any], *arguments: str) -> tuple[int, str]:
    folder = collections.parent
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "mesh_vm_services": WEB,
        "registration_drain_timeout": 300,
    }
    addressed = {
        name: {"mesh_vm_address": f"192.0.2.{number}", **given} for number, (name, given) in enumerate(vms.items(), 1)
    }
    hosts = {"all": {"vars": variables, "children": {"vms": {"hosts": addressed}}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1"}
    environment |= {"ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}
    playbook = f"{Path(sys.executable).parent}/ansible-playbook"
    done = subprocess.run(
        [playbook, "-i", "hosts.yml", "mesh.expansion.leave", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_vms_are_drained_first_for_a_limited_time(collections: Path) -> None:
    code, said = run(collections, {"web1": {}, "web2": {"mesh_vm_address": "192.0.2.9"}})
    assert code == 0, said
    assert said.index("[9080] for 30 s") < said.index("Remove the sidecar")
    assert "out: 192.0.2.1 192.0.2.9" in said
    assert "As before: web1, web2." in said
    assert "Next, when no VM needs the virtual address any more: ansible-playbook mesh.expansion.teardown" in said
    # The other one is behind no Service.
    assert said.count("for 30 s") == 1
    assert "[9080] for 7 s" in run(collections, {"web1": {}}, "-e", "leave_drain_timeout=7")[1]


def test_vms_leave_although_there_is_no_api(collections: Path) -> None:
    code, said = run(collections, {"web1": {}, "web2": {}}, "-e", "mesh_kubeconfig=gone")
    assert "Nobody is drained, requests that are on their way may be lost. no API" in said
    assert "As before: web1, web2." in said
    # Nobody thinks that this is all.
    assert code != 0
    assert "Not registered any more" not in said
    assert "Left over in the Kubernetes API: Service of 192.0.2.1, Service of 192.0.2.2. no API" in said
    assert "Left over: the Kubernetes API. Next, when that is mended: ansible-playbook mesh.expansion.leave" in said


def test_a_vm_that_is_off_or_stuck_keeps_no_other_from_leaving(collections: Path) -> None:
    code, said = run(collections, {"web1": AWAY, "web2": {"broken": True}, "web3": {}})
    assert code != 0
    assert "As before: web3." in said
    # Also those whose sidecars could not be removed.
    assert "Not registered any more: web1, web2, web3." in said
    assert "out: 192.0.2.1 192.0.2.2 192.0.2.3" in said
    assert re.search(r"- 'web1: it cannot be reached \(.*\)\. .* What is on it stays\.'", said)
    assert "- 'web2: Take it out: it is stuck'" in said
    assert (
        "Left over: web1, web2. Next, when that is mended: ansible-playbook mesh.expansion.leave -l web1,web2" in said
    )
