# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter chains that the sidecar's scripts make, and how they go. Private to the collection.

Chains are found by a text for sh and awk and not by Python: the guard's script uses it as well, and needs no Python.
"""

from __future__ import annotations

from ..._host import commands

# Chains that istio-iptables.sh makes, per table; rules in other chains lead to them.
OWN_CHAINS = {
    "nat": ("ISTIO_INBOUND", "ISTIO_OUTPUT", "ISTIO_REDIRECT", "ISTIO_IN_REDIRECT"),
    "mangle": ("ISTIO_INBOUND", "ISTIO_DIVERT", "ISTIO_TPROXY"),
}

# Reads what iptables-save prints, and prints what iptables-restore --noflush takes: nothing without such chains.
# All chains of a table are emptied before the first is deleted: they refer to each other.
AWK = (
    'BEGIN { split("'
    + " ".join(f"{table}/{chain}" for table, chains in OWN_CHAINS.items() for chain in chains)
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
_FIND = f"iptables-save 2>/dev/null | awk '{AWK}'"
# For the guard's script.
REMOVE = ("sh", "-c", f"{_FIND} | iptables-restore --noflush -w 10")
RESTORE = ("iptables-restore", "--noflush", "-w", "10")


def removal() -> str:
    """Input of iptables-restore that takes the chains out, all of a table or none; empty if there are none."""
    return commands.must(["sh", "-c", _FIND])
