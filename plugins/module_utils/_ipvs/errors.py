# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the IPVS engine. Private to the collection."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .plan import Operation


class IpvsError(Exception):
    """Base of all errors of this package."""


class ValidationError(IpvsError):
    """The wanted table is not right. Lists every problem, each with the entry that has it."""

    def __init__(self, problems: t.Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class UnavailableError(IpvsError):
    """This kernel has no IPVS, or does not let us use it."""


class ModuleMissingError(UnavailableError):
    """This kernel has no IPVS, or not yet."""


class ReadError(IpvsError):
    """The table could not be read."""


class SaveError(IpvsError):
    """A saved table could not be read or written."""


class ApplyError(IpvsError):
    """Not everything of a plan could be applied."""

    def __init__(
        self,
        message: str,
        applied: t.Sequence[Operation] = (),
        failed: t.Sequence[tuple[Operation, str]] = (),
        not_applied: t.Sequence[Operation] = (),
        unknown: t.Sequence[Operation] = (),
    ) -> None:
        super().__init__(message)
        self.applied = list(applied)
        self.failed = list(failed)
        self.not_applied = list(not_applied)
        self.unknown = list(unknown)
