"""One case per thing that preflight finds: site.yml stops with a message that names object, value and
fix, and changes nothing."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import lab_state
import pytest
import trouble
import yaml
from testinfra.host import Host

Playbook = Callable[..., CompletedProcess[str]]
OWN = ("ansible_host", "ansible_python_interpreter", "mesh_vm_services")
"""Variables of single hosts; all others are the whole lab's."""


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
    hostvars = lab_state.inventory()["_meta"]["hostvars"]

    def own(name: str) -> dict[str, Any]:
        return {key: value for key, value in hostvars[name].items() if key in OWN}

    def write(**groups: list[str]) -> Path:
        chosen = {name: lab_state.hosts(name) for name in ("director", "k8s_nodes", "vms")} | groups
        children = {group: {"hosts": {name: own(name) for name in names}} for group, names in chosen.items()}
        common = {key: value for key, value in hostvars[lab_state.hosts("director")[0]].items() if key not in OWN}
        path = tmp_path / "hosts.yml"
        path.write_text(yaml.safe_dump({"all": {"vars": common, "children": children}}))
        return path

    return write


# Runs of site.yml with several things wrong at once, so that each of them can be looked for in one output.
NO_CHECKSUM = "sha256:" + "0" * 64
RUNS: dict[str, dict[str, Any]] = {
    "missing": {"mesh_vip": "", "mesh_service_cidr": "", "mesh_sidecar_package": ""},
    "malformed": {
        "mesh_vip": "192.168.0.300",
        "mesh_service_cidr": "10.233.0.0/99",
        "mesh_vm_services": [{"name": "Web_1", "port": 9080, "protocol": "http"}],
        "mesh_service_account": "nobody",
        # As administrator, who may look for any Secret.
        "mesh_kubeconfig": str(lab_state.LAB / "admin.kubeconfig"),
    },
    "elsewhere": {
        "mesh_vip": "192.168.7.62",
        "mesh_vm_services": [{"name": "web", "port": 99999, "protocol": "http"}],
        "mesh_sidecar_package": "http://192.168.0.1:8000/no-such.deb",
        "mesh_sidecar_checksum": NO_CHECKSUM,
    },
    "taken": {
        "mesh_vip": "192.168.0.1",
        "mesh_kubeconfig": str(lab_state.LAB / "limited.kubeconfig"),
        "mesh_sidecar_package": "/nonexistent/istio-sidecar.deb",
        "mesh_sidecar_checksum": NO_CHECKSUM,
    },
    "node": {"mesh_vip": "192.168.0.72"},
    "istiod": {"mesh_control_plane": "istiod", "mesh_exposed_profile": "istiod", "mesh_exposed_overrides": {}},
    "vm": {"mesh_vip": "192.168.0.81", "mesh_control_plane": "linkerd"},
}


@pytest.fixture(scope="module")
def output_of(playbook: Playbook, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], CompletedProcess[str]]:
    """Run site.yml with one of RUNS, once."""

    @cache
    def run(name: str) -> CompletedProcess[str]:
        file = tmp_path_factory.mktemp("variables") / f"{name}.yml"
        file.write_text(yaml.safe_dump(RUNS[name]))
        return playbook("site.yml", "-e", f"@{file}")

    return run


@pytest.mark.parametrize(
    ("name", "patterns"),
    [
        pytest.param("missing", [r"mesh_vip: not set", r"free address"], id="missing-vip"),
        pytest.param(
            "missing", [r"mesh_service_cidr: not set", r"service-cluster-ip-range"], id="missing-service-cidr"
        ),
        pytest.param("missing", [r"mesh_sidecar_package: not set"], id="missing-package"),
        pytest.param("malformed", [r"mesh_vip: '192\.168\.0\.300'"], id="malformed-vip"),
        pytest.param("malformed", [r"mesh_service_cidr: '10\.233\.0\.0/99'", r"prefix"], id="malformed-service-cidr"),
        pytest.param("malformed", [r"Web_1", r"lower-case"], id="malformed-service-name"),
        pytest.param(
            "vm", [r"mesh_control_plane: 'linkerd' is not known\. Set it to 'citadel'"], id="no-control-plane"
        ),
        pytest.param(
            "istiod",
            [r"it is 'istiod', but .* is of 'citadel'", r"mesh_control_plane: citadel"],
            id="other-control-plane",
        ),
        pytest.param(
            "malformed", [r"Secret istio\.nobody in namespace default", r"ServiceAccount nobody"], id="no-secret"
        ),
        pytest.param("elsewhere", [r"192\.168\.7\.62 is in no subnet of the director"], id="vip-outside-the-subnet"),
        pytest.param("elsewhere", [r"99999"], id="malformed-port"),
        pytest.param(
            "elsewhere", [r"mesh_sidecar_package: http://192\.168\.0\.1:8000/no-such\.deb"], id="no-package-at-url"
        ),
        pytest.param(
            "taken",
            [r"mesh_vip: 192\.168\.0\.1 is answered by another host", r"Choose a free address"],
            id="vip-of-another-host",
        ),
        pytest.param("taken", [r"may not .*services", r"docs/rbac\.yaml"], id="no-permission"),
        pytest.param("taken", [r"mesh_sidecar_package: /nonexistent/istio-sidecar\.deb"], id="no-package-file"),
        pytest.param("node", [r"mesh_vip: 192\.168\.0\.72 is the address of k8s-node2"], id="vip-is-a-node"),
        pytest.param("vm", [r"mesh_vip: 192\.168\.0\.81 is the address of deb-nginx01"], id="vip-is-a-vm"),
    ],
)
def test_variables(output_of: Callable[[str], CompletedProcess[str]], name: str, patterns: list[str]) -> None:
    refused(output_of(name), *patterns)


