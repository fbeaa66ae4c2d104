# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the director's files are. Private to the collection."""

from __future__ import annotations

ROLE = "director"
UNIT = "mesh-director.service"

LIBRARY = "/usr/local/lib/mesh-expansion"
PACKAGE = f"{LIBRARY}/mesh_ipvs"
SETTINGS = "/etc/mesh-expansion"
TABLE = f"{SETTINGS}/ipvs.json"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
MODULES = "/etc/modules-load.d/mesh-expansion-director.conf"
SYSCTLS = "/etc/sysctl.d/90-mesh-expansion-director.conf"
STATE = "/var/lib/mesh-expansion"
DRAINED = f"{STATE}/drained.json"
# How releases before 1.1 remembered what was there before.
OLD_FOOTPRINT = f"{STATE}/director-before.json"

# Not ours.
IPVSADM = "/etc/default/ipvsadm"
KEEPALIVED = "/etc/keepalived"

FILES = (TABLE, DRAINED, SYSCTLS, MODULES, UNIT_FILE, OLD_FOOTPRINT)
DIRECTORIES = (LIBRARY, SETTINGS, STATE)
