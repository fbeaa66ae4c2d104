"""What happens to directors and nodes while a VM holds connections, for `make faults` and the bench.

Each case leaves the site as it found it, but that another director may hold the address.
"""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import holding
import lab_state
import playbook_run
import trouble

VARIABLES = ("-e", f"@{lab_state.ROOT}/molecule/pair/vars/pair.yml")
CLIENT = "deb-nginx01"
# The pod of the echo service is on k8s-node1.
NODE = "k8s-node3"
DIRECTOR = "molecule/director/converge.yml"
PORT = "ip link set vec0"


def directors() -> list[str]:
    return lab_state.hosts("director")


def holders() -> list[str]:
    """Those that are out of reach hold nothing."""
    return [name for name in directors() if f" {holding.VIP}/32 " in _said(name, "ip -4 -o address show")]


def _said(name: str, command: str) -> str:
    return lab_state.ask(name, command).stdout


def settled() -> None:
    """One holds the address, and all run keepalived and have the same table."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        tables = {_said(name, "systemctl is-active keepalived && ipvsadm -S -n") for name in directors()}
        if len(holders()) == 1 and len(tables) == 1 and all(text.startswith("active\n") for text in tables):
            # For the connections to be known everywhere.
            time.sleep(3)
            return
        time.sleep(1)
    raise lab_state.LabStateError("the directors do not settle within 120 s")


def roles() -> tuple[str, str]:
    """Who holds the address, and who would."""
    (holder,) = holders()
    return holder, next(name for name in directors() if name != holder)


@contextmanager
def site() -> Iterator[None]:
    """Both directors, and the echo service that the connections go to."""
    done = playbook_run.run("molecule/pair/converge.yml", *VARIABLES)
    assert done.returncode == 0, done.stdout[-4000:]
    holding.stop()
    holding.start()
    try:
        yield
    finally:
        holding.stop()


def _lab(*arguments: str) -> None:
    command = [str(lab_state.ROOT / "lab/lab"), *arguments]
    subprocess.run(command, check=True, timeout=240, stdin=subprocess.DEVNULL)


def _play(*arguments: str) -> subprocess.CompletedProcess[str]:
    return playbook_run.run(*arguments, *VARIABLES)


def power_cut_of_the_holder() -> None:
    _lab("reboot", "--hard", trouble.lab_name(roles()[0]))


def power_cut_of_the_other() -> None:
    _lab("reboot", "--hard", trouble.lab_name(roles()[1]))


def keepalived_killed() -> None:
    lab_state.must(roles()[0], "systemctl kill --signal=KILL keepalived")
    time.sleep(6)


def link_cut_and_back() -> None:
    """Both hold the address for a while, and one of them when they hear each other again."""
    lab_state.must(roles()[0], f"nohup sh -c '{PORT} down; sleep 5; {PORT} up' >/dev/null 2>&1 &")
    time.sleep(12)


def reload_with_another_weight() -> None:
    """As a run of the role reloads it: a node is drained, and comes back."""
    for playbook in ("drain", "undrain"):
        done = _play(f"playbooks/{playbook}.yml", "-e", f"node={NODE}", "-e", "director_drain_timeout=1")
        assert done.returncode == 0, done.stdout[-4000:]


def reboot_of_the_holder() -> None:
    _lab("reboot", trouble.lab_name(roles()[0]))


def planned_failover() -> None:
    done = _play("playbooks/failover.yml")
    assert done.returncode == 0, done.stdout[-4000:]


def restarted_one_after_the_other() -> None:
    """A run that changes both, the one that holds the address last."""
    for interval in ("0.25", "0.3"):
        done = _play(DIRECTOR, "-e", f"director_advert_interval={interval}")
        assert done.returncode == 0, done.stdout[-4000:]


def node_killed_and_back() -> None:
    """Nothing gets to it or from it, for longer than a connection waits. Without its processes alone it would go on
    forwarding: the kernel of a node in the lab is the machine's."""
    rules = [f"iptables -w -t raw {{}} {chain} -j DROP" for chain in ("PREROUTING -i eth0", "OUTPUT -o eth0")]
    cut, mend = ("; ".join(rule.format(verb) for rule in rules) for verb in ("-I", "-D"))
    lab_state.must(NODE, f"nohup sh -c 'sleep 1; {cut}; sleep 24; {mend}' >/dev/null 2>&1 &")
    time.sleep(35)


@dataclasses.dataclass(frozen=True)
class Case:
    act: Callable[[], None]
    # Of the held connections, how many may break.
    broken: int = 0
    # Seconds that a new one has, and how many of the new ones may fail, if that is limited.
    limit: float = 1
    failed: int | None = None

    @property
    def name(self) -> str:
        name = self.act.__name__.replace("_", " ")
        return name if self.limit == 1 else f"{name}, {self.limit:g} s"

    def run(self) -> dict[str, Any]:
        settled()
        with holding.connections(CLIENT, self.limit) as result:
            self.act()
        settled()
        return result


CASES = (
    Case(power_cut_of_the_holder),
    Case(power_cut_of_the_other),
    Case(keepalived_killed),
    Case(link_cut_and_back),
    Case(reload_with_another_weight),
    Case(reboot_of_the_holder),
    Case(planned_failover),
    Case(planned_failover, limit=3, failed=0),
    Case(restarted_one_after_the_other),
    # Those on that node.
    Case(node_killed_and_back, broken=10),
)
