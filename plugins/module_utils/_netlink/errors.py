# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between us and the kernel. Private to the collection."""

from __future__ import annotations

import errno
import os


class NetlinkError(Exception):
    """Base of all errors of this package."""


class DecodeError(NetlinkError):
    """The reply does not have the form that netlink prescribes."""


class NoReplyError(NetlinkError):
    """The kernel did not answer in time."""


class OverrunError(NetlinkError):
    """Replies were lost because the receive buffer was full. What was asked for may well have been done."""


class SystemCallError(NetlinkError):
    """A call on the netlink socket failed."""

    def __init__(self, attempt: str, number: int) -> None:
        super().__init__(f"failed {attempt}: {error_text(number)}")
        self.errno = number


class KernelError(NetlinkError):
    """The kernel refused a request."""

    def __init__(self, attempt: str, number: int) -> None:
        super().__init__(f"the kernel refused to {attempt}: {error_text(number)}")
        self.errno = number


class FamilyMissingError(NetlinkError):
    """The kernel does not know the generic netlink family."""


def error_text(number: int) -> str:
    return f"{errno.errorcode.get(number, 'errno')} ({number}, {os.strerror(number)})"
