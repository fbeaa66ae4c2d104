"""Hosts whose resolv.conf is not a plain file: the role copes, and its removal restores exactly what was there. One
kind of them; all with MESH_EXPANSION_FAULTS=all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

import pytest
from testinfra.host import Host

VIP = "192.168.0.62"
CONVERGE = "molecule/dnsmasq/converge.yml"
REMOVE = "molecule/dnsmasq/remove.yml"
Playbook = Callable[..., CompletedProcess[str]]


def apt(host: Host, command: str) -> None:
    host.check_output(f"DEBIAN_FRONTEND=noninteractive apt-get -q -y {command}")


def resolver(host: Host) -> str:
    return host.check_output("stat -c '%N %a %U' /etc/resolv.conf; cat /etc/resolv.conf /etc/hosts")


@pytest.fixture
def plain_file(spare_vm: Host) -> Iterator[None]:
    """Put the plain file back, whatever a variant made of it."""
    spare_vm.check_output("cp -a /etc/resolv.conf /root/resolv.conf.test")
    yield
    spare_vm.check_output("rm -f /etc/resolv.conf && mv /root/resolv.conf.test /etc/resolv.conf")


@pytest.fixture
def symlink(spare_vm: Host, plain_file: None) -> Iterator[None]:
    spare_vm.check_output(
        "mkdir -p /run/dhcp-made && cp /etc/resolv.conf /run/dhcp-made/ && ln -sf "
        "/run/dhcp-made/resolv.conf /etc/resolv.conf"
    )
    yield
    spare_vm.check_output("rm -r /run/dhcp-made")


@pytest.fixture
def resolved(spare_vm: Host, plain_file: None) -> Iterator[None]:
    apt(spare_vm, "install --no-install-recommends systemd-resolved")
    spare_vm.check_output(
        "mkdir -p /etc/systemd/resolved.conf.d && printf '[Resolve]\\nDNS=114.114.114.114\\n' > "
        "/etc/systemd/resolved.conf.d/site.conf"
    )
    spare_vm.check_output("systemctl restart systemd-resolved")
    yield
    apt(spare_vm, "purge systemd-resolved")
    spare_vm.check_output("rm -rf /etc/systemd/resolved.conf.d")
    # The package leaves its account.
    spare_vm.check_output(
        "! getent passwd systemd-resolve || userdel systemd-resolve; "
        "! getent group systemd-resolve || groupdel systemd-resolve"
    )


@pytest.fixture
def resolvconf(spare_vm: Host, plain_file: None) -> Iterator[None]:
    apt(spare_vm, "install --no-install-recommends resolvconf")
    spare_vm.check_output("echo 'nameserver 114.114.114.114' | resolvconf -a eth0.test")
    yield
    spare_vm.check_output("resolvconf -d eth0.test")
    apt(spare_vm, "purge resolvconf")
    spare_vm.check_output("rm -rf /etc/resolvconf")


VARIANTS = ("resolved", "symlink", "resolvconf")


@pytest.mark.parametrize("variant", VARIANTS if os.environ.get("MESH_EXPANSION_FAULTS") == "all" else VARIANTS[:1])
def test_variant(variant: str, request: pytest.FixtureRequest, spare_vm: Host, playbook: Playbook) -> None:
    request.getfixturevalue(variant)
    before = resolver(spare_vm)
    assert "93.184.216.34 " in spare_vm.check_output("getent ahostsv4 www.example.com")

    joined = playbook(CONVERGE)
    assert joined.returncode == 0, joined.stdout[-4000:]
    assert f"{VIP} " in spare_vm.check_output("getent ahostsv4 istio-pilot.istio-system")
    assert "93.184.216.34 " in spare_vm.check_output("getent ahostsv4 www.example.com")
    again = playbook(CONVERGE)
    assert again.returncode == 0, again.stdout[-4000:]
    (recap,) = [line for line in again.stdout.splitlines() if line.startswith("deb-nginx02 ") and "changed=" in line]
    assert "changed=0" in recap

    left = playbook(REMOVE)
    assert left.returncode == 0, left.stdout[-4000:]
    assert resolver(spare_vm) == before
    assert "93.184.216.34 " in spare_vm.check_output("getent ahostsv4 www.example.com")
