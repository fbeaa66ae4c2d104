# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exception of this package. Private to the collection."""

from __future__ import annotations

from ..errors import MeshError


class BootstrapError(MeshError):
    """The cluster or the options do not make usable bootstrap files; the text is fit for a user."""


class NoGroup(BootstrapError):
    """There is no such WorkloadGroup. In check mode, what makes it may have changed nothing."""
