"""The lab as Ansible sees it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import pytest

from lab import config, inventory

SCRIPT = config.repo_root() / "inventory/lab/hosts"
PACKAGE = "http://192.168.0.1:8000/istio-sidecar.deb"


def service(name: str) -> list[dict[str, object]]:
    return [{"name": name, "port": 9080, "protocol": "http"}]


def test_the_default_shape() -> None:
    """Hosts, groups and facts of the reference procedure, in its own words."""
    others = {"nodes": ["k8s-node2", "k8s-node3"]}
    assert inventory.inventory(config.topology()) == {
        "_meta": {
            "hostvars": {
                "lvs1": {"ansible_host": "192.168.0.61"},
                "k8s-node1": {"ansible_host": "192.168.0.71"},
                "k8s-node2": {"ansible_host": "192.168.0.72"},
                "k8s-node3": {"ansible_host": "192.168.0.73"},
                "deb-nginx01": {"ansible_host": "192.168.0.81", "mesh_vm_services": service("deb-nginx01")},
                "deb-nginx02": {"ansible_host": "192.168.0.82", "mesh_vm_services": service("deb-nginx02")},
            }
        },
        "all": {
            "children": ["director", "k8s_nodes", "vms", "vms_spare"],
            "vars": {
                "mesh_control_plane": "citadel",
                "mesh_vip": "192.168.0.62",
                "mesh_service_cidr": "10.233.0.0/16",
                "mesh_upstream_dns": ["114.114.114.114"],
                "mesh_sidecar_package": PACKAGE,
                "mesh_sidecar_checksum": f"sha256:{PACKAGE}.sha256",
                "mesh_exposed_profile": "reference",
                "mesh_exposed_overrides": {f"istio-{name}-lb": others for name in ("mixer", "pilot", "citadel")},
                "mesh_verify_client": {"namespace": "default", "selector": "app=sleep"},
            },
        },
        "director": {"hosts": ["lvs1"]},
        "k8s_nodes": {"hosts": ["k8s-node1", "k8s-node2", "k8s-node3"]},
        "vms": {"hosts": ["deb-nginx01"]},
        "vms_spare": {"hosts": ["deb-nginx02"]},
    }


def test_another_shape() -> None:
    shape = dataclasses.replace(config.default_shape(), directors=2, nodes=1, vms=3, spare=0)
    found = inventory.inventory(config.parse_topology(config.document(), shape))
    assert found["director"]["hosts"] == ["lvs1", "lvs2"]
    assert found["_meta"]["hostvars"]["lvs2"] == {"ansible_host": "192.168.0.63"}
    assert found["vms"]["hosts"] == ["deb-nginx01", "deb-nginx02", "deb-nginx03"]
    assert found["vms_spare"]["hosts"] == []
    # A single node takes everything.
    assert found["all"]["vars"]["mesh_exposed_overrides"]["istio-pilot-lb"] == {"nodes": ["k8s-node1"]}


def test_a_lab_with_istiod() -> None:
    found = inventory.inventory(config.topology(), istiod=True)
    site, vm = found["all"]["vars"], found["_meta"]["hostvars"]["deb-nginx01"]
    assert (site["mesh_control_plane"], site["mesh_vm_to_pods"], site["mesh_plain_clients"]) == ("istiod", True, True)
    package = "http://192.168.0.1:8000/istio/istio-sidecar_1.31.0_amd64.deb"
    assert (site["mesh_sidecar_package"], site["mesh_sidecar_checksum"]) == (package, f"sha256:{package}.sha256")
    assert "mesh_exposed_profile" not in site
    assert vm["mesh_service_account"] == "deb-nginx01"


@pytest.mark.parametrize(("generation", "written"), [("citadel", "citadel"), ("both", "citadel"), ("istiod", "istiod")])
def test_the_script_knows_the_generation(
    generation: str, written: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = dataclasses.replace(config.default_shape(), generation=generation)
    monkeypatch.setattr(config, "shape", lambda: shape)
    assert inventory.main(["--list"]) == 0
    assert json.loads(capsys.readouterr().out)["all"]["vars"]["mesh_control_plane"] == written


def test_one_host(capsys: pytest.CaptureFixture[str]) -> None:
    assert inventory.main(["--host", "lvs1"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ansible_host": "192.168.0.61"}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--host", "web"], 1, "no host 'web'; there are: lvs1, "),
        ([], 2, "Usage: "),
    ],
    ids=str,
)
def test_what_is_refused(arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert inventory.main(arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err


def run(command: list[str], cache: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def lab_cache(root: Path, record: str) -> Path:
    """A cache with the tools' Python and the record of a lab."""
    cache = root / "mesh-expansion"
    (cache / "lab").mkdir(parents=True)
    (cache / "lab/shape.json").write_text(record, encoding="utf-8")
    python = cache / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{config.venv_python()}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return root


def test_ansible_sees_the_hosts_of_the_recorded_lab(tmp_path: Path) -> None:
    shape = dataclasses.replace(config.default_shape(), vms=4, spare=2)
    cache = lab_cache(tmp_path, json.dumps(dataclasses.asdict(shape)))
    done = run(["ansible-inventory", "-i", str(SCRIPT.parent), "--list"], cache)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["vms"]["hosts"] == ["deb-nginx01", "deb-nginx02"]
    assert found["vms_spare"]["hosts"] == ["deb-nginx03", "deb-nginx04"]
    spare = found["_meta"]["hostvars"]["deb-nginx04"]
    assert spare["mesh_verify_expect"] == "Welcome to nginx!"
    assert spare["mesh_vip"] == "192.168.0.62"
    assert (spare["ansible_host"], spare["mesh_exposed_profile"]) == ("192.168.0.84", "reference")


def test_without_the_python_environment_it_says_so(tmp_path: Path) -> None:
    done = run([str(SCRIPT), "--list"], tmp_path)
    assert done.returncode == 1
    python = f"{tmp_path}/mesh-expansion/venv/bin/python"
    assert done.stderr == f"inventory/lab/hosts: no {python}: `make venv` makes the Python environment\n"
