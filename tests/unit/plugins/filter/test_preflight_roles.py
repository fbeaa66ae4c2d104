"""What preflight asks of a VM on behalf of its roles: as they would, or nothing where their variables do not do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.import_role": {"name": f"mesh.expansion.{role}", "tasks_from": "options.yml"}}
            for role in ("director", "real_server", "dnsmasq", "istio_sidecar", "verify")
        ]
        + [{"ansible.builtin.copy": {"content": "{{ told }}", "dest": "{{ place }}/{{ inventory_hostname }}.json"}}],
        "vars": {"told": "{{ inventory_hostname | mesh.expansion.preflight_roles(verify) | to_json }}"},
    }
]
SITE = {
    "mesh_control_plane": "citadel",
    "mesh_vip": "192.0.2.62",
    "mesh_service_cidr": "10.96.0.0/12",
    "mesh_sidecar_package": "https://downloads.example.com/istio-sidecar.deb",
    "mesh_sidecar_checksum": "sha256:5d1f0c",
    "mesh_vm_services": [{"name": "web", "port": 9080}],
}


def told(root: Path, place: Path, verify: bool = False, **variables: Any) -> dict[str, Any]:
    """By host: a VM, a director and a node."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_host": "192.0.2.7"}
    names = {"vms": "vm1", "director": "lvs1", "k8s_nodes": "node1"}
    inventory = {
        "all": {
            "vars": {**SITE, **variables, "place": str(place), "verify": verify},
            "children": {group: {"hosts": {name: host}} for group, name in names.items()},
        }
    }
    (place / "inventory.yml").write_text(json.dumps(inventory))
    (place / "play.yml").write_text(json.dumps(PLAY))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(root / "ansible.cfg"), "ANSIBLE_BECOME": "false"}
    command = ["ansible-playbook", "-i", str(place / "inventory.yml"), str(place / "play.yml"), "-l", "vm1,lvs1,node1"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: json.loads((place / f"{name}.json").read_text()) for name in ("vm1", "lvs1", "node1")}


def test_what_the_roles_would_say(root: Path, tmp_path: Path) -> None:
    found = told(root, tmp_path)
    assert set(found["lvs1"]) == {"director"}
    assert found["lvs1"]["director"]["services"][0]["real_servers"]
    assert found["node1"]["real_server"]["vip"] == found["lvs1"]["director"]["vip"] == "192.0.2.62"
    assert set(found["node1"]) == {"real_server"}
    assert set(found["vm1"]) == {"resolver", "sidecar"}
    assert found["vm1"]["resolver"]["vip"] == found["vm1"]["sidecar"]["vip"] == "192.0.2.62"
    assert found["vm1"]["sidecar"]["services"][0]["name"] == "web"
    assert found["vm1"]["sidecar"]["allow_downgrade"] is False
    assert "offer" not in found["vm1"]["sidecar"]


def test_what_verification_would_say(root: Path, tmp_path: Path) -> None:
    found = told(root, tmp_path, verify=True, mesh_cluster_domain="example.org")
    assert set(found["lvs1"]) == {"director"}
    assert found["vm1"]["verify"] == {
        "dns_mode": "dnsmasq",
        "revision": "",
        "vm_to_pods": False,
        "server": "",
        "cluster_domain": "example.org",
        "host": "vm1",
    }


END_TO_END = {
    "director_health": "keepalived",
    "director_health_check": "end_to_end",
    "director_health_address": "192.0.2.65",
}


def test_a_director_is_left_to_a_role_that_asks_the_cluster_first(root: Path, tmp_path: Path) -> None:
    assert told(root, tmp_path, mesh_nodes_from_cluster="yes")["lvs1"] == {}
    with_tls = {**END_TO_END, "director_health_tls": {"443": "api.example.com"}}
    # What the cluster is asked for here cannot be had.
    assert told(root, tmp_path, **with_tls, director_kubeconfig="/nonexistent")["lvs1"] == {}
    given = told(root, tmp_path, **with_tls, director_health_roots="-----BEGIN CERTIFICATE-----")["lvs1"]
    assert given["director"]["health_roots"] == "-----BEGIN CERTIFICATE-----"
    assert set(told(root, tmp_path, **END_TO_END, director_health_tls={})["lvs1"]) == {"director"}


def test_in_another_mode_than_dnsmasq_it_is_to_be_gone(root: Path, tmp_path: Path) -> None:
    found = told(root, tmp_path, mesh_control_plane="istiod")
    assert found["vm1"]["resolver"] == {"state": "absent", "packages": ["dnsmasq", "bind9-host"]}


@pytest.mark.parametrize("wrong", [{"mesh_vip": "300.1.1.1"}, {"mesh_vip": "{{ nowhere }}"}])
def test_variables_that_do_not_do_are_no_error(root: Path, tmp_path: Path, wrong: dict[str, str]) -> None:
    assert told(root, tmp_path, **wrong) == {"vm1": {}, "lvs1": {}, "node1": {}}


def test_a_package_that_cannot_be_read_leaves_the_sidecar_to_its_role(root: Path, tmp_path: Path) -> None:
    found = told(root, tmp_path, mesh_sidecar_package=str(tmp_path / "istio-sidecar.deb"))
    assert set(found["vm1"]) == {"resolver"}
