"""VMs leave and the exposure goes although a VM, a node or the Kubernetes API does not answer; what is left over is
named, and the commands that the runs name bring everything back as it was.

Run by `make faults` on a new lab, which it leaves as it was. The tests build on each other in this order.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lab_state
import playbook_run
import pytest
import trouble

from tests.live import Playbooks

AWAY, HERE, LAST = "deb-nginx01", "deb-nginx02", "deb-nginx03"
DIRECTOR, NODES = "lvs1", ("k8s-node1", "k8s-node2", "k8s-node3")
NAME = "dead"
LEAVE, TEARDOWN = "playbooks/leave.yml", "playbooks/teardown.yml"
Json = dict[str, Any]


def off(*names: str) -> Json:
    """Hosts that nobody listens on, where Ansible looks."""
    return {"all": {"hosts": {name: {"ansible_port": 1, "ansible_ssh_retries": 0} for name in names}}}


def summary(output: str) -> str:
    said = output.partition("TASK [Say what was done, and what is left over]")[2]
    return " ".join(said.partition("PLAY RECAP")[0].split())


def command(output: str) -> list[str]:
    """Of the playbook that is named at last, as arguments."""
    # Its lines are broken where they are long.
    words = " ".join(output.split())
    (*_first, arguments) = re.findall(
        r"Next, when that is mended: ansible-playbook mesh\.expansion\.(\w+(?: -[el] [\w.,=-]+)*)", words
    )
    playbook, *more = arguments.split()
    return [f"playbooks/{playbook}.yml", *more]


@pytest.fixture(scope="module")
def before() -> Json:
    """Everything as it was before the VMs joined."""
    # Refuses hosts that are not new.
    lab_state.take(NAME)
    state = lab_state.current()
    done = playbook_run.run("site.yml")
    assert done.returncode == 0, done.stdout[-6000:]
    return state


@pytest.fixture(name="books", scope="module")
def _books(tmp_path_factory: pytest.TempPathFactory, before: Json) -> Playbooks:
    return Playbooks(tmp_path_factory.mktemp("dead"))


def require_as_before(before: Json, *names: str) -> None:
    for name in names:
        assert lab_state.host_state(name) == before[name], name


def test_the_checks_go_on_and_name_who_does_not_answer(books: Playbooks) -> None:
    broken = off(DIRECTOR)
    broken["all"]["hosts"][LAST] = {"ansible_python_interpreter": "/nonexistent/python3"}
    books.inventory(broken)
    try:
        with trouble.no_api():
            for playbook in ("playbooks/verify.yml", "playbooks/preflight.yml"):
                ok, said = books.run(playbook)
                words = " ".join(said.split())
                assert not ok
                assert f"{DIRECTOR}: it cannot be reached (" in words, said[-6000:]
                assert f"{LAST}: " in words
                assert "does not answer (Connection refused). Check the server's address" in words
                for bad in ("Traceback", "is undefined"):
                    assert bad not in said, said[-6000:]
            # Rows of a VM that is well.
            _ok, said = books.run("playbooks/verify.yml")
            assert re.search(r"ok +R9 ", said), said[-6000:]
    finally:
        books.inventory({})


def test_teardown_is_refused_while_vms_are_joined(books: Playbooks) -> None:
    ok, said = books.run(TEARDOWN)
    assert not ok
    words = " ".join(said.split())
    assert f"VMs are joined, and would lose their control plane: {AWAY}, {HERE}, {LAST}, " in words
    assert f"Endpoints default/{LAST}" in words
    assert "Next: ansible-playbook mesh.expansion.leave" in words
    assert " changed=0 " in said
    assert not re.search(r" changed=[1-9]", said)


def test_a_vm_that_is_off_is_taken_out_of_the_api_and_keeps_no_other(books: Playbooks, before: Json) -> None:
    books.inventory(off(AWAY))
    ok, said = books.run(LEAVE, "-l", f"{AWAY},{HERE}")
    books.inventory({})
    assert not ok
    words = summary(said)
    assert f"As before: {HERE}." in words
    assert f"Not registered any more: {AWAY}, {HERE}." in words
    assert f"{AWAY}: it cannot be reached (" in words
    assert command(said) == [LEAVE, "-l", AWAY]
    require_as_before(before, HERE)
    left = lab_state.api_state()
    assert f"Endpoints default/{AWAY}" not in left
    assert f"Endpoints default/{LAST}" in left


def test_vms_leave_although_there_is_no_api(books: Playbooks, before: Json) -> None:
    with trouble.no_api():
        ok, said = books.run(LEAVE)
    assert not ok
    words = summary(said)
    assert f"As before: {AWAY}, {HERE}, {LAST}." in words, said[-6000:]
    assert f"Service default/{LAST}, Endpoints default/{LAST}" in words
    assert "does not answer (Connection refused)" in words
    assert command(said) == [LEAVE]
    require_as_before(before, AWAY, HERE, LAST)


def test_the_director_and_the_nodes_are_restored_although_there_is_no_api(books: Playbooks, before: Json) -> None:
    books.inventory(off("k8s-node1"))
    with trouble.no_api():
        ok, said = books.run(TEARDOWN)
    books.inventory({})
    assert not ok
    words = summary(said)
    assert f"As before: {DIRECTOR}, k8s-node2, k8s-node3." in words, said[-6000:]
    assert "k8s-node1: it cannot be reached (" in words
    assert "the Services of all namespaces with the labels app.kubernetes.io/managed-by=mesh.expansion" in words
    assert "Whether VMs are still registered could not be seen: " in words
    assert command(said) == [TEARDOWN]
    require_as_before(before, DIRECTOR, *NODES)


def test_the_commands_that_were_named_leave_nothing(books: Playbooks) -> None:
    # Who is registered is known again, and refused.
    ok, said = books.run(TEARDOWN)
    assert not ok
    assert f"would lose their control plane: Endpoints default/{LAST}" in " ".join(said.split()), said[-4000:]
    said = books.good(LEAVE)
    assert f"Not registered any more: {AWAY}, {HERE}, {LAST}." in summary(said)
    books.good(TEARDOWN)
    assert lab_state.differences(NAME) == []


def test_other_ways_in_which_an_api_is_gone(books: Playbooks, tmp_path: Path) -> None:
    """Nothing is joined any more, so nothing changes; each says why in words of ours."""
    kubeconfig = (lab_state.LAB / "kubeconfig").read_text()
    (tmp_path / "tls").write_text(re.sub(r"certificate-authority-data: .*", "", kubeconfig))
    for path, why in (
        (tmp_path / "tls", "certificate verify failed"),
        (tmp_path / "none", "it cannot be read: No such"),
    ):
        for playbook in (LEAVE, TEARDOWN):
            ok, said = books.run(playbook, mesh_kubeconfig=str(path))
            assert not ok
            words = summary(said)
            assert "Left over in the Kubernetes API: " in words, said[-6000:]
            assert why in words
            for bad in ("Traceback", "is undefined", "HTTPSConnectionPool"):
                assert bad not in said
