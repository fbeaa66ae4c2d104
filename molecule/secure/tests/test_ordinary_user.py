"""The scenario's runs are an ordinary user's; what becomes of one who may not do everything by sudo."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

import pytest
from testinfra.host import Host

SUDOERS = "/etc/sudoers.d/ops"


@pytest.fixture
def asks(vm: Host, director: Host) -> Iterator[None]:
    """On two of the hosts sudo asks for a password."""
    for host in (vm, director):
        host.check_output(f"echo 'ops ALL=(ALL:ALL) ALL' > {SUDOERS}")
    yield
    for host in (vm, director):
        host.check_output(f"echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' > {SUDOERS}")


def test_a_password_that_was_not_given_is_one_finding(
    playbook: Callable[..., CompletedProcess[str]], asks: None
) -> None:
    done = playbook(
        *("playbooks/preflight.yml", "-i", "molecule/secure/ordinary", "-e", "@molecule/secure/vars/secure.yml")
    )
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert re.search(
        r" 1 finding; nothing has been changed\. - ansible_become_password: sudo asks for a password, "
        r"and none was given, on lvs1, deb-nginx01\. Run with --ask-become-pass",
        said,
    ), done.stdout[-3000:]
