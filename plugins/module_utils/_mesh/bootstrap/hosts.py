# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of istiod in a VM's hosts file. Pure. Private to the collection."""

from __future__ import annotations

import ipaddress

from .errors import BootstrapError

MARK = "# mesh.expansion: istiod"


def with_line(text: str, address: str, host: str, where: str) -> str:
    """A hosts file in which istiod's name means the address, by a line of ours at the place of an earlier one."""
    ours, kept, there = f"{address} {host} {MARK}", [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.endswith(MARK):
            if there:
                continue
            line, there = ours, True
        elif host in line.split("#", 1)[0].split()[1:]:
            if not _same(line.split()[0], address):
                raise BootstrapError(
                    f"{where}, line {number}, says that {host} is {line.split()[0]}, not {address}. Remove that line, "
                    "or set hosts_entry to false."
                )
            there = True
        kept.append(line)
    if not there:
        kept.append(ours)
    return text if kept == text.splitlines() else "\n".join(kept) + "\n"


def without_line(text: str) -> str:
    """The hosts file without the line of ours."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.rstrip("\r\n").endswith(MARK))


def _same(one: str, other: str) -> bool:
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return False
