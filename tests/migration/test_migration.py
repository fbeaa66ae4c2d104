"""VMs behind one Service move from Pilot and Citadel to istiod while a pod keeps sending requests. Needs `lab/lab up
both`, root, and to be run on the lab's control node (`lab/lab run`)."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from lab import config, inventory
from lab.build import istio
from lab.istio import packages, rendered
from tests.live import Json, Playbooks, Traffic, eventually, lab, own_groups

SITE = config.topology()
VMS = [host.name for host in SITE.with_role("vm")]
FIRST, SECOND = VMS[:2]
SERVICES = [{"name": "shop", "port": 9080, "protocol": "http"}]
URL = "http://shop.default:9080/"
# Seconds: the guard's timer, and a package that is put back, on a busy machine.
AWAY = 400
GUARD = "/var/lib/mesh-expansion/istio_sidecar/guard"
WAY_BACK = "/var/lib/mesh-expansion/istio_sidecar/way-back"
# Of the generation alone; where the cluster is and the packages are is the inventory's.
FORMER = {name: value for name, value in inventory.citadel_vars(SITE).items() if name != "mesh_verify_client"}


def istiod() -> Json:
    url = f"http://{SITE.gateway}:{SITE.http_port}/istio/{packages.file_name(istio.VERSION)}"
    return {
        **inventory.istiod_vars(),
        "mesh_exposed_profile": "istiod",
        "mesh_exposed_overrides": {},
        "mesh_revision": rendered.REVISIONS["both"],
        "mesh_sidecar_package": url,
        "mesh_sidecar_checksum": f"sha256:{url}.sha256",
        "mesh_verify_server": "http://server.default.svc.cluster.local:8080/",
        "mesh_migrate_from": FORMER,
    }


def version(name: str) -> str:
    return lab("exec", name, "dpkg-query -W -f '${Version}' istio-sidecar").strip()


def forwarded() -> set[str]:
    """The ports of the director's virtual services."""
    words = lab("exec", "director", "ipvsadm -Sn").split()
    return {word.rpartition(":")[2] for word in words if word.startswith(f"{SITE.vip}:")}


def exposed() -> set[str]:
    listed = lab("kubectl", "get", "services", "-A", "-l", "app.kubernetes.io/managed-by=mesh.expansion", "-o", "name")
    return {line.partition("/")[2] for line in listed.split() if line.endswith("-lb")}


