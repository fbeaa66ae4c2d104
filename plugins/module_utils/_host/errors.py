# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of this package. Private to the collection."""

from __future__ import annotations


class HostError(Exception):
    """Something on this host could not be looked at or changed; the text is fit for a user."""
