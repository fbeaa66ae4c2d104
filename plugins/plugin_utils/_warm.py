# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads once, in Ansible's main process, what each of its workers would load anew. Private to the collection.

Ansible forks a worker for each task on each host. The client library of Kubernetes and the one for certificates take a
worker a third of a second; what is there before the fork costs it nothing.
"""

from __future__ import annotations

import importlib

_PLUGINS = "ansible_collections.mesh.expansion.plugins"
_USED = (
    "action.istio_vm_bootstrap",
    "action.istio_vm_certs",
    "modules.istio_register",
    "modules.kube_access_info",
    "modules.mesh_services",
    "modules.verify_cluster",
)


def load() -> None:
    """Of what cannot be loaded, the task that needs it says so."""
    for name in _USED:
        try:
            importlib.import_module(f"{_PLUGINS}.{name}")
        except ImportError:
            return
