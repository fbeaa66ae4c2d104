# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining many VMs: site.yml and verify.yml against a shell script that does it by hand, over ssh: the VMs' part of the
procedure, or with `--generation istiod` Istio's documented steps.

Run by `make bench-onboarding` as root. Each case that joins has a lab of its own, so that VMs are new; the lab is
down at the end. Adds its rows to build/bench.json; output of the runs and all figures are in build/onboarding.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import config, hosts
from lab import inventory as lab_inventory
from lab import shape as shapes
from lab.config import Host
from tests.bench import onboarding_measure as measure
from tests.bench import rows
from tests.bench.onboarding_measure import FIRST, SCRIPT, SCRIPT_PARALLEL, SECOND, VERIFY, Measured
from tests.bench.onboarding_ways import WAYS, Way
from tests.upgrade import release

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
RESULTS = ROOT / "build/onboarding"
LAB = str(ROOT / "lab/lab")
AT_ONCE = 8
GROUPS = {"director": "director", "node": "node", "vm": "VM"}
"""Role of a host of the lab -> how the table calls it."""
CONTROL = "control node"
PYTHON = "/usr/local/sbin/counted-python3"
COUNTER = "/var/tmp/counted-python3.log"
# A timestamp for each start of the interpreter; appending a line is atomic.
WRAPPER = """#!/bin/sh
date +%s.%N >>{counter}
exec {python} "$@"
"""
TIMEOUT = 7200
MIXED_UP = 0.5
"""Seconds that a host's clock may differ: times of tasks and of executions are compared."""


class BenchError(Exception):
    """A run failed, so there is nothing to measure."""


