# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power goes while a table is changed: on a kernel of its own, like the director's, with a
disk that is left as it is.

Needs root and the built lab (its director's disk image), not a running one.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.build import director as director_image
from lab.build import uml_shim
from lab.hosts import uml

ROOT = Path(__file__).resolve().parents[3]
CUTS = int(os.environ.get("MESH_EXPANSION_CUTS", "6"))
INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t tmpfs tmpfs /run
ip link set lo up
exec python3 -B /mnt/power_cut_guest.py /mnt "$1"
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Machine:
    """Boots from the director's image; what it writes to its own disk stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        tree = folder / "tree"
        for name in ("_netlink", "_ipvs"):
            shutil.copytree(
                ROOT / "plugins/module_utils" / name,
                tree / "mesh_ipvs" / name,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        shutil.copy(Path(__file__).with_name("power_cut_guest.py"), tree)
        (tree / "init").write_text(INIT)
        (tree / "init").chmod(0o755)
        subprocess.run(["mkfs.ext4", "-q", "-d", tree, folder / "data.img", "64M"], check=True)

    def run(self, generation: int, enough: Callable[[str], bool], then: float) -> str:
        """Boots, waits until the console says enough and a little longer, and cuts the power."""
        console = self._folder / f"console-{time.monotonic_ns()}"
        command = [
            "linux.uml", "mem=256M", f"ubd0={self._folder}/root.cow,{director_image.build()}",
            f"ubd1={self._folder}/data.img", "root=/dev/ubda", "rw",
            "con=null", "con0=null,fd:1", "ssl=null", f"umid=cut{os.getpid()}",
            f"uml_dir={self._folder}/", "quiet", "init=/bin/sh",
            "--", "-c", f'"mount /dev/ubdb /mnt && exec /mnt/init {generation}"',
        ]  # fmt: skip
        environment = {**os.environ, "LD_PRELOAD": str(uml_shim.build())}
        with console.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
                preexec_fn=uml.stay_on_one_cpu,
            )
            try:
                deadline = time.monotonic() + 90
                while not enough(console.read_text(errors="replace")):
                    assert process.poll() is None, console.read_text(errors="replace")
                    assert time.monotonic() < deadline, console.read_text(errors="replace")
                    time.sleep(0.02)
                time.sleep(then)
            finally:
                # All of it at once, its helper processes too.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=10)
        (self._folder / "root.cow").unlink(missing_ok=True)
        return console.read_text(errors="replace")


def numbers(word: str, text: str) -> list[int]:
    return [int(found) for found in re.findall(rf"^{word} (\d+)", text, re.MULTILINE)]


def test_after_a_power_cut_there_is_the_old_table_or_the_new_one(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    dice = random.Random(20261122)
    last = 0
    says = machine.run(0, lambda text: "SAVED 1" in text, 0)
    for _cut in range(CUTS):
        applying, saved = numbers("APPLYING", says)[-1], (numbers("SAVED", says) or [last])[-1]
        assert "BROKEN" not in says
        at_least = dice.randint(1, 3)
        says = machine.run(
            applying,
            lambda text, at_least=at_least: len(numbers("APPLIED", text)) >= at_least,  # type: ignore[misc]
            dice.uniform(0, 0.3),
        )
        assert "LOADER 0" in says, says
        (restored,) = numbers("RESTORED", says)
        # The file of the last table that was saved, or of the one that was about to be.
        assert saved <= restored <= applying, says
        # The interrupted change is completed by the next run.
        assert re.search(rf"^APPLIED {applying} COMPLETE", says, re.MULTILINE), says
        last = restored
