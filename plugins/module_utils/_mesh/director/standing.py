# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a director stands among others before anything is wanted of it. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host import paths, systemd
from . import keepalived, layout, pair


def look() -> dict[str, t.Any]:
    conf = paths.read(layout.KEEPALIVED_CONF)
    there = conf.kind == paths.FILE
    return {
        # A host without systemd is found elsewhere.
        "active": there and systemd.look([layout.KEEPALIVED_UNIT])[layout.KEEPALIVED_UNIT].active,
        "foreign": there and not keepalived.is_ours(conf),
        "standby": pair.stands_by(paths.read(layout.STANDBY)),
    }
