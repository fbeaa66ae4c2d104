# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that follows from the list of exposed services. Pure. Private to the collection.

One list says which control-plane Services are reachable on the virtual address. The Kubernetes Services and the
director's IPVS table are both computed here from it, so that they cannot disagree.
"""

from __future__ import annotations

from .ipvs import ipvs_table
from .model import Entry, ExposureError, parse_address, parse_services
from .profiles import PROFILES, exposed_services
from .services import MANAGED_BY, exposure_manifests

__all__ = [
    "MANAGED_BY",
    "PROFILES",
    "Entry",
    "ExposureError",
    "exposed_services",
    "exposure_manifests",
    "ipvs_table",
    "parse_address",
    "parse_services",
]
