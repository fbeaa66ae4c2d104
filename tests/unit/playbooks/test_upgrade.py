# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""upgrade.yml with roles that only say where they are run, or fail: batches, who is left alone, what goes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.playbooks import fake_roles
from tests.unit.playbooks.fake_roles import Json, fail, say

LOOK = {
    "name": "Look",
    "ansible.builtin.set_fact": {
        "__istio_sidecar_look": {"installed": "1.29.0", "package": {"install": "{{ old | default(true) | bool }}"}}
    },
}
NAMES = "{{ registration_hosts | map(attribute='name') | join('+') }}"
FILES: dict[str, list[Json]] = {
    "preflight/tasks/main.yml": [say("preflight")],
    "istio_sidecar/tasks/look.yml": [LOOK],
    "istio_sidecar/tasks/main.yml": [say("install {{ inventory_hostname }}"), fail("broken")],
    "istio_sidecar/tasks/revert.yml": [say("revert {{ inventory_hostname }}")],
    "registration/tasks/drain.yml": [say(f"drain {NAMES}", run_once=True)],
    "registration/tasks/undrain.yml": [say(f"undrain {NAMES}", run_once=True)],
    "verify/tasks/main.yml": [say("prove {{ verify_vms | join('+') }}", run_once=True), fail("unproved")],
}
# What the real filter reads of the site.
SITE = """
from jinja2 import pass_context

@pass_context
def mesh_site(context, host, part):
    return [{"name": name} for name in context["groups"]["vms"]]

class FilterModule:
    def filters(self):
        return {"mesh_site": mesh_site}
"""


@pytest.fixture
def collections(root: Path, tmp_path: Path) -> Path:
    return fake_roles.make(root, tmp_path, "upgrade", FILES, SITE)


def run(collections: Path, vms: Json, *arguments: str) -> tuple[bool, list[str], str]:
    return fake_roles.run(collections, "upgrade", vms, "drain|install|undrain|prove|revert", *arguments)


def test_one_after_another_and_who_has_the_package_is_left_alone(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {}, "web2": {"old": False}, "web3": {}})
    assert ok, said[-3000:]
    each = [[f"drain {vm}", f"install {vm}", f"undrain {vm}", f"prove {vm}"] for vm in ("web1", "web3")]
    assert steps == [*each[0], *each[1]]


def test_a_batch_is_drained_and_proved_together(collections: Path) -> None:
    # The first of a batch, on which what is done once would be done, has nothing to do.
    vms = {"web1": {"old": False}, "web2": {}, "web3": {}, "web4": {}}
    ok, steps, said = run(collections, vms, "-e", "upgrade_batch=3")
    assert ok, said[-3000:]
    # Those of a batch are worked on at the same time.
    assert (steps[0], sorted(steps[1:3])) == ("drain web2+web3", ["install web2", "install web3"])
    assert steps[3:5] == ["undrain web2+web3", "prove web2+web3"]
    assert steps[5:] == ["drain web4", "install web4", "undrain web4", "prove web4"]


@pytest.mark.parametrize(("reason", "proved"), [("broken", False), ("unproved", True)])
def test_a_failure_goes_back_and_ends_the_run(collections: Path, reason: str, proved: bool) -> None:
    ok, steps, said = run(collections, {"web1": {}, "web2": {reason: True}, "web3": {}})
    assert not ok
    assert "prove web1" in steps
    wanted = ["drain web2", "install web2", *(["undrain web2", "prove web2"] if proved else [])]
    assert steps[4:] == [*wanted, "revert web2", "undrain web2"], said[-3000:]
    words = " ".join(said.split())
    assert "web2 is not upgraded; it runs istio-sidecar 1.29.0 as before" in words
    assert f"Break {reason}: {reason} it is No further VM was touched" in words


def test_nothing_is_proved_that_was_not_done(collections: Path) -> None:
    ok, steps, said = run(collections, {"web1": {}}, "--check")
    assert ok, said[-3000:]
    assert steps == ["drain web1", "install web1", "undrain web1"]
