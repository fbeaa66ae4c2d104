# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module mesh_services from any state that former lists and other writers can leave."""

from __future__ import annotations

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import exposure_manifests
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.fake_kube import FakeStore
from tests.unit.plugins.modules.test_mesh_services import VIP, Run, entry, run

NAMES = st.sampled_from(["a", "b", "c"])
PORTS = st.lists(st.sampled_from([80, 443, 8443]), min_size=1, max_size=3, unique=True)
LISTS = st.dictionaries(NAMES, st.tuples(PORTS, st.sampled_from(["x", "y"]), st.booleans()), min_size=1)


def as_list(drawn):
    """Entries whose ports do not collide."""
    return [
        entry(
            name,
            selector={"app": app},
            labels={"team": app} if labelled else {},
            ports=[{"port": port + 10000 * index, "name": f"p{port}"} for port in ports],
        )
        for index, (name, (ports, app, labelled)) in enumerate(sorted(drawn.items()))
    ]


EDITS = st.lists(
    st.tuples(
        NAMES,
        st.sampled_from(
            [
                {"spec": {"ports": [{"port": 7, "name": "theirs"}]}},
                {"spec": {"selector": {"tier": "x"}}},
                {"spec": {"externalIPs": ["192.168.0.99"]}},
                {"metadata": {"labels": {"team": "z", "own": "z"}}},
                {"metadata": {"labels": {"app.kubernetes.io/component": "z"}}},
            ]
        ),
        st.sampled_from(["kubectl-edit", "helm"]),
    ),
    max_size=4,
)


@settings(max_examples=150)
@given(first=LISTS, second=LISTS, edits=EDITS, by_key=st.booleans())
def test_from_any_state_a_run_that_adopts_reaches_the_list_and_the_next_writes_nothing(first, second, edits, by_key):
    store = FakeStore()
    store.selector_by_key = by_key
    run(store, services=as_list(first))
    for name, patch, manager in edits:
        if ("services", "web", name) in store.objects:
            store.merge("web", name, patch, manager)
    wanted = as_list(second)
    predicted = Run(store, check_mode=True, services=wanted, adopt=True).result
    done = run(store, services=wanted, adopt=True)
    assert done.exposer.written == done.result["operations"] == predicted["operations"]
    for manifest in exposure_manifests(wanted, VIP):
        stored = store.objects[("services", "web", manifest["metadata"]["name"])]
        assert stored["metadata"]["labels"].items() >= manifest["metadata"]["labels"].items()
        ports = {port["port"]: port for port in stored["spec"]["ports"]}
        assert ports == {port["port"]: port for port in manifest["spec"]["ports"]}
        for field in ("type", "externalIPs", "selector"):
            assert stored["spec"][field] == manifest["spec"][field]
        shown = done.plan.after[f"Service web/{manifest['metadata']['name']}"]
        assert shown["metadata"]["labels"] == stored["metadata"]["labels"]
    count = len(store.writes)
    assert not run(store, services=wanted).result["changed"]
    assert len(store.writes) == count
