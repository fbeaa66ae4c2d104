# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""migrate.yml with roles that only say where they are run, or fail: batches, who is drained, what the end says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.playbooks import fake_roles
from tests.unit.playbooks.fake_roles import AWAY, Json, fail, say

LOOK = {
    "name": "Look",
    "ansible.builtin.set_fact": {
        "__istio_sidecar_look": {
            "installed": "1.0.5",
            "former": "{{ former | default(true) | bool }}",
            "moves": "{{ former | default(true) | bool and kept | default(true) | bool }}",
        }
    },
}
APPLIED = {
    "name": "Know how long",
    "ansible.builtin.set_fact": {"__istio_sidecar_applied": {"pause": "{{ 2.5 if former | default(true) else 0 }}"}},
}
RETURN = say("return {{ inventory_hostname }}")
RETURNED = {
    "name": "Know whether it went back",
    "ansible.builtin.set_fact": {
        "__istio_sidecar_returned": {
            "changed": "{{ former | default(true) | bool }}",
            "operations": "{{ ['back'] if former | default(true) else [] }}",
        }
    },
}
NAMES = "{{ registration_hosts | map(attribute='name') | join('+') }}"
ROWS = {
    "name": "Judge",
    "ansible.builtin.set_fact": {
        "__verify_rows": [
            {
                "row": "I9",
                "host": "{{ inventory_hostname }}",
                "state": "{{ 'FAILED' if unproved | default(false) else 'ok' }}",
            },
            # True once all VMs of its Services have moved.
            {"row": "I12", "host": "{{ inventory_hostname }}", "state": "FAILED"},
        ]
    },
}
FILES: dict[str, list[Json]] = {
    "preflight/tasks/main.yml": [say("preflight")],
    "exposure/tasks/main.yml": [say("expose")],
    "director/tasks/main.yml": [say("direct")],
    "real_server/tasks/main.yml": [say("serve")],
    "dnsmasq/tasks/main.yml": [
        say(
            "resolve {{ inventory_hostname }}"
            "{{ ' by ' ~ dnsmasq_mode ~ ' of ' ~ dnsmasq_services[0] if dnsmasq_mode is defined }}"
        )
    ],
    "istio_sidecar/tasks/look.yml": [{"name": "See whether it answers", "ansible.builtin.ping": {}}, LOOK],
    "istio_sidecar/tasks/main.yml": [say("run {{ inventory_hostname }}"), fail("broken"), APPLIED],
    "istio_sidecar/tasks/return.yml": [RETURN, fail("stuck"), RETURNED],
    "istio_sidecar/tasks/settle.yml": [say("settle {{ inventory_hostname }}")],
    "registration/tasks/prepare.yml": [say("prepare")],
    "registration/tasks/drain.yml": [say(f"drain {NAMES}", run_once=True), {**fail("refused"), "run_once": True}],
    "registration/tasks/main.yml": [say(f"register {NAMES}", run_once=True), fail("lost")],
    "registration/tasks/undrain.yml": [say(f"undrain {NAMES}", run_once=True)],
    "verify/tasks/main.yml": [say("look at {{ verify_vms | join('+') }}", run_once=True), ROWS],
}
# What the real filters read of the site.
SITE = """
from jinja2 import pass_context

@pass_context
def mesh_site(context, host, part, **given):
    if part == "vms":
        return [{"name": name} for name in context["groups"]["vms"]]
    was = context.resolve("mesh_migrate_from") or {}
    found = {"former": was.get("mesh_control_plane", ""), "control_plane": "istiod", "vm_rows": ["I9"]}
    names = {"mode": "theirs", "services": [was.get("mesh_control_plane")], "probe_names": []}
    return {**found, "former_dns": names}[part]

def verify_table(rows, control_plane):
    return ["FAILED row of " + row["host"] for row in rows]

class FilterModule:
    def filters(self):
        return {"mesh_site": mesh_site, "verify_table": verify_table}
"""
WORDS = "expose|direct|serve|prepare|drain|resolve|run|register|undrain|look|return|settle"
CONTROL_PLANE = ("-e", "istio_sidecar_control_plane=istiod", "-e", "verify_control_plane=istiod")


@pytest.fixture
def collections(root: Path, tmp_path: Path) -> Path:
    made = fake_roles.make(root, tmp_path, "migrate", FILES, SITE)
    filters = made / "ansible_collections/mesh/expansion/plugins/filter"
    (filters / "verify_table.py").write_text(SITE)
    return made


def run(collections: Path, vms: Json, *arguments: str, former: str = "citadel") -> tuple[bool, list[str], str]:
    was = {"mesh_control_plane": former} if former else {}
    given = (*CONTROL_PLANE, "-e", json.dumps({"mesh_migrate_from": was}), *arguments)
    ok, steps, said = fake_roles.run(collections, "migrate", vms, WORDS, *given)
    return ok, steps, " ".join(said.split())


