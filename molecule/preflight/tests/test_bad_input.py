"""One case per thing that preflight finds: site.yml stops with a message that names object, value and fix, and changes nothing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import lab_state
import pytest
import yaml
from testinfra.host import Host

Playbook = Callable[..., CompletedProcess[str]]
SITE = "inventory/lab/group_vars/all.yml"


def refused(done: CompletedProcess[str], *patterns: str) -> None:
    """The run stopped in its first play, said all this, and changed nothing anywhere."""
    output = " ".join(done.stdout.split())
    assert done.returncode != 0, done.stdout[-3000:]
    for pattern in patterns:
        assert re.search(pattern, output, re.IGNORECASE), f"{pattern}\n{done.stdout[-3000:]}"
    recap = done.stdout.split("PLAY RECAP")[1]
    assert re.findall(r"changed=(\d+)", recap)
    assert set(re.findall(r"changed=(\d+)", recap)) == {"0"}, recap
    assert "PLAY [Expose the control plane" not in done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Path]:
    """Write an inventory of the lab with other hosts in the groups."""

    def write(**groups: list[str]) -> Path:
        hostvars = lab_state.inventory()["_meta"]["hostvars"]
        chosen = {"director": ["director"], "k8s_nodes": ["k8s-node1", "k8s-node2", "k8s-node3"], "vms": ["deb-nginx01"]} | groups
        children: dict[str, Any] = {}
        for group, names in chosen.items():
            own = {name: {key: hostvars[name][key] for key in ("ansible_host", "mesh_vm_services") if key in hostvars[name]} for name in names}
            children[group] = {"hosts": own}
        path = tmp_path / "hosts.yml"
        path.write_text(yaml.safe_dump({"all": {"children": children}}))
        return path

    return write


@pytest.mark.parametrize(
    ("variables", "patterns"),
    [
        pytest.param({"mesh_vip": ""}, [r"mesh_vip"], id="missing-vip"),
        pytest.param({"mesh_service_cidr": ""}, [r"mesh_service_cidr"], id="missing-service-cidr"),
        pytest.param({"mesh_vip": "192.168.0.300"}, [r"mesh_vip", r"192\.168\.0\.300"], id="malformed-vip"),
        pytest.param({"mesh_service_cidr": "10.233.0.0/99"}, [r"mesh_service_cidr", r"10\.233\.0\.0/99"], id="malformed-service-cidr"),
        pytest.param({"mesh_vm_services": [{"name": "Web_1", "port": 9080, "protocol": "http"}]}, [r"mesh_vm_services", r"Web_1"], id="malformed-name"),
        pytest.param({"mesh_vm_services": [{"name": "web", "port": 99999, "protocol": "http"}]}, [r"mesh_vm_services", r"99999"], id="malformed-port"),
        pytest.param({"mesh_control_plane": "istiod"}, [r"mesh_control_plane", r"istiod", r"citadel"], id="other-control-plane"),
        pytest.param({"mesh_vip": "192.168.7.62"}, [r"192\.168\.7\.62", r"subnet"], id="vip-outside-the-subnet"),
        pytest.param({"mesh_vip": "192.168.0.1"}, [r"192\.168\.0\.1\b", r"answer"], id="vip-answered-by-another-host"),
        pytest.param({"mesh_vip": "192.168.0.72"}, [r"192\.168\.0\.72", r"k8s-node2"], id="vip-is-a-node"),
        pytest.param({"mesh_vip": "192.168.0.81"}, [r"192\.168\.0\.81", r"deb-nginx01"], id="vip-is-a-vm"),
        pytest.param({"mesh_service_account": "nobody"}, [r"istio\.nobody", r"default"], id="no-secret"),
        pytest.param(
            {"mesh_sidecar_package": "http://192.168.0.1:8000/no-such.deb", "mesh_sidecar_checksum": "sha256:" + "0" * 64},
            [r"mesh_sidecar_package", r"no-such\.deb"],
            id="no-package-at-url",
        ),
        pytest.param(
            {"mesh_sidecar_package": "/nonexistent/istio-sidecar.deb", "mesh_sidecar_checksum": "sha256:" + "0" * 64},
            [r"mesh_sidecar_package", r"/nonexistent/istio-sidecar\.deb"],
            id="no-package-file",
        ),
        pytest.param({"mesh_kubeconfig": str(lab_state.LAB / "limited.kubeconfig")}, [r"(permission|may not|not allowed|right)", r"rbac"], id="no-permission"),
    ],
)
def test_variables(playbook: Playbook, tmp_path: Path, variables: dict[str, Any], patterns: list[str]) -> None:
    file = tmp_path / "variables.yml"
    file.write_text(yaml.safe_dump(variables))
    refused(playbook("site.yml", "-e", f"@{file}"), *patterns)


def test_problems_are_reported_together(playbook: Playbook) -> None:
    done = playbook("site.yml", "-e", "mesh_vip=192.168.0.72 mesh_service_account=nobody mesh_sidecar_package=/nonexistent/istio-sidecar.deb")
    refused(done, r"192\.168\.0\.72", r"istio\.nobody", r"/nonexistent/istio-sidecar\.deb")


def test_director_is_a_node(playbook: Playbook, site: Callable[..., Path]) -> None:
    done = playbook("site.yml", "-e", f"@{SITE}", inventory=site(director=["k8s-node1"]))
    refused(done, r"k8s-node1", r"director", r"node")


def test_director_without_ip_vs(playbook: Playbook, site: Callable[..., Path], spare_vm: Host) -> None:
    if spare_vm.run("modprobe ip_vs").rc == 0:
        pytest.fail("the machine's kernel has ip_vs: use a host without it as director in this case")
    done = playbook("site.yml", "-e", f"@{SITE}", inventory=site(director=["deb-nginx02"]))
    refused(done, r"ip_vs", r"deb-nginx02")


def test_api_cannot_be_reached(playbook: Playbook, tmp_path: Path) -> None:
    document = yaml.safe_load((lab_state.LAB / "kubeconfig").read_text())
    for cluster in document["clusters"]:
        cluster["cluster"]["server"] = "https://192.168.0.1:9"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    refused(playbook("site.yml", "-e", f"mesh_kubeconfig={kubeconfig}"), r"https://192\.168\.0\.1:9", r"mesh_kubeconfig")


def test_package_for_another_architecture(playbook: Playbook, tmp_path: Path) -> None:
    control = tmp_path / "package/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text("Package: istio-sidecar\nVersion: 1.0.5\nArchitecture: arm64\nMaintainer: nobody <nobody@localhost>\nDescription: test\n")
    package = tmp_path / "istio-sidecar.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tmp_path / "package"), str(package)], check=True, capture_output=True)
    checksum = subprocess.run(["sha256sum", str(package)], check=True, capture_output=True, text=True).stdout.split()[0]
    done = playbook("site.yml", "-e", f"mesh_sidecar_package={package} mesh_sidecar_checksum=sha256:{checksum}")
    refused(done, r"arm64", r"(amd64|x86_64)", r"istio-sidecar\.deb")


@pytest.fixture
def other_system(vm: Host) -> Iterator[None]:
    """For a while the VM says that it is another system."""
    text = 'NAME="Slackware"\\nID=slackware\\nVERSION_ID="15.0"\\nVERSION="15.0"\\nPRETTY_NAME="Slackware 15.0"\\n'
    vm.check_output(f"printf '{text}' > /run/os-release && printf 'Slackware 15.0\\n' > /run/slackware-version")
    vm.check_output("mount --bind /run/os-release /usr/lib/os-release && mount --bind /dev/null /etc/debian_version")
    yield
    vm.check_output("umount /usr/lib/os-release /etc/debian_version && rm /run/os-release /run/slackware-version")


def test_unsupported_system(playbook: Playbook, other_system: None) -> None:
    refused(playbook("site.yml"), r"deb-nginx01", r"slackware", r"debian")


@pytest.fixture
def ipvs_mode(connect: Callable[[str], Host]) -> Iterator[None]:
    """A node looks like one whose kube-proxy runs in ipvs mode: its interface is there, and it answers for every address."""
    node = connect("k8s-node2")
    node.check_output("ip link add kube-ipvs0 type dummy")
    yield
    node.check_output("ip link del kube-ipvs0")


def test_ipvs_mode_without_strict_arp(playbook: Playbook, ipvs_mode: None) -> None:
    refused(playbook("site.yml"), r"k8s-node2", r"strictARP")
