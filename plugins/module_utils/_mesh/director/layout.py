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
# 1 keeps this director of a pair from holding the address.
STANDBY = f"{STATE}/standby"
# 1 while keepalived is being ended; whatever happens, not after it.
LEAVING = "/run/mesh-director-leaving"
# Asks the nodes, and tells keepalived by files which are to be out.
HEALTH_UNIT = "mesh-health.service"
HEALTH_UNIT_FILE = f"/etc/systemd/system/{HEALTH_UNIT}"
HEALTH = "/run/mesh-expansion"
# Where services are asked for through a node: a network namespace, and the one interface in it.
PROBE_UNIT = "mesh-probe.service"
PROBE_UNIT_FILE = f"/etc/systemd/system/{PROBE_UNIT}"
PROBE = "mesh-probe"
NAMESPACE = f"/run/netns/{PROBE}"
HEALTH_ROOTS = f"{SETTINGS}/health-roots.pem"
# How releases before 1.1 remembered what was there before.
OLD_FOOTPRINT = f"{STATE}/director-before.json"

# Not ours.
IPVSADM = "/etc/default/ipvsadm"
KEEPALIVED = "/etc/keepalived"
KEEPALIVED_CONF = f"{KEEPALIVED}/keepalived.conf"
KEEPALIVED_UNIT = "keepalived.service"
KEEPALIVED_DROP_INS = f"/etc/systemd/system/{KEEPALIVED_UNIT}.d"
KEEPALIVED_PACKAGE = "keepalived"

KEEPALIVED_DROP_IN = f"{KEEPALIVED_DROP_INS}/mesh-expansion.conf"

FILES = (
    TABLE,
    DRAINED,
    STANDBY,
    HEALTH_ROOTS,
    SYSCTLS,
    MODULES,
    UNIT_FILE,
    HEALTH_UNIT_FILE,
    PROBE_UNIT_FILE,
    KEEPALIVED_DROP_IN,
    OLD_FOOTPRINT,
)
DIRECTORIES = (LIBRARY, SETTINGS, STATE, KEEPALIVED_DROP_INS)