def test_director_is_a_node(playbook: Playbook, site: Callable[..., Path]) -> None:
    done = playbook("site.yml", inventory=site(director=["k8s-node1"]))
    refused(done, r"k8s-node1", r"director", r"node")


def test_director_without_ip_vs(playbook: Playbook, site: Callable[..., Path], spare_vm: Host) -> None:
    if spare_vm.run("modprobe ip_vs").rc == 0:
        pytest.fail("the machine's kernel has ip_vs: use a host without it as director in this case")
    done = playbook("site.yml", inventory=site(director=["deb-nginx02"]))
    refused(done, r"ip_vs", r"deb-nginx02")


def test_a_dead_host_hides_nothing(playbook: Playbook, site: Callable[..., Path]) -> None:
    path = site()
    inventory = yaml.safe_load(path.read_text())
    for group, name in (("director", "lvs1"), ("vms", "dead")):
        # Also the host that would run the tasks that are run once.
        inventory["all"]["children"][group]["hosts"].setdefault(name, {})["ansible_host"] = "192.168.0.250"
    path.write_text(yaml.safe_dump(inventory))
    done = playbook("site.yml", "-e", "mesh_dns_namespace=Kube", inventory=path)
    refused(
        done,
        r"lvs1: it cannot be reached",
        r"dead: it cannot be reached",
        r"mesh_dns_namespace: 'Kube'",
        r"dead: mesh_vm_services is not set",
    )


def test_api_cannot_be_reached(playbook: Playbook, tmp_path: Path) -> None:
    document = yaml.safe_load((lab_state.LAB / "kubeconfig").read_text())
    for cluster in document["clusters"]:
        cluster["cluster"]["server"] = "https://192.168.0.1:9"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    refused(
        playbook("site.yml", "-e", f"mesh_kubeconfig={kubeconfig}"), r"https://192\.168\.0\.1:9", r"mesh_kubeconfig"
    )


def test_a_node_that_the_inventory_does_not_know(playbook: Playbook, site: Callable[..., Path]) -> None:
    """The cluster's API says who is a node. Exposed services name all but the first one."""
    alone, *hosts = lab_state.hosts("k8s_nodes")
    path = site(k8s_nodes=hosts)
    done = playbook("site.yml", "-e", "mesh_nodes_from_cluster=true", inventory=path)
    refused(done, rf"mesh_nodes_from_cluster: {alone} \([\d.]+\) is a ready node .*mesh_nodes_unmanaged: true")
    wanted = {"mesh_nodes_from_cluster": True, "mesh_nodes_unmanaged": True}
    done = playbook("molecule/preflight/converge.yml", "-e", json.dumps(wanted), inventory=path)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(rf"{alone} \([\d.]+\) is a node of the cluster without a host", " ".join(done.stdout.split()))


def built(folder: Path, version: str, architecture: str) -> Path:
    """A sidecar package that holds nothing."""
    control = folder / "package/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(
        f"Package: istio-sidecar\nVersion: {version}\nArchitecture: {architecture}\n"
        "Maintainer: nobody <nobody@localhost>\nDescription: test\n"
    )
    package = folder / "istio-sidecar.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", str(folder / "package"), str(package)],
        check=True,
        capture_output=True,
    )
    return package


def test_package_for_another_architecture(playbook: Playbook, tmp_path: Path) -> None:
    package = built(tmp_path, "1.0.5", "arm64")
    checksum = subprocess.run(["sha256sum", str(package)], check=True, capture_output=True, text=True).stdout.split()[0]
    done = playbook("site.yml", "-e", f"mesh_sidecar_package={package} mesh_sidecar_checksum=sha256:{checksum}")
    refused(done, r"arm64", r"(amd64|x86_64)", r"istio-sidecar\.deb")


