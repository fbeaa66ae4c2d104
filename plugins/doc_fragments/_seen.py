# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of filters that judge what modules have seen on the hosts of a site. Private to the collection."""

    DOCUMENTATION = r"""
options:
  directors:
    description: Results of M(mesh.expansion.director_look) by host.
    type: dict
    default: {}
  vms:
    description: Results of M(mesh.expansion.verify_vm) by host.
    type: dict
    default: {}
"""
