# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter chains that the sidecar makes, and how they go. Private to the collection.

Chains are found by a text for sh and awk and not by Python: the guard's script uses it as well, and needs no Python.
"""

from __future__ import annotations

import typing as t

from ..._host import commands

Chains = t.Mapping[str, t.Sequence[str]]
# Chains that istio-iptables.sh makes, per table; rules in other chains lead to them.
OWN_CHAINS = {
    "nat": ("ISTIO_INBOUND", "ISTIO_OUTPUT", "ISTIO_REDIRECT", "ISTIO_IN_REDIRECT"),
    "mangle": ("ISTIO_INBOUND", "ISTIO_DIVERT", "ISTIO_TPROXY"),
}
# Ours, for a while; see tracking.
TRACKING = "MESH_EXPANSION"
# Those of an agent that writes its rules itself, into one of the two kinds of tables.
_OF_AGENT = (
    "ISTIO_INBOUND",
    "ISTIO_OUTPUT",
    "ISTIO_REDIRECT",
    "ISTIO_IN_REDIRECT",
    "ISTIO_DIVERT",
    "ISTIO_TPROXY",
    "ISTIO_DROP",
    "ISTIO_OUTPUT_DNS",
    TRACKING,
)
AGENT_CHAINS = dict.fromkeys(("raw", "mangle", "nat", "filter"), _OF_AGENT)
SCRIPTS_FILTER = "iptables"


def awk(own: Chains) -> str:
    """Reads what iptables-save prints, and prints what iptables-restore --noflush takes: nothing without such chains.
    All chains of a table are emptied before the first is deleted: they refer to each other."""
    return (
        'BEGIN { split("'
        + " ".join(f"{table}/{chain}" for table, chains in own.items() for chain in chains)
        + r"""", names, " "); for (i in names) own[names[i]] = 1 }
function flush_table() {
  if (chains == "") return
  printf "*%s\n%s", table, jumps
  count = split(chains, list, " ")
  for (i = 1; i <= count; i++) print "-F " list[i]
  for (i = 1; i <= count; i++) print "-X " list[i]
  print "COMMIT"
}
/^\*/ { table = substr($1, 2); chains = ""; jumps = "" }
/^:/ { name = substr($1, 2); if ((table "/" name) in own) chains = chains " " name }
/^-A / {
  if ((table "/" $2) in own) next
  for (i = 3; i < NF; i++)
    if ($i == "-j" && (table "/" $(i + 1)) in own) { jumps = jumps "-D" substr($0, 3) "\n"; break }
}
/^COMMIT/ { flush_table() }
"""
    )


def _find(program: str, own: Chains | None = None) -> str:
    own = own or (OWN_CHAINS if program == SCRIPTS_FILTER else AGENT_CHAINS)
    return f"{program}-save 2>/dev/null | awk '{awk(own)}'"


def restore(program: str) -> tuple[str, ...]:
    return f"{program}-restore", "--noflush", "-w", "10"


def remove(program: str = SCRIPTS_FILTER, own: Chains | None = None) -> tuple[str, str, str]:
    """For the guard's script; C(program) is iptables, or one of the two that it may stand for."""
    return "sh", "-c", f"{_find(program, own)} | {' '.join(restore(program))}"


def untrack(program: str) -> tuple[str, str, str]:
    return remove(program, {"filter": (TRACKING,)})


def removal(program: str = SCRIPTS_FILTER) -> str:
    """Input of iptables-restore that takes the chains out, all of a table or none; empty if there are none."""
    return commands.must(["sh", "-c", _find(program)])
