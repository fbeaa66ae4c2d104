# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of real servers that come from the cluster: of those that have no host nobody knows more than the API. Pure.
Private to the collection."""

from __future__ import annotations

import typing as t

from ..nodes import WORDS
from .model import CLUSTER_HOST, FAILED, UNCHECKED, Row

ROW = "N1"
WHAT = "the node takes what the director forwards"
HOW = "the cluster's nodes, matched to the hosts of the inventory by address"


def rows(real_servers: t.Mapping[str, t.Any]) -> list[Row]:
    """C(real_servers) is that part of a site; empty where real servers are the inventory's alone."""
    return [
        *(
            Row(ROW, WHAT, HOW, UNCHECKED, True, f"{name} ({address}) {why}", name)
            for key, why in WORDS.items()
            for name, address in real_servers.get(key, {}).items()
        ),
        *(Row(ROW, WHAT, HOW, FAILED, False, said, CLUSTER_HOST) for said in real_servers.get("refused", ())),
    ]
