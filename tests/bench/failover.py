# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM notices when one of two directors goes: the role's pair beside a keepalived that is configured by hand.

Starts a lab of its own with two directors, and takes it down at the end. Adds its rows to build/bench.json.

Usage: python -m tests.bench.failover [--runs N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import rows

ROOT = Path(__file__).resolve().parents[2]
# What the bench shares with Molecule's scenarios and with `make faults`.
sys.path[:0] = [str(ROOT / "molecule/shared"), str(ROOT / "tests/pair")]

import cases  # noqa: E402
import holding  # noqa: E402
import lab_state  # noqa: E402
import playbook_run  # noqa: E402

PART = "failover"
FIGURES = ("broken", "silence_s", "window_s", "failed")
OURS = (cases.power_cut_of_the_holder, cases.power_cut_of_the_other, cases.planned_failover, cases.node_killed_and_back)
# By hand there is no planned failover.
PEERS = (cases.power_cut_of_the_holder, cases.power_cut_of_the_other, cases.node_killed_and_back)

_PEER = """\
global_defs {{
    vrrp_version 3
    lvs_sync_daemon vec0 VI_1 id 7
    vrrp_garp_master_repeat 3
}}
vrrp_instance VI_1 {{
    state BACKUP
    nopreempt
    interface vec0
    virtual_router_id 7
    priority {priority}
    advert_int 0.3
    unicast_src_ip {own}
    unicast_peer {{
        {other}
    }}
    virtual_ipaddress {{
        192.168.0.62/32 dev vec0
    }}
}}
virtual_server 192.168.0.62 7000 {{
    lb_algo wrr
    lb_kind DR
    protocol TCP
    delay_loop 0.7
{servers}
}}
"""
_SERVER = """\
    real_server {address} 7000 {{
        inhibit_on_failure
        HTTP_GET {{
            connect_port 10256
            connect_timeout 1
            retry 1
            delay_before_retry 0.3
            url {{
                path /healthz
                status_code 200
            }}
        }}
    }}"""


def by_hand() -> None:
    """The role's part goes, and the same is made by hand."""
    _must(playbook_run.run("playbooks/teardown.yml", "--tags", "director", *cases.VARIABLES))
    addresses = lab_state.addresses()
    servers = "\n".join(_SERVER.format(address=addresses[name]) for name in lab_state.hosts("k8s_nodes"))
    names = cases.directors()
    for place, name in enumerate(names):
        other = next(one for one in names if one != name)
        text = _PEER.format(own=addresses[name], other=addresses[other], priority=120 - 20 * place, servers=servers)
        lab_state.must(name, "apt-get -qq update && apt-get -qqy --no-install-recommends install keepalived")
        lab_state.must(name, "modprobe -a ip_vs ip_vs_wrr && cat > /etc/keepalived/keepalived.conf", text)
        # What is not on the disk yet is lost in a power cut.
        lab_state.must(name, "systemctl restart keepalived && sync")


def _must(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-4000:])


def measured(acts: Sequence[Any], runs: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for act in acts:
        case = cases.Case(act)
        found[case.name] = [case.run() for _number in range(runs)]
        print(f"{case.name}: {found[case.name]}", flush=True)
    return found


def summed_up(ours: dict[str, list[dict[str, Any]]], peers: dict[str, list[dict[str, Any]]]) -> list[rows.Row]:
    """One row for each case: minimum, median and maximum of each figure."""
    return [
        {
            "case": name,
            "runs": len(results),
            **_figures(results, ""),
            **_figures(peers.get(name, []), "peer_"),
        }
        for name, results in ours.items()
    ]


def _figures(results: Sequence[dict[str, Any]], prefix: str) -> dict[str, list[float]]:
    if not results:
        return {}
    return {
        f"{prefix}{figure}": [min(values), statistics.median(values), max(values)]
        for figure in FIGURES
        for values in [[float(result[figure]) for result in results]]
    }


def run(runs: int) -> None:
    """Within the lab."""
    _must(playbook_run.run("molecule/pair/converge.yml", *cases.VARIABLES))
    holding.start()
    ours = measured(OURS, runs)
    by_hand()
    rows.store(PART, summed_up(ours, measured(PEERS, runs)))


def main() -> int:
    parser = argparse.ArgumentParser(description="What a VM notices when one of two directors goes.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        run(options.runs)
        return 0
    lab = str(ROOT / "lab/lab")
    subprocess.run([lab, "down"], check=True)
    try:
        subprocess.run([lab, "up", "citadel", "--directors", "2"], check=True)
        command = [lab, "run", sys.executable, "-m", "tests.bench.failover", "--inside", "--runs", str(options.runs)]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    finally:
        subprocess.run([lab, "down"], check=True)


if __name__ == "__main__":
    sys.exit(main())
