"""A whole site through two directors, of the generation that the lab has: every check holds, also when the director
that holds the address has died; then with nodes that are asked for the services themselves.

Run by `make faults` on labs with two directors, one of each generation. It leaves the site.
"""

from __future__ import annotations

import base64
import json
import time

import cases
import holding
import lab_state
import playbook_run
import yaml
from test_checks import LONG, NODES, wait_for, weights

CHECKED = ("-e", "director_health=keepalived")
END_TO_END = ("-e", f"@{lab_state.ROOT}/molecule/pair/vars/end_to_end.yml")
GENERATION = lab_state.inventory()["_meta"]["hostvars"][NODES[0]]["mesh_control_plane"]
# A service of each generation that is asked for in a way of its own, by DNS and by TLS.
PROTOCOL, PORT = {"citadel": ("udp", 53), "istiod": ("tcp", 15012)}[GENERATION]
SERVICE = f"-{PROTOCOL[0]} {holding.VIP}:{PORT}"


def play(*arguments: str) -> str:
    done = playbook_run.run(*arguments)
    assert done.returncode == 0, done.stdout[-6000:]
    # A long line is broken somewhere.
    return " ".join(done.stdout.split())


def test_a_vm_is_in_the_mesh_whichever_director_holds_the_address() -> None:
    play("site.yml", *CHECKED)
    cases.settled()
    before, other = cases.roles()
    cases.power_cut_of_the_holder()
    cases.settled()
    assert cases.holders() == [other]
    assert f"{other} holds it, {before} would take it" in play("playbooks/verify.yml", *CHECKED)


def test_a_node_is_out_of_the_service_that_fails_through_it() -> None:
    play("site.yml", "--tags", "preflight,director", *END_TO_END)
    there = weights(cases.directors()[0], SERVICE)
    wait_for(there, 5, SERVICE)
    with lab_state.without_port(NODES[2], holding.VIP, PORT, PROTOCOL):
        wait_for([*there[:2], 0], 10, SERVICE)
        said = play("playbooks/verify.yml", *END_TO_END)
        assert (
            f"nodes are asked end to end, taken out by the checks: {lab_state.addresses()[NODES[2]]} ({PROTOCOL} "
            in said
        )
    wait_for(there, 10, SERVICE)


if GENERATION == "istiod":

    def test_a_server_of_another_mesh_is_no_answer() -> None:
        """All fail at once then, so all stay; the journal says it."""
        there = weights(cases.directors()[0], SERVICE)
        kubeconfig = yaml.safe_load((lab_state.LAB / "admin.kubeconfig").read_text())
        authority = base64.b64decode(kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        play(cases.DIRECTOR, *END_TO_END, "-e", json.dumps({"director_health_roots": authority}))
        time.sleep(LONG)
        journal = lab_state.must(cases.directors()[0], "journalctl -u mesh-health -n 50 -o cat")
        assert f"tcp-{holding.VIP}-{PORT}-{lab_state.addresses()[NODES[0]]} stays: no answer" in journal
        assert weights(cases.directors()[0], SERVICE) == there
        play(cases.DIRECTOR, *END_TO_END)
        wait_for(there, 10, SERVICE)
