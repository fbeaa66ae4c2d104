# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What a filter that reads the variables of a host is given. Private to the collection."""

    DOCUMENTATION = r"""
options:
  _input:
    description: Name of the host in the inventory whose variables are the site's, as a rule V(inventory_hostname).
    type: string
    required: true
"""
