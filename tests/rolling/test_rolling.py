"""VMs behind one Service are drained, upgraded and put back while a pod keeps sending requests. Needs `lab/lab up
istiod`, root, and to be run on the lab's control node (`lab/lab run`)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab import config
from lab.build import istio
from lab.istio import packages
from tests.live import Json, Playbooks, Traffic, lab, own_groups

SITE = config.topology()
VMS = [host.name for host in SITE.with_role("vm")]
OLDER, CURRENT, NEWER = istio.PACKAGED
SERVICES = [{"name": "shop", "port": 9080, "protocol": "http"}]
URL = "http://shop.default:9080/"


def package(version: str) -> Json:
    url = f"http://{SITE.gateway}:{SITE.http_port}/istio/{packages.file_name(version)}"
    return {"mesh_sidecar_package": url, "mesh_sidecar_checksum": f"sha256:{url}.sha256"}


class Upgrades(Playbooks):
    """All VMs join, behind one Service, with a package."""

    def run(self, playbook: str, *arguments: str, version: str = CURRENT, **variables: Any) -> tuple[bool, str]:
        return super().run(playbook, *arguments, **{**package(version), **variables})


def versions() -> dict[str, str]:
    return {name: lab("exec", name, "dpkg-query -W -f '${Version}' istio-sidecar").strip() for name in VMS}


def drained() -> list[str]:
    entries = json.loads(lab("kubectl", "get", "workloadentries", "-n", "default", "-o", "json"))["items"]
    return [
        entry["metadata"]["annotations"]["istio.io/autoRegistrationGroup"]
        for entry in entries
        for condition in entry.get("status", {}).get("conditions", [])
        if condition.get("reason") == "Drained"
    ]


@pytest.fixture(name="books", scope="module")
def fixture_books(tmp_path_factory: pytest.TempPathFactory) -> Upgrades:
    """All VMs with the older package, behind one Service."""
    books = Upgrades(tmp_path_factory.mktemp("rolling"), own_groups(VMS), {"mesh_vm_services": SERVICES})
    ok, said = books.run("site.yml", version=OLDER)
    assert ok, said[-4000:]
    assert set(versions().values()) == {OLDER}
    return books


def test_a_vm_is_drained_and_put_back_without_a_failed_request(books: Upgrades) -> None:
    vm = VMS[0]
    with Traffic(URL) as traffic:
        ok, said = books.run("playbooks/drain_vm.yml", "-l", vm)
        assert ok, said[-3000:]
        assert drained() == [vm]
        again = books.run("playbooks/drain_vm.yml", "-l", vm)[1]
        refused = books.run("playbooks/drain_vm.yml", "-l", VMS[1])
        ok, said = books.run("playbooks/undrain_vm.yml", "-l", vm)
        assert ok, said[-3000:]
    assert "changed=0" in again
    assert not refused[0]
    assert "takes requests for default/shop" in " ".join(refused[1].split())
    assert drained() == []
    assert traffic.sent > 100
    assert traffic.failed == []


def test_a_package_that_istiod_does_not_take_changes_nothing(books: Upgrades) -> None:
    ok, said = books.run("playbooks/upgrade.yml", version=NEWER)
    assert not ok
    assert f"is istio-sidecar {NEWER}, newer than the control plane" in " ".join(said.split())
    assert set(versions().values()) == {OLDER}


def test_a_batch_whose_proof_fails_gets_its_package_back(books: Upgrades) -> None:
    # The page never says that.
    ok, said = books.run("playbooks/upgrade.yml", mesh_verify_expect="a page that nobody has")
    assert not ok
    words = " ".join(said.split())
    assert f"{VMS[0]} is not upgraded; it runs istio-sidecar {OLDER} as before" in words
    assert "No further VM was touched" in words
    assert set(versions().values()) == {OLDER}
    assert drained() == []


def test_all_are_upgraded_one_after_another_without_a_failed_request(
    books: Upgrades, capsys: pytest.CaptureFixture[str]
) -> None:
    with Traffic(URL) as traffic:
        ok, said = books.run("playbooks/upgrade.yml")
    assert ok, said[-4000:]
    assert set(versions().values()) == {CURRENT}
    assert drained() == []
    with capsys.disabled():
        print(f"\nupgrade: {traffic.sent} requests, {len(traffic.failed)} failed {sorted(set(traffic.failed))}")
    assert traffic.sent > 100
    assert traffic.failed == []
    ok, again = books.run("playbooks/upgrade.yml")
    assert ok, again[-3000:]
    assert all("changed=0" in line for line in again.partition("PLAY RECAP")[2].splitlines() if ": ok=" in line)
