"""The hosts of a play: the groups that a site has, or an error that names what is missing."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.filter.mesh_hosts import mesh_hosts

GROUPS = {"all": ["lvs1", "vm1"], "ungrouped": [], "director": ["lvs1"], "vms": ["vm1"]}


def test_the_groups_in_order() -> None:
    assert mesh_hosts(GROUPS, ["vms", "director"]) == "vms:director"


def test_groups_that_need_not_be_there() -> None:
    assert mesh_hosts(GROUPS, ["director"], ["k8s_nodes", "vms"]) == "director:vms"


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            {"all": ["lvs1"], "ungrouped": [], "directors": ["lvs1"], "vms": ["vm1"]},
            "The inventory has no group 'director', only 'directors': call that 'director'.",
        ),
        (
            {"all": ["vm1"], "ungrouped": [], "vms": ["vm1"]},
            "The inventory has no group 'director': put its hosts into a group 'director'.",
        ),
        ({**GROUPS, "director": []}, "The group 'director' of the inventory has no hosts: put them into it."),
        ({"all": ["vm1"], "ungrouped": ["vm1"]}, "into a group 'director'. The inventory has no group 'vms'"),
    ],
)
def test_a_group_that_is_missing_or_empty(groups: dict[str, list[str]], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as raised:
        mesh_hosts(groups, ["director", "vms"])
    assert message in str(raised.value)


@pytest.mark.parametrize("hosts", [[], ["localhost"]])
def test_without_an_inventory_nothing_is_missing(hosts: list[str]) -> None:
    assert mesh_hosts({"all": hosts, "ungrouped": hosts}, ["director", "vms"]) == "director:vms"
