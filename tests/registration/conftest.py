# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One API server for all tests of the registration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.registration.apiserver import ApiServer, running
from tests.registration.seen import Seen


@pytest.fixture(name="server", scope="session")
def fixture_server() -> Iterator[ApiServer]:
    with running() as server:
        yield server


@pytest.fixture(name="seen")
def fixture_seen(server: ApiServer) -> Seen:
    return Seen(server.api())
