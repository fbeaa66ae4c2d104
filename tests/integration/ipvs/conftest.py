# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the IPVS engine on the kernel of the lab's director. Run as root, with the lab up: `make integration`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.ipvs import director
from tests.integration.ipvs.director import Worker


@pytest.fixture(scope="session")
def folder() -> Iterator[str]:
    if not director.is_up():
        pytest.skip("the lab is not up: lab/lab up")
    with director.directory(Path(__file__).with_name("worker.py")) as path:
        yield path


@pytest.fixture(scope="session")
def worker(folder: str) -> Iterator[Worker]:
    session = Worker(folder)
    yield session
    session.close()


@pytest.fixture
def empty(worker: Worker) -> Worker:
    worker.ipvsadm("-C")
    return worker
