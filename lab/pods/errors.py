# Part of the lab's stand-in for the kubelet: why a container has no process.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways to say that a Pod cannot be run as it is."""

from __future__ import annotations


class CannotStart(Exception):
    """The container has no process: reason as in the API's waiting state."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnsupportedSpec(Exception):
    """The Pod asks for something that the runner does not do."""
