# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import accounts
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError

# No host has it: the largest number that stands for nobody is one more.
FREE = 2**32 - 2


def test_by_name_and_by_number() -> None:
    assert accounts.exists("root")
    assert (accounts.uid_of("root"), accounts.gid_of("root")) == (0, 0)
    assert (accounts.uid_of("1234567"), accounts.gid_of("1234567")) == (1234567, 1234567)
    assert (accounts.user_of(0), accounts.group_of(0)) == ("root", "root")


def test_what_nobody_has() -> None:
    assert not accounts.exists("nobody-here")
    assert (accounts.user_of(FREE), accounts.group_of(FREE)) == (str(FREE), str(FREE))
    with pytest.raises(HostError, match="no account nobody-here on this host"):
        accounts.uid_of("nobody-here")
    with pytest.raises(HostError, match="no group nobody-here on this host"):
        accounts.gid_of("nobody-here")
