# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of this package's exceptions. Private to the collection."""

from __future__ import annotations


class MeshError(ValueError):
    """A value that cannot be used; the text names the variable, the value and the way out."""