@pytest.fixture
def newer_package(vm: Host, tmp_path: Path) -> Iterator[None]:
    """The VM has a sidecar package that is newer than the one on offer."""
    package = built(tmp_path, "99", "all")
    name = lab_state.hosts("vms")[0]
    subprocess.run(
        ["scp", "-q", "-F", str(lab_state.ssh_config()), str(package), f"{name}:/tmp/newer.deb"],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    vm.check_output("dpkg --install /tmp/newer.deb && rm /tmp/newer.deb")
    yield
    vm.check_output("dpkg --purge istio-sidecar")


def test_package_older_than_the_installed_one(playbook: Playbook, newer_package: None) -> None:
    refused(
        playbook("site.yml"),
        r"deb-nginx01: mesh_sidecar_package: \S+ is istio-sidecar \S+, older than 99, which is installed",
        r"Set mesh_sidecar_package .* or istio_sidecar_allow_downgrade to true",
    )
    for variable in ("istio_sidecar_allow_downgrade", "mesh_sidecar_allow_downgrade"):
        done = playbook("molecule/preflight/converge.yml", "-e", f"{variable}=true")
        assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture
def other_system(vm: Host) -> Iterator[None]:
    """For a while the VM says that it is another system."""
    text = 'NAME="Slackware"\\nID=slackware\\nVERSION_ID="15.0"\\nVERSION="15.0"\\nPRETTY_NAME="Slackware 15.0"\\n'
    vm.check_output(f"printf '{text}' > /run/os-release")
    vm.check_output("mount --bind /run/os-release /usr/lib/os-release && mount --bind /dev/null /etc/debian_version")
    yield
    vm.check_output("umount --lazy /usr/lib/os-release /etc/debian_version && rm /run/os-release")


def test_unsupported_system(playbook: Playbook, other_system: None) -> None:
    refused(playbook("site.yml"), r"deb-nginx01", r"slackware", r"debian")


@pytest.fixture
def ipvs_mode(connect: Callable[[str], Host]) -> Iterator[None]:
    """A node looks like one whose kube-proxy runs in ipvs mode:
    an interface of that name is there, and the node answers for every address on any interface."""
    node = connect("k8s-node2")
    node.check_output("ip link add kube-ipvs0 type bridge")
    yield
    node.check_output("ip link del kube-ipvs0")


def test_ipvs_mode_without_strict_arp(playbook: Playbook, ipvs_mode: None) -> None:
    refused(playbook("site.yml"), r"k8s-node2", r"strictARP")


@pytest.fixture
def forbidden(playbook: Playbook) -> Iterator[None]:
    with trouble.no_external_addresses("istio-system"):
        # The API server takes a moment until it heeds a policy.
        time.sleep(3)
        yield


def test_admission_that_refuses_external_addresses(playbook: Playbook, forbidden: None) -> None:
    refused(
        playbook("site.yml"),
        r"mesh_exposure_backend: with external_ips, the cluster would not take the exposed Services",
        r"external addresses are forbidden",
        r"Or set mesh_exposure_backend: load_balancer",
    )
    done = playbook("molecule/preflight/converge.yml", "-e", "mesh_exposure_backend=load_balancer")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture
def gate_off(connect: Callable[[str], Host]) -> Iterator[None]:
    """A node's kube-proxy ignores external addresses."""
    node, file = connect("k8s-node3"), "/var/lib/kube-proxy/config.yaml"
    ask = "curl -sSf --retry 20 --retry-delay 1 --retry-all-errors http://127.0.0.1:10249/metrics"
    node.check_output(f"cp -p {file} {file}.kept && echo 'featureGates: {{AllowServiceExternalIPs: false}}' >> {file}")
    node.check_output(f"systemctl restart kube-proxy && {ask} | grep -F 'AllowServiceExternalIPs'")
    yield
    node.check_output(f"mv {file}.kept {file} && systemctl restart kube-proxy && {ask} -o /dev/null")


def test_kube_proxy_that_ignores_external_addresses(playbook: Playbook, gate_off: None) -> None:
    refused(playbook("site.yml"), r"k8s-node3: kube-proxy ignores the external addresses of Services")


@pytest.fixture
def late(vm: Host) -> Iterator[str]:
    """An interpreter on the VM for which it is two minutes earlier; containers have the machine's own clock."""
    folder = "/root/late"
    program = "import time\nreal = time.time\ntime.time = lambda: real() - 120\n"
    vm.check_output(f"mkdir {folder} && printf '%s' '{program}' > {folder}/sitecustomize.py")
    script = f'#!/bin/sh\nPYTHONPATH={folder} exec /usr/bin/python3 "$@"\n'
    vm.check_output(f"printf '%s' '{script}' > {folder}/python && chmod +x {folder}/python")
    yield f"{folder}/python"
    vm.check_output(f"rm -r {folder}")


def test_a_clock_that_is_late(playbook: Playbook, site: Callable[..., Path], late: str) -> None:
    path = site()
    inventory = yaml.safe_load(path.read_text())
    inventory["all"]["children"]["vms"]["hosts"]["deb-nginx01"]["ansible_python_interpreter"] = late
    path.write_text(yaml.safe_dump(inventory))
    refused(playbook("site.yml", inventory=path), r"deb-nginx01: its clock is 1[12]\d s behind the control node's")


def test_a_vm_of_another_kind_of_address(playbook: Playbook) -> None:
    done = playbook("site.yml", "-e", "mesh_vm_address=fd00::81")
    refused(done, r"deb-nginx01: its address 'fd00::81' is an IPv6 address, and the site is one of IPv4")
