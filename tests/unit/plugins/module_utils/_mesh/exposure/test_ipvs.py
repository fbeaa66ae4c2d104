# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The director's IPVS table of the exposed services."""

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import ExposureError, exposed_services
from ansible_collections.mesh.expansion.tests.reference import procedure

OWN = {"name": "web-lb", "namespace": "web", "selector": {"app": "web"}, "ports": [{"port": 443}]}


def own(**changes):
    return exposed_services("secure", services=[{**OWN, **changes}])


class TestReferenceProfile:
    """The procedure's own result must stay reachable with its own values."""

    def test_rules_are_the_literal_ones(self):
        entries = exposed_services("reference", procedure.OVERRIDES)
        table = exposure.ipvs_table(entries, procedure.VIP, procedure.NODES)
        assert procedure.table_as_rules(table) == procedure.rules()

    def test_the_comparison_notices_a_difference(self):
        entries = exposed_services("reference", {**procedure.OVERRIDES, "kube-dns-lb": {"persistence": 299}})
        table = exposure.ipvs_table(entries, procedure.VIP, procedure.NODES)
        assert procedure.table_as_rules(table) != procedure.rules()


class TestTable:
    def table(self, vip=procedure.VIP, nodes=None, **changes):
        return exposure.ipvs_table(own(**changes), vip, procedure.NODES if nodes is None else nodes)

    def test_all_nodes_in_their_order(self):
        (service,) = self.table()
        assert service["tcp_service"] == "192.168.0.62:443"
        assert [server["real_server"] for server in service["real_servers"]] == [
            f"192.168.0.{number}:443" for number in (71, 72, 73)
        ]

    def test_nodes_of_the_entry(self):
        (service,) = self.table(ports=[443])
        assert len(service["real_servers"]) == 3
        (service,) = exposure.ipvs_table(own(nodes=["k8s-node3"]), procedure.VIP, procedure.NODES)
        assert [server["real_server"] for server in service["real_servers"]] == ["192.168.0.73:443"]

    def test_real_servers_get_the_exposed_port_not_the_target_port(self):
        (service,) = self.table(ports=[{"port": 443, "target_port": 8443}])
        assert service["real_servers"][0]["real_server"] == "192.168.0.71:443"

    def test_one_packet_and_persistence(self):
        (service,) = self.table(ports=[{"port": 53, "protocol": "UDP", "one_packet": True, "persistence": 7}])
        assert service["udp_service"] == "192.168.0.62:53"
        assert (service["ops"], service["persistent"]) == (True, 7)

    def test_ipv6(self):
        (service,) = self.table(vip="fd00:0::62", nodes={"a": "fd00::71"})
        assert service["tcp_service"] == "[fd00::62]:443"
        assert service["real_servers"][0]["real_server"] == "[fd00::71]:443"

    @pytest.mark.parametrize(
        ("nodes", "message"),
        [
            ({}, "exposed service web-lb has no node to forward to"),
            ({"a": "node.example"}, "the address of node a is 'node.example'; it must be an IP address"),
            (
                {"a": "fd00::1"},
                "node a has address fd00::1: direct routing needs the family of the virtual address 192.168.0.62",
            ),
            ({"a": procedure.VIP}, "node a has the virtual address 192.168.0.62 as its own"),
        ],
    )
    def test_bad_nodes(self, nodes, message):
        with pytest.raises(ExposureError) as error:
            self.table(nodes=nodes)
        assert message in str(error.value)

    def test_unknown_node(self):
        with pytest.raises(
            ExposureError,
            match="exposed service web-lb names node 'k8s-node9'; known are k8s-node1, k8s-node2, k8s-node3",
        ):
            exposure.ipvs_table(own(nodes=["k8s-node9"]), procedure.VIP, procedure.NODES)
