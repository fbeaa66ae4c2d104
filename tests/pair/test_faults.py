"""Two directors and their nodes in trouble, while a VM holds connections through them.

Run by `make faults` on a lab with two directors.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import cases
import lab_state
import playbook_run
import pytest
import trouble


@pytest.fixture(scope="module", autouse=True)
def _site() -> Iterator[None]:
    with cases.site():
        yield


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_held_connections_go_on(case: cases.Case, capsys: pytest.CaptureFixture[str]) -> None:
    result = case.run()
    with capsys.disabled():
        print(f"\n{case.name}: {json.dumps(result)}")
    assert result["broken"] <= case.broken
    assert result["new"] > result["failed"]
    assert case.failed is None or result["failed"] <= case.failed


def test_a_run_while_one_director_is_down_does_the_other() -> None:
    cases.settled()
    down, other = cases.roles()
    lab = [str(lab_state.ROOT / "lab/lab"), "exec", trouble.lab_name(down)]
    subprocess.run([*lab, "systemctl --no-block poweroff"], check=False, timeout=60, stdin=subprocess.DEVNULL)
    change = ("-e", "director_advert_interval=0.35")
    done = playbook_run.run("site.yml", "--tags", "preflight,director", *cases.VARIABLES, *change)
    assert playbook_run.failures(done.stdout)[other] == 0, done.stdout[-4000:]
    assert playbook_run.failures(done.stdout)[down] > 0
    assert f"- {down}: it could not be reached any more" in playbook_run.summary(done.stdout)
    assert "advert_int 0.35" in lab_state.must(other, "cat /etc/keepalived/keepalived.conf")
    subprocess.run([str(lab_state.ROOT / "lab/lab"), "up"], check=True, timeout=300, stdin=subprocess.DEVNULL)
    # The next run mends it.
    done = playbook_run.run(cases.DIRECTOR, *cases.VARIABLES, *change)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "advert_int 0.35" in lab_state.must(down, "cat /etc/keepalived/keepalived.conf")
    cases.settled()
