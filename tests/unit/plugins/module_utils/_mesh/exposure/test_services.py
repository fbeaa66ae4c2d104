# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes Services of the exposed services."""

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import ExposureError, exposed_services
from ansible_collections.mesh.expansion.tests.reference import procedure

OWN = {"name": "web-lb", "namespace": "web", "selector": {"app": "web"}, "ports": [{"port": 443}]}


def own(**changes):
    return exposed_services("secure", services=[{**OWN, **changes}])


def test_the_procedures_own_services_are_one_setting_away():
    manifests = exposure.exposure_manifests(exposed_services("reference"), procedure.VIP)
    assert procedure.comparable_services(manifests) == procedure.services()


class TestManifests:
    def test_ours_are_labelled(self):
        for manifest in exposure.exposure_manifests(exposed_services("secure"), procedure.VIP):
            assert manifest["metadata"]["labels"].items() >= exposure.MANAGED_BY.items()

    def test_target_port(self):
        (manifest,) = exposure.exposure_manifests(own(ports=[{"port": 443, "target_port": 8443}]), procedure.VIP)
        assert manifest["spec"]["ports"] == [{"port": 443, "protocol": "TCP", "targetPort": 8443}]

    def test_bad_virtual_address(self):
        with pytest.raises(ExposureError, match="the virtual address is 'vip'; it must be an IP address"):
            exposure.exposure_manifests(own(), "vip")
