"""A VM that site.yml has joined to the mesh of a real istiod, with a certificate that is good for two minutes.

Run by `make identity` on a new lab, as root.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from ground import SITE, playbook

from lab.config import Host

LIFETIME = "2m"


@pytest.fixture(scope="session")
def vm() -> Iterator[Host]:
    """The only one of the inventory's group vms."""
    (joined, *_spare) = SITE.with_role("vm")
    done = playbook("site.yml", "-e", f"mesh_certificate_ttl={LIFETIME}")
    assert done.returncode == 0, done.stdout[-4000:]
    yield joined
    if not os.environ.get("MESH_EXPANSION_KEEP"):
        for book in ("playbooks/leave.yml", "playbooks/teardown.yml"):
            done = playbook(book)
            assert done.returncode == 0, done.stdout[-4000:]
