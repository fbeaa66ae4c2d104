"""teardown.yml with roles that only say what they would do, or fail: who is restored, what is refused, what the end
says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.playbooks.fake_roles import AWAY, Json, ansible, fail, say, with_filters

ANSWER = {"name": "Ask", "ansible.builtin.fail": {"msg": "no API"}, "register": "__mesh_policy_removed"}
NO_API = {**ANSWER, "failed_when": "mesh_policy_removal_required | default(true)", "run_once": True}
JOINED = {"operations": ["delete Endpoints default/web", "delete Service default/web"]}
ROLES: dict[str, list[Json]] = {
    "registration/joined": [
        {"name": "Look", "ansible.builtin.set_fact": {"__registration_joined": JOINED}, "run_once": True}
    ],
    "director/remove": [{"name": "Reach it", "ansible.builtin.ping": {}}, say("director {{ inventory_hostname }}")],
    "real_server/remove": [fail("broken"), say("node {{ inventory_hostname }}")],
    "mesh_policy/remove": [NO_API],
    "exposure/remove": [say("exposure", run_once=True)],
    "verify/forget": [say("forget {{ inventory_hostname }}")],
}


@pytest.fixture(name="collections")
def _collections(root: Path, tmp_path: Path) -> Path:
    return with_filters(root, tmp_path, "teardown", ROLES)


def test_it_is_refused_while_vms_are_joined(collections: Path) -> None:
    done = ansible(collections, "teardown", {"web1": {}})
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "VMs are joined, and would lose their control plane: Endpoints default/web, Service default/web." in said
    assert "Nothing was changed. Next: ansible-playbook mesh.expansion.leave." in said
    assert "ansible-playbook mesh.expansion.teardown -e teardown_joined=true" in said
    for role in ("director lvs1", "node node1", "exposure"):
        assert f"msg: {role}" not in said


def test_who_answers_is_restored_and_the_end_says_what_is_left(collections: Path) -> None:
    directors, nodes = {"lvs1": AWAY, "lvs2": {}}, {"node1": {"broken": True}, "node2": {}}
    arguments = ("-e", "teardown_joined=true")
    done = ansible(collections, "teardown", {"web1": AWAY}, *arguments, directors=directors, nodes=nodes)
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    for role in ("director lvs2", "node node2", "exposure"):
        assert f"msg: {role}" in said
    assert "As before: lvs2, node2." in said
    assert "lvs1: it cannot be reached (" in said
    assert "node1: Break broken: broken it is" in said
    assert "Left over in the Kubernetes API: the settings in the mesh configuration" in said
    # It is not a host that is torn down.
    assert "web1: it cannot" not in said
    assert "Left over: lvs1, node1, the Kubernetes API." in said
    assert "Next, when that is mended: ansible-playbook mesh.expansion.teardown -e teardown_joined=true" in said
