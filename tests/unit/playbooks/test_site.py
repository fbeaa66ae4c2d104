"""site.yml with roles that only say where they are run, or fail: who goes on, who is left out, what the end says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.playbooks.fake_roles import AWAY, Json, ansible

ROLES = ["preflight", "exposure", "director", "real_server", "dnsmasq", "istio_sidecar", "registration", "mesh_policy"]
SAY = {"name": "Say who is there", "ansible.builtin.debug": {"msg": "{{ role_name }} on {{ ansible_play_hosts }}"}}
BROKEN = {"name": "Break", "ansible.builtin.command": "false", "when": "broken is defined and broken == role_name"}
REFUSED = {"name": "Say what failed", "ansible.builtin.fail": {"msg": "no room on {{ inventory_hostname }}"}}
VERIFY = {
    "hosts": "{{ __verify_judge | default('') or 'director:vms' }}",
    "gather_facts": False,
    "tasks": [
        {"ansible.builtin.debug": {"msg": "judged {{ verify_vms }}, forwarded by {{ verify_directors }}"}},
        {"ansible.builtin.debug": {"msg": "looks {{ not __verify_before }} from {{ ansible_play_hosts }}"}},
        {"ansible.builtin.set_fact": {"__verify_rows": "{{ rows | default([]) }}"}, "run_once": True},
        {"ansible.builtin.fail": {"msg": "too early"}, "when": "verify_require"},
    ],
}
REQUIRE = {"ansible.builtin.assert": {"that": "__verify_rows == []", "fail_msg": "a row fails"}, "run_once": True}

FACT = "ansible.builtin.set_fact"
# A VM on which a run has nothing to do, as preflight sees it.
SETTLED = {
    "verified": {"checks": {}},
    "resolver": {"operations": [], "missing_packages": [], "joined": True},
    "sidecar": {"operations": [], "joined": True, "former": False, "package": {"fetch": False, "install": False}},
}
FORWARDING: Json = {"look": {"director": {"operations": [], "refusals": []}}}
NEXT = "Next, when that is mended: ansible-playbook mesh.expansion.site"


def tasks_of(role: str) -> list[dict[str, Any]]:
    if role == "dnsmasq":
        # This one says by itself what failed.
        return [SAY, {"block": [{"ansible.builtin.ping": {}}, BROKEN], "rescue": [REFUSED]}]
    if role == "director":
        return [{"ansible.builtin.ping": {}}, SAY]
    if role == "preflight":
        return [SAY, {FACT: {"__preflight_look": "{{ look | default({}) }}"}}]
    return [SAY, BROKEN] if role == "istio_sidecar" else [SAY]


@pytest.fixture
def collections(root: Path, tmp_path: Path) -> Path:
    """A collection of our name with our site.yml."""
    place = tmp_path / "collections/ansible_collections/mesh/expansion"
    (place / "playbooks").mkdir(parents=True)
    shutil.copy(root / "galaxy.yml", place)
    for name in ("site", "preflight"):
        shutil.copy(root / f"playbooks/{name}.yml", place / "playbooks")
    (place / "plugins/filter").mkdir(parents=True)
    for name in ("mesh_hosts", "mesh_role_problems", "preflight_unsettled", "preflight_verified"):
        shutil.copy(root / f"plugins/filter/{name}.py", place / "plugins/filter")
    for name in ("module_utils", "plugin_utils"):
        (place / "plugins" / name).symlink_to(root / "plugins" / name)
    (place / "playbooks/verify.yml").write_text(yaml.safe_dump([VERIFY]))
    for role in ROLES:
        (place / "roles" / role / "tasks").mkdir(parents=True)
        (place / "roles" / role / "tasks/main.yml").write_text(yaml.safe_dump(tasks_of(role)))
    (place / "roles/verify/tasks").mkdir(parents=True)
    (place / "roles/verify/tasks/require.yml").write_text(yaml.safe_dump([REQUIRE]))
    options = {"ansible.builtin.debug": {"msg": "options of {{ inventory_hostname }}"}}
    (place / "roles/istio_sidecar/tasks/options.yml").write_text(yaml.safe_dump([options]))
    (place / "roles/istio_sidecar/defaults").mkdir()
    (place / "roles/istio_sidecar/defaults/main.yml").write_text("istio_sidecar_identity: secret\n")
    compared = {"__verify_identity": {"action": "{{ identity | default('keep') }}"}}
    (place / "roles/verify/tasks/identity_secret.yml").write_text(
        yaml.safe_dump([{"ansible.builtin.debug": {"msg": "seen {{ __verify_vm.joined }}"}}, SAY, {FACT: compared}])
    )
    prepare = {"name": "Say who", "ansible.builtin.debug": {"msg": "prepared {{ ansible_play_hosts }}"}}
    found = {"ansible.builtin.set_fact": {"__registration_prepare": {"moving": "{{ moving | default([]) }}"}}}
    (place / "roles/registration/tasks/prepare.yml").write_text(yaml.safe_dump([prepare, found]))
    for part in ("drain", "undrain"):
        told = {"ansible.builtin.debug": {"msg": f"{part} {{{{ ansible_play_batch }}}}"}, "run_once": True}
        (place / f"roles/registration/tasks/{part}.yml").write_text(yaml.safe_dump([told]))
    return tmp_path / "collections"


def run(
    collections: Path, vms: Json, *arguments: str, directors: Json | None = None, playbook: str = "site"
) -> subprocess.CompletedProcess[str]:
    return ansible(collections, playbook, vms, *arguments, directors=directors)


def failed(output: str) -> set[str]:
    recap = output.partition("PLAY RECAP")[2]
    rows = re.findall(r"^(\S+)\s+: .*unreachable=(\d+) +failed=(\d+)", recap, re.MULTILINE)
    assert rows, output[-3000:]
    return {host for host, *counts in rows if any(map(int, counts))}


def test_hosts_that_fail_are_left_out_and_named_at_the_end(collections: Path) -> None:
    vms = {"web1": {}, "web2": {"broken": "dnsmasq"}, "web3": {"broken": "istio_sidecar"}, "web4": AWAY}
    done = run(collections, vms)
    assert done.returncode != 0
    assert failed(done.stdout) == {"web2", "web3", "web4"}
    # Before the VMs are touched, those that can be reached.
    before = done.stdout.partition("PLAY [Give the VMs")[0]
    assert "prepared ['web1', 'web2', 'web3'" in before
    for said in ("registration on ['web1']", "mesh_policy on ['web1']", "judged ['web1']"):
        assert said in done.stdout, done.stdout[-6000:]
    _rest, title, end = done.stdout.partition("PLAY [Sum up]")
    assert title
    words = " ".join(end.partition("PLAY RECAP")[0].split())
    assert "3 of 6 hosts failed, the others are done" in words
    assert f"- web2: role dnsmasq: no room on web2 {NEXT} -l web2" in words
    assert re.search(r"- web3: role istio_sidecar: task Break: .*non-zero return code", words)
    assert "- web4: it could not be reached any more, or failed as shown above." in words
    assert "Next: ansible-playbook mesh.expansion.site -l web2,web3,web4" in words


def test_a_run_in_which_all_vms_fail_says_what_to_run_too(collections: Path) -> None:
    done = run(collections, {"web1": {"broken": "dnsmasq"}})
    assert done.returncode != 0
    assert failed(done.stdout) == {"web1"}
    end = " ".join(done.stdout.partition("PLAY RECAP")[0].split()[-40:])
    assert f"role dnsmasq: no room on web1 {NEXT} -l web1" in end


def test_hosts_that_failed_are_named_also_when_a_row_fails(collections: Path) -> None:
    done = run(collections, {"web1": {}, "web2": {"broken": "dnsmasq"}}, "-e", '{"rows": ["R19"]}')
    assert done.returncode != 0
    end = " ".join(done.stdout.partition("PLAY [Sum up]")[2].partition("PLAY RECAP")[0].split())
    assert "- web2: role dnsmasq: no room on web2 Next" in end
    assert "a row fails" in end


def test_a_director_out_of_reach_is_left_out_and_named_at_the_end(collections: Path) -> None:
    done = run(collections, {"web1": {}}, directors={"lvs1": AWAY, "lvs2": {}})
    assert done.returncode != 0
    assert failed(done.stdout) == {"lvs1"}
    for said in ("director on ['lvs2']", "mesh_policy on ['web1']", "judged ['web1']"):
        assert said in done.stdout, done.stdout[-6000:]
    assert "- lvs1: it could not be reached any more" in " ".join(done.stdout.partition("PLAY [Sum up]")[2].split())


def test_without_a_director_nothing_goes_on(collections: Path) -> None:
    done = run(collections, {"web1": {}}, directors={"lvs1": AWAY})
    assert done.returncode != 0
    assert "real_server on" not in done.stdout


def test_nothing_is_said_when_nothing_failed(collections: Path) -> None:
    done = run(collections, {"web1": {}, "web2": {}}, "-l", "web2")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "judged ['web2']" in done.stdout
    assert "director on" not in done.stdout
    assert "hosts failed, the others" not in done.stdout
    assert "Nothing has been changed. Next" not in done.stdout


MOVES = re.compile(r"msg: ((?:drain|undrain|istio_sidecar on|registration on|judged) .*)$", re.MULTILINE)


def test_a_registration_moves_vm_by_vm_before_all_others_are_looked_at(collections: Path) -> None:
    vms: Json = {"web1": {}, "web2": {}, "web3": {}}
    done = run(collections, vms, "-e", '{"moving": ["web1", "web3"]}')
    assert done.returncode == 0, done.stdout[-3000:]
    title = "PLAY [Move VMs to another registration, some at a time]"
    parts = done.stdout.split(title)[1:]
    assert [MOVES.findall(part.partition("PLAY [Give")[0]) for part in parts] == [
        [f"drain ['{vm}']", f"istio_sidecar on {left}", f"registration on {left}", f"undrain ['{vm}']"]
        for vm, left in (("web1", "['web1', 'web3']"), ("web3", "['web1', 'web3']"))
    ]
    done = run(collections, vms, "-e", '{"moving": ["web1", "web3"]}', "-e", "site_move_batch=2", "-l", "web2,web3")
    (part,) = done.stdout.split(title)[1:]
    assert "drain ['web3']" in part


def test_a_move_that_fails_ends_the_run(collections: Path) -> None:
    vms: Json = {"web1": {"broken": "istio_sidecar"}, "web2": {}}
    done = run(collections, vms, "-e", '{"moving": ["web1", "web2"]}')
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    # Between them is what the module says, which is not the same in all versions of ansible-core.
    assert "web1 has not moved to another registration. Break: " in said
    assert "non-zero return code" in said
    assert " No further VM was touched" in said
    assert MOVES.findall(done.stdout)[-1] == "undrain ['web1']"


def test_preflight_alone_says_what_comes_next(collections: Path) -> None:
    done = run(collections, {"web1": {}}, playbook="preflight")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "preflight on ['lvs1', 'node1', 'web1']" in done.stdout
    assert "exposure on" not in done.stdout
    assert "Nothing has been changed. Next: ansible-playbook mesh.expansion.site" in " ".join(done.stdout.split())


def test_a_group_without_hosts_ends_the_run(collections: Path) -> None:
    done = run(collections, {}, "-l", "lvs1")
    assert done.returncode != 0
    assert "The group 'vms' of the inventory has no hosts" in " ".join((done.stdout + done.stderr).split())


def test_vms_where_nothing_is_to_be_done_are_not_touched(collections: Path) -> None:
    other = {**SETTLED, "resolver": {**SETTLED["resolver"], "operations": ["write /etc/hosts"]}}
    vms = {
        "web1": {"look": SETTLED},
        "web2": {"look": other},
        "web3": {"look": SETTLED, "identity": "deliver"},
        "web4": {},
    }
    done = run(collections, vms)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "dnsmasq on ['web2', 'web4']" in done.stdout
    assert "verify on ['web1', 'web3']" in done.stdout
    assert "istio_sidecar on ['web2', 'web3', 'web4']" in done.stdout
    assert "judged ['web1', 'web2', 'web3', 'web4']" in done.stdout
    assert "looks True from ['lvs1', 'web1', 'web2', 'web3', 'web4']" in done.stdout


def test_where_no_vm_needs_anything_no_role_runs_on_one(collections: Path) -> None:
    """What preflight saw is judged on one host; a director that it has not looked at, its role has."""
    done = run(collections, {"web1": {"look": SETTLED}, "web2": {"look": SETTLED}}, directors={"lvs1": FORWARDING})
    assert done.returncode == 0, done.stdout[-3000:]
    for role in ("dnsmasq", "istio_sidecar", "director"):
        assert f"{role} on" not in done.stdout
    judged = "judged ['web1', 'web2'], forwarded by ['lvs1']"
    for said in ("real_server on ['node1']", "seen True", "registration on ['web1', 'web2']", judged):
        assert said in done.stdout
    assert "looks False from ['lvs1']" in done.stdout


def test_a_row_that_fails_where_all_is_known_fails_the_run(collections: Path) -> None:
    vms: Json = {"web1": {"look": SETTLED}, "web2": {"look": SETTLED}}
    for limit in ("all", "web2"):
        done = run(collections, vms, "-e", '{"rows": ["R19"]}', "-l", limit, directors={"lvs1": FORWARDING})
        assert done.returncode != 0
        assert "looks False from" in done.stdout
        assert "a row fails" in done.stdout.partition("PLAY [Judge the verification]")[2]


def test_without_a_preflight_every_vm_is_looked_at(collections: Path) -> None:
    done = run(collections, {"web1": {"look": SETTLED}}, "--tags", "vm")
    assert done.returncode == 0, done.stdout[-3000:]
    for role in ("dnsmasq", "istio_sidecar"):
        assert f"{role} on ['web1']" in done.stdout