@pytest.fixture(name="books", scope="module")
def fixture_books(tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    """All VMs with the first generation, behind one Service."""
    folder = tmp_path_factory.mktemp("migration")
    books = Playbooks(folder, own_groups(VMS), {"mesh_vm_services": SERVICES}, seconds=1800)
    ok, said = books.run("site.yml")
    assert ok, said[-4000:]
    assert {version(name).partition("+")[0] for name in VMS} == {"1.0.5"}
    return books


def test_where_vms_come_from_has_to_be_known(books: Playbooks) -> None:
    ok, said = books.run("playbooks/migrate.yml", **{**istiod(), "mesh_migrate_from": {}})
    assert not ok
    assert "mesh_migrate_from is not set" in " ".join(said.split())


def of_before(name: str) -> str:
    """What the former generation has on a VM, but for its processes. Key and certificate are renewed by its agent."""
    files = "/etc/certs/root-cert.pem /var/lib/istio/envoy/*.env /lib/systemd/system/istio*.service"
    owners = f"stat -c '%n %a %U:%G' /etc/certs/*.pem {files}"
    units = "systemctl is-enabled istio istio-auth-node-agent"
    return lab("exec", name, f"dpkg-query -W istio-sidecar; {owners}; sha256sum {files}; {units}")


def lost(books: Playbooks, report: Path) -> list[Json]:
    """The rows of the former generation that do not hold for a VM. Its Service was made for both generations by then,
    which the former one alone calls a difference (R15)."""
    ok, said = books.run("playbooks/verify.yml", verify_report=str(report), verify_require=False)
    assert ok, said[-4000:]
    rows = [row for row in json.loads(report.read_text()) if row["host"] in VMS]
    assert {row["row"] for row in rows} >= {"R7", "R13", "R15"}
    return [row for row in rows if row["state"] != "ok" and row["row"] != "R15"]


def works(name: str) -> bool:
    live = "curl -sS --max-time 5 http://127.0.0.1:15000/server_info"
    active = "systemctl is-active istio istio-auth-node-agent"
    said = lab("exec", name, f"{active}; iptables-save -t nat | grep -c ISTIO_; {live}").lower()
    return said.split()[:2] == ["active", "active"] and '"live"' in said and said.split()[2] != "0"


def test_a_move_that_is_cut_leaves_the_former_generation(books: Playbooks, tmp_path: Path) -> None:
    """Killed after the package, and after the start; after each operation with MESH_EXPANSION_FAULTS=all."""
    ok, said = books.run("playbooks/migrate.yml", "--skip-tags", "migrate", **istiod())
    assert ok, said[-6000:]
    archive = str(tmp_path / "code.tar")
    ok, said = books.run("tests/migration/cut_move.yml", "-l", FIRST, **istiod(), cut_archive=archive)
    assert ok, said[-4000:]
    before, run = of_before(FIRST), "python3 /root/cut/cut_move.py /root/cut/options.json"
    assert before.count("enabled") == 2
    plan = json.loads(lab("exec", FIRST, run))
    short = [plan.index(text) + 1 for text in plan if text.startswith("install ") or text == "restart istio.service"]
    for number in range(1, len(plan) + 1) if os.environ.get("MESH_EXPANSION_FAULTS") == "all" else short:
        lab("exec", FIRST, f"{run} {number}", seconds=AWAY)
        assert lab("exec", FIRST, f"ls {GUARD}/restore.sh").strip(), plan[number - 1]
        eventually(
            f"put back after {plan[number - 1]}", lambda: bool(lab("exec", FIRST, f"ls {GUARD}/done").strip()), AWAY
        )
        assert of_before(FIRST) == before, plan[number - 1]
        eventually(f"the sidecar works after {plan[number - 1]}", lambda: works(FIRST), AWAY)
    assert lost(books, tmp_path / "rows.json") == []


def test_a_vm_whose_proof_fails_goes_back(books: Playbooks, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the same run, to what it was; nobody behind the Service notices."""
    before = of_before(FIRST)
    nobody = {**istiod(), "mesh_verify_server": "http://nobody.default.svc.cluster.local:8080/"}
    with Traffic(URL) as traffic:
        ok, said = books.run("playbooks/migrate.yml", "-l", f"director,k8s_nodes,{FIRST}", **nobody)
    words = " ".join(said.split())
    with capsys.disabled():
        print(f"\na proof of {FIRST} that fails: {traffic}")
    assert not ok
    assert f"0 of {len(VMS)} VMs are with istiod. {FIRST} is with citadel again, as it was before this run." in words
    assert f"Next, when that is mended: ansible-playbook mesh.expansion.migrate -l {','.join(VMS)}" in words
    assert of_before(FIRST) == before
    assert works(FIRST)
    assert not lab("exec", FIRST, f"ls -d {WAY_BACK} {GUARD} 2>/dev/null").strip()
    assert lost(books, tmp_path / "rows.json") == []
    assert traffic.sent > 100
    assert traffic.failed == []


def test_a_vm_moves_and_the_others_serve(books: Playbooks, capsys: pytest.CaptureFixture[str]) -> None:
    with Traffic(URL) as traffic:
        ok, said = books.run("playbooks/migrate.yml", "-l", f"director,k8s_nodes,{FIRST}", **istiod())
    assert ok, said[-6000:]
    words = " ".join(said.split())
    (pause,) = re.findall(rf"{FIRST} has moved to istiod; its sidecar was away for ([\d.]+) s at most", words)
    with capsys.disabled():
        print(f"\nmigration of {FIRST}: away for {pause} s; {traffic.sent} requests, {len(traffic.failed)} failed")
    assert f"1 of {len(VMS)} VMs are with istiod" in words
    assert f"ansible-playbook mesh.expansion.migrate -l {SECOND}" in words
    assert version(FIRST) == istio.VERSION
    # No key of the former generation is left.
    assert not lab("exec", FIRST, f"ls -d {WAY_BACK} {GUARD} 2>/dev/null").strip()
    assert version(SECOND).startswith("1.0.5")
    assert exposed() >= {"istio-pilot-lb", "istio-citadel-lb", "istio-mixer-lb", "kube-dns-lb", "istiod-lb"}
    assert lab("exec", SECOND, "systemctl is-active istio istio-auth-node-agent").split() == ["active", "active"]
    assert traffic.sent > 100
    assert traffic.failed == []


def test_the_last_one_moves_and_the_end_says_what_to_take_away(
    books: Playbooks, capsys: pytest.CaptureFixture[str]
) -> None:
    with Traffic(URL) as traffic:
        ok, said = books.run("playbooks/migrate.yml", **istiod())
    assert ok, said[-6000:]
    words = " ".join(said.split())
    (pause,) = re.findall(rf"{SECOND} has moved to istiod; its sidecar was away for ([\d.]+) s at most", words)
    with capsys.disabled():
        print(f"\nmigration of {SECOND}: away for {pause} s; {traffic.sent} requests, {len(traffic.failed)} failed")
    assert f"{FIRST} has moved" not in words
    assert "drop mesh_migrate_from from the inventory and run ansible-playbook mesh.expansion.site" in words
    assert {version(name) for name in VMS} == {istio.VERSION}
    assert traffic.sent > 100
    assert traffic.failed == []


def test_every_row_holds_and_nothing_is_left_to_do(books: Playbooks) -> None:
    ok, said = books.run("playbooks/verify.yml", **istiod())
    assert ok, said[-4000:]
    ok, said = books.run("playbooks/migrate.yml", **istiod())
    assert ok, said[-4000:]
    assert all("changed=0" in line for line in said.partition("PLAY RECAP")[2].splitlines() if ": ok=" in line)


def test_what_the_first_generation_had_is_taken_away(books: Playbooks) -> None:
    alone = {name: value for name, value in istiod().items() if name != "mesh_migrate_from"}
    ok, said = books.run("site.yml", **alone)
    assert ok, said[-4000:]
    assert exposed() == {"istiod-lb", "istio-eastwestgateway-lb"}
    assert forwarded() == {"15012", "15443"}