def moved(vm: str) -> list[str]:
    before = [f"drain {vm}", f"resolve {vm}", f"run {vm}", f"look at {vm}"]
    return [*before, f"register {vm}", f"undrain {vm}", f"settle {vm}"]


def test_one_after_another(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {}, "web2": {}})
    assert ok, said[-3000:]
    assert steps[:4] == ["expose", "direct", "serve", "prepare"]
    assert steps[4:] == [*moved("web1"), *moved("web2")]
    assert "web1 has moved to istiod; its sidecar was away for 2.5 s at most" in said
    assert "2 of 2 VMs are with istiod" in said
    assert "Nobody needs what citadel has on the virtual address any more. Next, to take it away: drop" in said


def test_who_has_moved_is_not_drained_and_all_are_proved(collections: Path) -> None:
    # The first of a batch, on which what is done once would be done, has nothing to do.
    ok, steps, said = run(collections, {"web1": {"former": False}, "web2": {}}, "-e", "migrate_batch=2")
    assert ok, said[-3000:]
    assert [step for step in steps if "drain" in step] == ["drain web2", "undrain web1+web2"]
    assert "look at web1+web2" in steps
    assert "web1 has moved to" not in said


def test_who_was_not_looked_at_is_left(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {}, "web2": {}, "web3": {}}, "-l", "director,k8s_nodes,web2")
    assert ok, said[-3000:]
    assert "drain web2" in steps
    assert "1 of 3 VMs are with istiod" in said
    assert "or not looked at: web1, web3. Next: ansible-playbook mesh.expansion.migrate -l web1,web3" in said


@pytest.mark.parametrize(
    ("reason", "words", "last"),
    [
        ("broken", "web2 has not moved; it is as it was. broken it is", []),
        (
            "unproved",
            "web2 is with citadel again, as it was before this run. Prove it: FAILED row of web2",
            ["look at web2", "return web2", "resolve web2 by theirs of citadel"],
        ),
        ("lost", "web2 has moved, but is not done. lost it is", ["look at web2", "register web2"]),
    ],
)
def test_a_failure_ends_the_run(collections: Path, reason: str, words: str, last: list[str]) -> None:
    """And the end says what happened, and what to run."""
    ok, steps, said = run(collections, {"web1": {}, "web2": {reason: True}, "web3": {}})
    assert not ok
    assert f"1 of 3 VMs are with istiod. {words} No further VM was touched." in said
    assert "Next, when that is mended: ansible-playbook mesh.expansion.migrate -l web2,web3" in said
    assert "Not moved: web2. Above is why" in said
    assert steps[4:] == [*moved("web1"), "drain web2", "resolve web2", "run web2", *last, "undrain web2"]


def test_who_holds_stays_when_another_of_its_batch_goes_back(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {"unproved": True}, "web2": {}, "web3": {}}, "-e", "migrate_batch=2")
    assert not ok, (steps, said)
    assert "return web1" in steps
    assert "return web2" not in steps
    assert "settle web2" in steps
    assert "settle web1" not in steps
    assert "1 of 3 VMs are with istiod. web1 is with citadel again" in said
    assert "mesh.expansion.migrate -l web1,web3" in said


def test_what_fails_once_for_a_batch_fails_for_all_of_it(collections: Path) -> None:
    vms: Json = {"web1": {"refused": True}, "web2": {}, "web3": {}}
    ok, steps, said = run(collections, vms, "-e", "migrate_batch=2")
    assert not ok
    assert "0 of 3 VMs are with istiod. web1 has not moved; it is as it was. refused it is" in said
    assert "web2 has not moved; it is as it was. another VM of the batch: see there" in said
    assert "mesh.expansion.migrate -l web1,web2,web3" in said
    assert not [step for step in steps if step.startswith("run ") or "web3" in step]


def test_who_is_out_of_reach_ends_the_run(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {}, "web2": AWAY, "web3": {}}, "-e", "migrate_batch=2")
    assert not ok
    assert "1 of 3 VMs are with istiod. web2 could not be reached any more, or failed as shown above." in said
    assert "settle web1" in steps
    assert not [step for step in steps if "web3" in step]


def test_a_way_back_that_fails_is_told_beside_its_reason(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {"unproved": True, "stuck": True}})
    assert not ok
    assert "web1 has moved, but is not done. Prove it: FAILED row of web1 stuck it is" in said


def test_who_had_moved_before_does_not_go_back(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {"former": False, "unproved": True}})
    assert not ok
    assert "web1 has moved, but is not done. Prove it: FAILED row of web1" in said


def test_who_could_not_be_brought_back_is_refused(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {"kept": False}})
    assert not ok
    assert "web1 has istio-sidecar 1.0.5, whose file is not in /var/cache/mesh-expansion" in said
    assert "drain web1" not in steps


def test_where_vms_come_from_has_to_be_known(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {}}, former="")
    assert not ok
    assert "mesh_migrate_from is not set" in said
    assert steps == []
