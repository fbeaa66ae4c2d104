# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit calls drift, what it could not reach, and the status that a run ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import generations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import audit as audits
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.audit import Audit, Looks
from ansible_collections.mesh.expansion.plugins.modules.audit_result import sentence

Json = dict[str, Any]
CITADEL = generations.generation("citadel")
WELL = Looks({"checks": []}, {"lvs1": {"operations": []}}, {"web1": {"checks": {}}}, {}, {}, {}, {})
DOWN = {"unreachable": True, "msg": "Connection timed\nout"}
NODE = {"operations": [], "refusals": []}
ORPHAN = {
    "namespace": "default",
    "address": "192.0.2.99",
    "host": "web9",
    "services": ["web"],
    "objects": ["Endpoints default/web"],
    "state": "silent",
    "since": "2026-11-27T10:00:00Z",
    "due": False,
}


def row(name: str, host: str, state: str = "FAILED", detail: str = "it is not") -> Json:
    return {"row": name, "what": "what", "check": "how", "state": state, "detail": detail, "host": host}


def audit(*rows: Json, **looks: Any) -> Audit:
    return audits.audit(CITADEL, rows, WELL._replace(**looks))


def drift(*rows: Json, **looks: Any) -> dict[str, str]:
    return {item.where: item.detail for item in audit(*rows, **looks).drift}


def test_a_site_as_it_should_be() -> None:
    found = audit(row("R5", "lvs1", "ok"), nodes={"node1": NODE}, orphans={"orphans": [], "surplus": []})
    assert (found.drift, found.unreached, found.notes) == ([], {}, [])
    assert found.lines() == ["Everything is as the inventory says."]
    assert sentence(found.drift, found.unreached) == "Everything is as the inventory says."


def test_each_row_that_does_not_hold_is_drift_with_the_next_command() -> None:
    found = audit(row("R5", "lvs1"), row("R1", "cluster"), row("R19", "cluster", "not checked", "no pod"))
    assert [(item.where, item.what, item.next) for item in found.drift] == [
        ("lvs1", "R5 what", "ansible-playbook mesh.expansion.site --check --diff -l lvs1"),
        ("cluster", "R1 what", "ansible-playbook mesh.expansion.site --check --diff"),
    ]
    assert found.notes == ["cluster: R19 what: not checked: no pod"]
    assert found.lines()[0] == "DRIFT   lvs1: R5 what: it is not"
    assert sentence([item._asdict() for item in found.drift], {}).startswith("2 things are not as the inventory says")


def test_a_host_that_is_not_reached_has_no_drift_and_is_named_once() -> None:
    found = audit(row("R5", "lvs1"), row("R9", "web1"), row("R15", "web1"), directors={"lvs1": DOWN}, vms={"web1": {}})
    assert found.unreached == {"lvs1": "Connection timed out", "web1": "its look broke off"}
    # What the cluster says of the VM stands.
    assert [item.what for item in found.drift] == ["R15 what"]
    assert "NOT REACHED  lvs1: Connection timed out" in found.lines()
    assert found.lines()[-1] == "next    ansible-playbook mesh.expansion.audit, when all can be reached again"


def test_without_the_cluster_nothing_is_said_that_only_it_knows() -> None:
    gone = {"reached": False, "msg": "the API does not answer"}
    found = audit(
        *(row(name, "cluster") for name in ("R1", "R15")),
        row("R6", "web1"),
        row("R10", "web1"),
        row("R9", "web1"),
        cluster=gone,
        orphans=gone,
        labels={"msg": "no answer", "operations": []},
    )
    assert found.unreached == {"cluster": "the API does not answer"}
    assert [item.what for item in found.drift] == ["R9 what"]


def test_a_node_that_breaks_direct_routing_or_would_be_changed() -> None:
    assert drift(nodes={"node1": {"refusals": ["rp_filter is strict."], "operations": []}}) == {
        "node1": "rp_filter is strict."
    }
    assert drift(nodes={"node1": {"refusals": [], "operations": ["set a to 1"]}}) == {
        "node1": "the next run would: set a to 1"
    }
    assert drift(nodes={"node1": {"msg": "no\npermission"}}) == {"node1": "could not be looked at: no permission"}
    assert drift(nodes={"node1": NODE}) == {}


def test_another_package_than_the_one_that_is_wanted() -> None:
    package = {"install": True, "version": "1.31.0", "file": "/var/cache/x.deb"}
    found = audit(packages={"web1": {"installed": "1.29.0", "package": package, "former": False}}).drift
    assert [(item.detail, item.next) for item in found] == [
        ("istio-sidecar is 1.29.0, should be 1.31.0", "ansible-playbook mesh.expansion.upgrade -l web1")
    ]
    assert drift(packages={"web1": {"installed": "1.31.0", "package": {**package, "install": False}}}) == {}
    # That none is installed is a row's matter, and a package that was not looked at is none.
    assert drift(packages={"web1": {"installed": "", "package": package}}) == {}
    assert drift(packages={"web1": {"skipped": True}}) == {}
    assert drift(packages={"web1": {"msg": "cannot be read"}}) == {"web1": "could not be looked at: cannot be read"}


def test_labels_that_the_next_run_would_set() -> None:
    assert drift(labels={"operations": ["label Namespace istio-system"]}) == {
        "cluster": "the next run would: label Namespace istio-system"
    }
    assert drift(labels={"msg": "may not", "operations": []}) == {"cluster": "could not be looked at: may not"}
    assert drift(labels={"skipped": True}) == {}


def test_who_is_registered_for_nobody_is_drift_when_silent() -> None:
    (item,) = audit(orphans={"orphans": [ORPHAN], "surplus": []}).drift
    assert item.what == "web9 (192.0.2.99) is registered"
    assert item.detail == (
        "behind default/web, in Endpoints default/web; no host of the inventory has that address, and it is silent "
        "since 2026-11-27T10:00:00Z"
    )
    assert item.next == "ansible-playbook mesh.expansion.prune --check --diff"
    assert drift(orphans={"msg": "may not", "operations": []}) == {"cluster": "could not be looked at: may not"}


@pytest.mark.parametrize("state", ["connected", "answers", "not asked"])
def test_who_is_registered_and_not_known_to_be_silent_is_a_note(state: str) -> None:
    found = audit(orphans={"orphans": [{**ORPHAN, "state": state}], "surplus": []})
    assert found.drift == []
    assert len(found.notes) == 1


def test_a_vm_behind_a_service_too_many_is_drift() -> None:
    assert drift(orphans={"orphans": [], "surplus": [ORPHAN]}) == {
        "cluster": "behind default/web, in Endpoints default/web; the inventory does not put it there"
    }


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  check_mode: true
  tasks:
    - mesh.expansion.audit_result:
        drift: [{where: web1, what: R5, detail: it is not, next: site}]
        unreached: {lvs1: timed out}
      run_once: true
"""


def test_what_is_not_reached_outweighs_drift_in_the_status(tmp_path: Path, root: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(root / "build/collections"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    command = [f"{Path(sys.executable).parent}/ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert json.dumps("1 thing is not as the inventory says (web1).")[1:-1] in done.stdout
