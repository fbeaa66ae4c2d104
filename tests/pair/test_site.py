"""A whole site through two directors, of the generation that the lab has: every check holds, also when the director
that holds the address has died.

Run by `make faults` on labs with two directors, one of each generation. It leaves the site.
"""

from __future__ import annotations

import cases
import playbook_run

CHECKED = ("-e", "director_health=keepalived")


def test_a_vm_is_in_the_mesh_whichever_director_holds_the_address() -> None:
    done = playbook_run.run("site.yml", *CHECKED)
    assert done.returncode == 0, done.stdout[-6000:]
    cases.settled()
    before, other = cases.roles()
    cases.power_cut_of_the_holder()
    cases.settled()
    assert cases.holders() == [other]
    done = playbook_run.run("playbooks/verify.yml", *CHECKED)
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"{other} holds it, {before} would take it" in done.stdout
