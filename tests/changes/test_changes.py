"""What changes in a site over time, as docs/changes.md has it, while a pod sends 20 requests a second to two VMs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.changes.mesh_site import NODES, SITE, VMS, changes, kubectl, present
from tests.live import Json, Playbooks, Traffic, eventually, lab

URL = "http://shop.default:9080/"
WEB = {"name": "shop", "port": 9080, "protocol": "http"}
ADMIN = {"name": "shop", "port": 9081, "protocol": "http", "port_name": "http-admin"}
EXPOSED = ("istiod-lb", "istio-eastwestgateway-lb")
OTHER_VIP = "192.168.0.64"
SECOND = "192.168.0.91"
Tell = Callable[[Any], None]


def vms(**of_first: Any) -> Json:
    """All VMs join, each in a group of its own, since each has an identity of its own."""
    hosts: dict[str, Json] = {vm.name: {"mesh_vm_group": vm.name} for vm in VMS}
    hosts[VMS[0].name] |= of_first
    return {"vms": {"hosts": hosts}}


def one_by_one(books: Playbooks, **wanted: Any) -> None:
    """A change that restarts sidecars."""
    for vm in VMS:
        rolled(books, vm.name, **wanted)


def rolled(books: Playbooks, name: str, *arguments: str, **wanted: Any) -> None:
    books.good("playbooks/drain_vm.yml", "-l", name, **wanted)
    books.good("site.yml", "-l", name, "--skip-tags", "verify", *arguments, **wanted)
    books.good("playbooks/undrain_vm.yml", "-l", name, **wanted)


def real_servers() -> set[str]:
    words = lab("exec", "director", "ipvsadm -Sn").split()
    return {word.partition(":")[0] for word in words if word.endswith(":15012")} - {SITE.vip}


def ours() -> set[str]:
    """Of slices those that were written for VMs: Kubernetes makes its own anew, under other names."""
    return {name for name in present() if not name.startswith("endpointslice") or "-vms-" in name}


def entries() -> dict[str, Json]:
    found = json.loads(kubectl("get", "workloadentries", "-n", "default", "-o", "json"))["items"]
    return {item["spec"]["address"]: item for item in found}


@pytest.fixture(name="wanted", scope="module")
def fixture_wanted(books: Playbooks) -> Iterator[Json]:
    """The variables of the site, which the tests change."""
    wanted: Json = {"mesh_vm_services": [WEB]}
    books.inventory(vms())
    books.good("site.yml", **wanted)
    yield wanted
    books.run("playbooks/leave.yml", **wanted)
    books.run("playbooks/teardown.yml", **wanted)


@pytest.fixture(name="quiet")
def fixture_quiet(tell: Tell) -> Callable[[str, Traffic], None]:
    def judged(what: str, traffic: Traffic) -> None:
        tell(f"{what}: {traffic}")
        assert traffic.sent > 100
        assert not traffic.failed

    return judged


Quiet = Callable[[str, Traffic], None]


def test_a_node_goes_and_comes_back(books: Playbooks, wanted: Json, quiet: Quiet) -> None:
    names = [node.name for node in NODES]
    for left in (names[:-1], names):
        overrides = {name: {"nodes": left} for name in EXPOSED}
        with Traffic(URL) as traffic:
            books.good("site.yml", "--tags", "preflight,exposure,director", **wanted, mesh_exposed_overrides=overrides)
        quiet(f"{len(left)} of {len(names)} nodes", traffic)
        assert real_servers() == {node.address for node in NODES if node.name in left}


def test_a_port_more(books: Playbooks, wanted: Json, quiet: Quiet) -> None:
    for vm in VMS:
        # What verification expects of every port, and what tells this one.
        page = "mkdir -p /tmp/admin && cd /tmp/admin && echo 'Welcome to nginx! admin' > index.html"
        serve = "systemd-run --unit admin-page -p WorkingDirectory=/tmp/admin python3 -m http.server 9081"
        lab("exec", vm.name, f"{page} && {serve}", check=True)
    wanted["mesh_vm_services"] = [WEB, ADMIN]
    with Traffic(URL) as traffic:
        one_by_one(books, **wanted)
    quiet("a port more", traffic)
    for _number in range(10):
        assert "admin" in lab("pod-exec", "client", "curl", "-s", "--max-time", "5", "http://shop.default:9081/")
    assert {tuple(sorted(item["spec"]["ports"].values())) for item in entries().values()} == {(9080, 9081)}
    assert changes(books.good("site.yml", **wanted)) == 0


def test_a_vm_has_another_address(books: Playbooks, wanted: Json, quiet: Quiet) -> None:
    vm = VMS[0]
    lab("exec", vm.name, f"ip address add {SECOND}/24 dev eth0", check=True)
    with Traffic(URL) as traffic:
        books.good("playbooks/drain_vm.yml", "-l", vm.name, **wanted)
        books.inventory(vms(mesh_vm_address=SECOND))
        books.good("site.yml", "--skip-tags", "verify", **wanted, registration_purge=True)
        books.good("playbooks/undrain_vm.yml", "-l", vm.name, **wanted)
        eventually("istiod has forgotten the old address", lambda: set(entries()) == {SECOND, VMS[1].address})
    quiet("another address", traffic)
    assert changes(books.good("site.yml", **wanted)) == 0


@pytest.mark.parametrize("backend", ["endpoint_slice", "workload_entry"])
def test_another_registration(books: Playbooks, wanted: Json, quiet: Quiet, backend: str) -> None:
    """site.yml as a whole, which restarts the sidecars VM by VM."""
    before = ours()
    for here, there in (("auto", backend), (backend, "auto")):
        with Traffic(URL) as traffic:
            books.good("site.yml", **wanted, mesh_registration=there)
        quiet(f"{here} to {there}", traffic)
        assert changes(books.good("site.yml", **wanted, mesh_registration=there)) == 0
    assert ours() == before


def test_the_virtual_address_moves(books: Playbooks, wanted: Json, quiet: Quiet) -> None:
    """From pods to VMs nothing goes over it, but a VM's sidecar gets its configuration through it: istiod would take
    the entries of VMs away that are told the new one too late."""
    wanted["mesh_vip"] = OTHER_VIP
    with Traffic(URL) as traffic:
        books.good("site.yml", "--tags", "vm", **wanted)
        books.good("site.yml", **wanted)
        # What has noticed nothing yet does so within forty seconds, and ten later istiod would act.
        time.sleep(60)
    quiet("another virtual address", traffic)
    assert OTHER_VIP in lab("exec", VMS[0].name, "cat /etc/hosts")
    assert changes(books.good("site.yml", **wanted)) == 0
