# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each step of a rotation as it is seen on VMs, and what is next."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import CONFIGMAPS, DEPLOYMENTS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity import rotation
from ansible_collections.mesh.expansion.plugins.modules import istio_rotation_info

from tests.unit.plugins.fake_kube import FakeKube
from tests.unit.plugins.mesh_pki import NOW, SPIFFE, Authority, certificate, pem

DAY = datetime.timedelta(days=1)
RESTART = "kubectl rollout restart deployment/istiod -n istio-system"


class Later(Authority):
    """Made after the other one."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.root = certificate(name, self.key, name, self.key, start=0, end=3650, ca=True)


OLD, NEW = Authority("old"), Later("new")


def trusting(*authorities: Authority) -> str:
    return b"".join(pem(authority.root) for authority in authorities).decode()


def vm(name: str, issuer: Authority, *trusted: Authority) -> rotation.Vm:
    files = issuer.issue(SPIFFE)
    return rotation.vm_of(name, {"chain": files["cert-chain.pem"].decode(), "root": trusting(*trusted or (issuer,))})


def judged(*vms: rotation.Vm, roots: str = "", multiroot: bool = True) -> rotation.Verdict:
    found = rotation.roots_of(roots or trusting(NEW, OLD), "ConfigMap")
    return rotation.judge(found, vms, NOW, multiroot, DAY, RESTART)


def test_before_a_rotation() -> None:
    found = judged(vm("web1", OLD), roots=trusting(OLD))
    assert (found.step, found.safe, found.safe_from) == (rotation.ADD, True, None)
    assert found.said[0].startswith("The mesh has one root, O=old (")
    assert "all VMs trust it alone" in found.said[0]
    assert "add the new root" in found.said[1]
    assert RESTART not in found.said[1]
    assert RESTART in judged(vm("web1", OLD), roots=trusting(OLD), multiroot=False).said[1]


def test_both_are_trusted_and_the_old_one_signs() -> None:
    found = judged(vm("web1", OLD, OLD, NEW), vm("web2", OLD, NEW, OLD))
    assert (found.step, found.safe, found.safe_from) == (rotation.SIGN, True, NOW + DAY)
    assert "sign with an intermediate of O=new" in found.said[-1]
    assert f"from {NOW + DAY:%Y-%m-%dT%H:%M:%SZ} on" in found.said[-1]


def test_a_vm_that_does_not_trust_the_new_one_yet_is_named() -> None:
    found = judged(vm("web1", OLD, OLD, NEW), vm("web2", OLD))
    assert (found.step, found.safe) == (rotation.SIGN, False)
    assert found.problems == ("web2 does not trust O=new yet",)


def test_some_have_a_certificate_of_the_new_one() -> None:
    late = vm("web1", OLD, OLD, NEW)
    found = judged(late, vm("web2", NEW, OLD, NEW))
    assert (found.step, found.safe, found.problems) == (rotation.WAIT, False, ())
    assert "1 of 2 VMs have a certificate of O=new" in found.said[1]
    # Half of 91 days, which began yesterday.
    assert f"web1 (it is renewed after {NOW + 44.5 * DAY:%Y-%m-%dT%H:%M:%SZ})" in found.said[-1]


def test_all_have_a_certificate_of_the_new_one() -> None:
    found = judged(vm("web1", NEW, OLD, NEW), vm("web2", NEW, OLD, NEW), multiroot=False)
    # The first certificate of the new root, which is of yesterday, and a day for pods.
    assert (found.step, found.safe, found.safe_from) == (rotation.REMOVE, True, NOW)
    assert "leave O=new alone in root-cert.pem" in found.said[-1]
    assert RESTART in found.said[-1]


def test_a_root_that_went_too_early_cuts_a_vm_off() -> None:
    found = judged(vm("web1", OLD, OLD, NEW), roots=trusting(NEW))
    assert not found.safe
    assert "mesh.expansion.rejoin -l web1" in found.problems[0]
    nothing = rotation.vm_of("web2", {"chain": "", "root": ""})
    assert judged(nothing).problems == ("web2 does not trust O=old and O=new yet",)
    stranger = vm("web3", Authority("other"), OLD, NEW)
    assert stranger.root is None
    assert "has no certificate of a root of the mesh" in judged(stranger).problems[0]
    assert judged(stranger, vm("web1", NEW, OLD, NEW)).step == rotation.WAIT


def configmap(roots: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "istio-ca-root-cert", **metadata}, "data": {"root-cert.pem": roots}}


def test_when_the_roots_were_given_out() -> None:
    entries = [
        {"time": "2026-11-01T10:00:00Z", "fieldsV1": {"f:data": {}}},
        {"time": "2026-11-02T10:00:00Z", "fieldsV1": {"f:metadata": {}}},
    ]
    found = rotation.published_at(configmap("", managedFields=entries))
    assert found == datetime.datetime(2026, 11, 1, 10, tzinfo=datetime.UTC)
    assert rotation.published_at(configmap("", creationTimestamp="2026-11-03T00:00:00Z")).day == 3  # type: ignore[union-attr]
    assert rotation.published_at({}) is None


def deployment(name: str, *env: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [{"name": "discovery", "env": list(env)}]}}},
    }


@pytest.mark.parametrize(
    ("name", "env", "expected"),
    [
        ("istiod", [{"name": "ISTIO_MULTIROOT_MESH", "value": "true"}], True),
        ("istiod", [{"name": "ISTIO_MULTIROOT_MESH", "value": "false"}], False),
        ("istiod", [{"name": "REVISION", "valueFrom": {}}], False),
        ("istiod-1-31", [{"name": "ISTIO_MULTIROOT_MESH", "value": "true"}], False),
    ],
)
def test_the_module_reads_the_cluster(name: str, env: list[dict[str, Any]], expected: bool) -> None:
    kube = FakeKube()
    kube.store.put(CONFIGMAPS, "default", configmap(trusting(OLD)))
    kube.store.put(DEPLOYMENTS, "istio-system", deployment(name, *env))
    files = OLD.issue(SPIFFE)
    seen = {"chain": files["cert-chain.pem"].decode(), "root": trusting(OLD)}
    params = {
        "vms": {"web1": seen},
        "namespace": "default",
        "istio_namespace": "istio-system",
        "revision": "",
        "pod_certificate_lifetime": 86400,
    }
    found = istio_rotation_info.report(kube, params)  # type: ignore[arg-type]
    assert (found["step"], found["safe"], found["multiroot"]) == ("add", True, expected)
    assert len(found["roots"]) == 1
