# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as the only program of a kernel whose power is cut:
restores the saved table, then changes table and file until the end.

Usage: python3 power_cut_guest.py DIRECTORY SEED. DIRECTORY, on a disk, holds the package mesh_ipvs and the saved table.
Says on the console what was restored and what is being applied.
"""

from __future__ import annotations

import os
import random
import sys
import typing as t

FOLDER = sys.argv[1]
sys.path.insert(0, FOLDER)

from mesh_ipvs._ipvs import loader, options, plan, reconcile, save  # type: ignore[import-not-found]  # noqa: E402
from mesh_ipvs._ipvs.client import Client  # type: ignore[import-not-found]  # noqa: E402

SAVED = f"{FOLDER}/ipvs.json"
VIPS = ["10.0.0.1"]


def table(generation: int) -> list[dict[str, t.Any]]:
    """Another one for every generation, with up to 300 services."""
    dice = random.Random(generation)
    return [
        {
            "tcp_service": f"10.0.0.1:{port}",
            "scheduler": dice.choice(["rr", "wrr", "wlc"]),
            "real_servers": [
                {"real_server": f"10.1.0.{host}", "weight": dice.randint(0, 9)}
                for host in range(1, dice.randint(2, 10))
            ],
        }
        for port in range(1, 400)
        if dice.random() < 0.75
    ]


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def matches(generation: int) -> bool:
    """Whether the kernel has the table of a generation, and nothing else."""
    with Client.open() as client:
        return not plan.plan(client.read(), options.parse_services(table(generation)), plan.PURGE_ALL)


def saved_generation(candidates: t.Iterable[int]) -> int | None:
    found = save.load(SAVED)
    return next((number for number in candidates if found.services == options.parse_services(table(number))), None)


def main(last: int) -> None:
    if os.path.exists(SAVED):
        say("LOADER", loader.main(["--restore", SAVED]))
        generation = saved_generation(range(last + 1000))
        say("RESTORED", generation, "COMPLETE" if generation is not None and matches(generation) else "BROKEN")
    else:
        generation = last
    # What was being applied when the power went is applied again.
    number = last
    while True:
        say("APPLYING", number)
        with Client.open() as client:
            reconcile.reconcile(
                client, options.parse_services(table(number)), plan.PURGE_SERVICES, options.parse_addresses(VIPS)
            )
        say("APPLIED", number, "COMPLETE" if matches(number) else "BROKEN")
        save.store(SAVED, save.dumps(table(number), VIPS))
        say("SAVED", number)
        number += 1


main(int(sys.argv[2]))
