# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.errors import BootstrapError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.layout import Layout

from tests.unit.plugins.istiod_objects import VIP, options


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vip": "istiod.example.com"}, "vip is 'istiod.example.com': .*mesh_vip"),
        ({"vip": "127.0.0.1"}, "vip is '127.0.0.1'"),
        ({"vip": "0.0.0.0"}, "vip is '0.0.0.0'"),
        ({"address": "x"}, "address is 'x': .*not an IP address.*mesh_vm_address"),
        ({"address": "169.254.1.1"}, "address is '169.254.1.1': .*cannot be reached by pods"),
        ({"external_address": "127.0.1.1"}, "external_address is '127.0.1.1'"),
        ({"token_lifetime": 599}, "token_lifetime is 599: less than the 600 s"),
        ({"root": "mnt"}, "root is 'mnt': not an absolute path"),
        ({"extra_env": {"A-B": 1}}, "extra_env is {'A-B': 1}: 'A-B' is not a name"),
        ({"extra_env": {"A": "x\ny"}}, "the value of A has a line break"),
        ({"workload": {"services": []}}, "workload is .*by a WorkloadGroup only.*auto_register to false"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_value(changes: dict[str, t.Any], words: str) -> None:
    with pytest.raises(BootstrapError, match=words):
        options(**changes)


def test_usual_forms() -> None:
    found = options(vip="2001:DB8:0::1", revision="default", token_lifetime=600, address=None)
    assert (found.vip, found.revision, found.address) == ("2001:db8::1", "", "")
    assert options(revision="1-31").revision == "1-31"
    assert options().vip == VIP


@pytest.mark.parametrize(
    ("root", "hosts"), [("/", "/etc/hosts"), ("/mnt/vm", "/mnt/vm/etc/hosts"), ("/a/", "/a/etc/hosts")]
)
def test_places_below_a_root(root: str, hosts: str) -> None:
    assert Layout(root).hosts == hosts