def shown(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def lab(*words: str) -> None:
    """`up` or `down`; what it prints goes to a file."""
    with (RESULTS / "lab.log").open("ab") as output:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        done = subprocess.run([LAB, *words], **streams, timeout=1800, check=False)
    if done.returncode:
        raise BenchError(f"lab/lab {' '.join(words)} failed: {output.name}")


def new_lab(way: Way, vms: int) -> None:
    shown(f"a new lab with {vms} VMs")
    lab("down")
    lab("up", way.generation, "--vms", str(vms), "--spare", "0")
    # The record of its shape is read once in a process.
    config.use(shapes.load(config.shape_file()) or config.default_shape())


def timed(name: str, command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run inside the lab's network; return the wall time, and the control node's processor time."""
    path = RESULTS / f"{name}.log"
    with path.open("wb") as output:
        begun = time.perf_counter()
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        process = subprocess.Popen([LAB, "run", *command], cwd=ROOT, env=os.environ | environment, **streams)
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        end = path.read_text(encoding="utf-8", errors="replace")[-2500:]
        raise BenchError(f"{' '.join(command)} failed; {path} ends:\n{end}")
    return wall, usage.ru_utime + usage.ru_stime


def name_of(way: Way, case: str, vms: int) -> str:
    return f"{way.generation}-{vms}-{''.join(letter if letter.isalnum() else '-' for letter in case)}"


def site_environment(timeline: Path, local_python: Path) -> dict[str, str]:
    return {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "timeline",
        "MESH_BENCH_TIMELINE": str(timeline),
        "MESH_BENCH_PYTHON": str(local_python),
    }


def on_all(work: Callable[[Host], object]) -> None:
    members = config.topology().hosts
    with ThreadPoolExecutor(8) as pool:
        for _done in pool.map(work, members):
            pass


def ask(host: Host, line: str, given: str | None = None) -> str:
    return str(hosts.ssh(host, [line], input=given).stdout)


def install_counter(scratch: Path) -> tuple[Path, Path, Path]:
    """Have every host count starts of the interpreter; return an inventory, the control node's program and its log."""

    def install(host: Host) -> None:
        ask(host, f"cat >{PYTHON} && chmod 755 {PYTHON}", WRAPPER.format(counter=COUNTER, python="/usr/bin/python3"))
        offset = float(ask(host, "date +%s.%N")) - time.time()
        if abs(offset) > MIXED_UP:
            raise BenchError(f"the clock of {host.name} differs by {offset:.1f} s: no telling which role executed what")

    on_all(install)
    site = config.topology()
    members = {lab_inventory.inventory_name(site, host): {"ansible_python_interpreter": PYTHON} for host in site.hosts}
    inventory = scratch / "counted.yml"
    # JSON is YAML.
    inventory.write_text(json.dumps({"all": {"hosts": members}}), encoding="utf-8")
    counter, program = scratch / "localhost.log", scratch / "counted-python3"
    program.write_text(WRAPPER.format(counter=counter, python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    return inventory, program, counter


def executions(timeline: Path, local_counter: Path) -> measure.Executions:
    """What was counted since the last time, by group and role."""
    entries = [json.loads(line) for line in timeline.read_text(encoding="utf-8").splitlines()]
    counts: dict[str, Counter[str]] = {}

    def collect(host: Host) -> None:
        printed = ask(host, f"cat {COUNTER} 2>/dev/null; rm -f {COUNTER}")
        counts[host.name] = measure.by_role([float(line) for line in printed.split()], entries)

    on_all(collect)
    printed = local_counter.read_text(encoding="utf-8") if local_counter.exists() else ""
    local_counter.unlink(missing_ok=True)
    counts[CONTROL] = measure.by_role([float(line) for line in printed.split()], entries)
    site = config.topology()
    groups = {label: [host.name for host in site.with_role(role)] for role, label in GROUPS.items()}
    return measure.by_group(counts, {**groups, CONTROL: [CONTROL]})


def run_script(way: Way, case: str, vms: int, at_once: int) -> Measured:
    """The script on new VMs. What comes before the VMs' part of the procedure is there already."""
    new_lab(way, vms)
    site = config.topology()
    with tempfile.TemporaryDirectory() as folder:
        command = ["ansible-playbook", "-i", "inventory/lab", "site.yml", "--tags", "exposure,director,real_server"]
        timed(name_of(way, f"exposure for {case}", vms), command, {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})
        shown(f"{vms} VMs: {case}")
        targets = [f"{host.name}={host.address}" for host in site.with_role("vm")]
        script = [str(HERE / way.script), folder, str(at_once), *targets]
        wall, cpu = timed(name_of(way, case, vms), script, way.environment())
    require_joined(way)
    return Measured(case, vms, wall, cpu)


def require_joined(way: Way) -> None:
    for host in config.topology().with_role("vm"):
        lacks = way.lacks(lambda line, host=host: ask(host, line))
        if lacks:
            raise BenchError(f"{host.name} has not joined: {lacks}")


@dataclass(frozen=True)
class Collection:
    """Whose playbooks are measured."""

    part: str
    site: str
    verify: str
    environment: dict[str, str]


def checkout(way: Way) -> Collection:
    part = "onboarding" if way.generation == "citadel" else f"onboarding, {way.generation}"
    return Collection(part, "site.yml", "playbooks/verify.yml", {})


def earlier() -> Collection:
    environment = release.environment(release.unpack(RESULTS / "release"))
    part = f"onboarding, {release.COMMIT}"
    return Collection(part, "mesh.expansion.site", "mesh.expansion.verify", environment)


def grant(way: Way, vms: int, scratch: Path) -> None:
    """The documented roles, which the lab begins with, name its first VMs; those that rbac.yml writes name all."""
    roles = scratch / "rbac.yml"
    command = ["ansible-playbook", "-i", "inventory/lab", "playbooks/rbac.yml", "-e", f"rbac_file={roles}"]
    timed(name_of(way, "rights", vms), command, {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})
    lab("kubectl", "apply", "-f", str(roles))


def run_site(way: Way, vms: int, measured: Collection) -> list[Measured]:
    """site.yml on new VMs, site.yml once more, verify.yml."""
    new_lab(way, vms)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        grant(way, vms, scratch)
        inventory, program, counter = install_counter(scratch)
        for case, playbook in ((FIRST, measured.site), (SECOND, measured.site), (VERIFY, measured.verify)):
            shown(f"{vms} VMs: {case}")
            timeline = scratch / "timeline.json"
            command = ["ansible-playbook", "-i", "inventory/lab", "-i", str(inventory), playbook]
            environment = site_environment(timeline, program) | measured.environment
            wall, cpu = timed(name_of(way, case, vms), command, environment)
            found.append(Measured(case, vms, wall, cpu, executions(timeline, counter)))
            shown(f"  {wall:.1f} s")
    require_joined(way)
    return found


def growing(most: int, text: str) -> list[int]:
    """Numbers of VMs below the largest, of `4,8`."""
    return sorted({int(word) for word in text.split(",") if word and int(word) < most})


def report(way: Way, measured: Sequence[Measured], part: str) -> None:
    """After each case, so that a run that is cut has said what it knew."""
    document = json.dumps([dataclasses.asdict(one) for one in measured], indent=1)
    (RESULTS / f"{way.generation}-measured.json").write_text(document + "\n", encoding="utf-8")
    rows.store(part, measure.rows(measured))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m tests.bench.onboarding", description="Measure what joining VMs costs.")
    parser.add_argument("--vms", type=int, default=16, metavar="N", help="VMs of the largest lab (default: 16)")
    parser.add_argument("--growth", default="4,8", metavar="N,N", help="smaller numbers for the growth (default: 4,8)")
    parser.add_argument("--no-script", action="store_true", help="leave the shell script out")
    parser.add_argument("--release", action="store_true", help=f"measure the release {release.COMMIT}")
    parser.add_argument("--generation", choices=list(WAYS), default="citadel", help="of the lab (default: citadel)")
    options = parser.parse_args(arguments)
    if options.release and options.generation != "citadel":
        parser.error(f"the release {release.COMMIT} knows no other generation than citadel")
    if os.geteuid() != 0:
        print("make bench-onboarding: needs root for the lab", file=sys.stderr)
        return 1
    RESULTS.mkdir(parents=True, exist_ok=True)
    way = WAYS[options.generation]
    collection = earlier() if options.release else checkout(way)
    measured: list[Measured] = []
    try:
        if not options.no_script:
            for case, at_once in ((SCRIPT, 1), (SCRIPT_PARALLEL, AT_ONCE)):
                measured.append(run_script(way, case, options.vms, at_once))
                shown(f"  {measured[-1].wall:.1f} s")
        for vms in (options.vms, *growing(options.vms, options.growth)):
            measured += run_site(way, vms, collection)
            report(way, measured, collection.part)
    except BenchError as error:
        print(f"onboarding: {error}", file=sys.stderr)
        return 1
    finally:
        lab("down")
    print(f"\n{measure.table(measured)}\nRows: {rows.FILE}; output of each run: {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
