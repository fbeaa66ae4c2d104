# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of a removal says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.filter.removal_summary import removal_summary
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.removal import Outcome

LEAVE = "ansible-playbook mesh.expansion.leave"
HERE = {"ping": "pong"}
AWAY = {"unreachable": True, "msg": "No route to host"}
NO_SUDO = {"failed": False, "msg": "Missing sudo password"}


def outcome(**given: Any) -> Outcome:
    return Outcome(**{"seen": {"web1": HERE}, "done": ["web1"], "command": LEAVE, **given})


def test_all_is_well() -> None:
    found = outcome(out=["web1"], then="Next: this.")
    assert found.lines() == ["As before: web1.", "Not registered any more: web1.", "Next: this."]
    assert found.left() == []
    assert outcome().lines() == ["As before: web1."]


def test_check_mode_says_so_first() -> None:
    assert outcome(check_mode=True).lines()[0] == "This is what would be done; with --check nothing is changed."


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (AWAY, "web2: it cannot be reached (No route to host). Check ansible_host"),
        (NO_SUDO, "web2: it could not be looked at (Missing sudo password). The user must become root"),
        ({}, "web2: it cannot be reached (no reason given)."),
    ],
    ids=["unreachable", "sudo", "nothing"],
)
def test_a_host_that_does_not_answer_is_named_with_a_remedy(look: dict[str, Any], words: str) -> None:
    found = outcome(seen={"web1": HERE, "web2": look})
    (line,) = (line for line in found.lines() if line.startswith("web2"))
    assert line.startswith(words)
    assert line.endswith("What is on it stays.")
    assert found.left() == ["web2"]
    assert found.lines()[-1] == f"Next, when that is mended: {LEAVE} -l web2"


def test_what_failed_on_a_host_is_said_instead_of_that_it_was_lost() -> None:
    found = outcome(seen={"web1": HERE, "web2": HERE, "web3": HERE}, failed={"web2": "Take it out: no."}, lost=["web3"])
    assert "web2: Take it out: no." in found.lines()
    assert "web3: it failed, or could not be reached any more, as is shown above." in found.lines()
    assert sorted(found.left()) == ["web2", "web3"]
    assert found.next().endswith(" -l web3,web2")


def test_what_is_left_in_the_api_is_named() -> None:
    api = {"registration": {"msg": "It is silent.", "left": ["Service default/web", "Endpoints default/web"]}}
    found = outcome(api=api, limit="web1", then="Next: this.")
    assert found.lines() == [
        "As before: web1.",
        "Left over in the Kubernetes API: Service default/web, Endpoints default/web. It is silent.",
        f"Next, when that is mended: {LEAVE} -l web1",
    ]
    assert found.left() == ["the Kubernetes API"]
    # For all that the run was about, not only for who did not answer.
    assert outcome(api=api, seen={"web1": HERE, "web2": AWAY}).next() == f"Next, when that is mended: {LEAVE}"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("exposure", "app.kubernetes.io/managed-by=mesh.expansion,app.kubernetes.io/component=exposure. No"),
        ("mesh_policy", "annotation mesh.expansion/mesh-settings. No reason is given."),
        ("network_label", "has the annotation mesh.expansion/network-label. No reason is given."),
        ("registration", "what the VMs are registered by. No"),
    ],
)
def test_each_part_of_the_work_on_the_api_has_its_words(part: str, words: str) -> None:
    assert words in outcome(api={part: {}}).lines()[1]


def test_the_filter() -> None:
    said = removal_summary({"seen": {"web2": AWAY}, "command": LEAVE, "notes": ["And this."]})
    assert said["left"] == ["web2"]
    assert said["lines"][1:] == ["And this.", said["next"]]
    with pytest.raises(AnsibleFilterError, match="needs a mapping with what a removal came to"):
        removal_summary({"nobody": 1})
