# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure
from ansible_collections.mesh.expansion.tests.reference import procedure

NAMES = ["exposed_services", "ipvs_table"]


def load(name):
    return importlib.import_module(f"ansible_collections.mesh.expansion.plugins.filter.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_the_file_holds_the_filter_of_its_name_and_documents_it(name):
    module = load(name)
    assert list(module.FilterModule().filters()) == [name]
    assert yaml.safe_load(module.DOCUMENTATION)["name"] == name
    assert f"mesh.expansion.{name}" in module.EXAMPLES
    assert yaml.safe_load(module.RETURN)["_value"]["description"]


def test_the_filters_are_the_pure_functions():
    entries = load("exposed_services").exposed_services("reference", procedure.OVERRIDES)
    assert entries == exposure.exposed_services("reference", procedure.OVERRIDES)
    assert load("ipvs_table").ipvs_table(entries, procedure.VIP, procedure.NODES) == exposure.ipvs_table(
        entries, procedure.VIP, procedure.NODES
    )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("exposed_services", ["open"]),
        ("ipvs_table", [[], "x", {}]),
    ],
)
def test_errors_name_the_filter(name, arguments):
    with pytest.raises(AnsibleFilterError, match=f"mesh.expansion.{name}: "):
        load(name).FilterModule().filters()[name](*arguments)
