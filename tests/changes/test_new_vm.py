"""A VM that nothing knows of joins with each backend, and leaves again."""

from __future__ import annotations

import pytest

from tests.changes.mesh_site import VMS, changes, kubectl, present, words
from tests.live import Playbooks

VM = VMS[0]
# The accounts of those that are no workload of istiod are their owner's.
BACKENDS = {
    "workload_entry": {},
    "endpoint_slice": {"mesh_service_account": "default"},
    "endpoints": {"mesh_service_account": "default"},
}
NO_ENTRY = ("ok I4", "ok I13", "ok I14", "not checked I11", "not checked I12", "without mutual TLS")
ROWS = {
    "workload_entry": ("ok I4", "ok I12", "ok I13", "ok I14", f"healthy: vm-{VM.address}, without a probe"),
    "endpoint_slice": NO_ENTRY,
    "endpoints": NO_ENTRY,
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_new_vm_joins_and_leaves(backend: str, books: Playbooks) -> None:
    wanted = {"mesh_registration": backend, **BACKENDS[backend]}
    before = present()
    said = words(books.good("site.yml", **wanted))
    assert [text for text in ROWS[backend] if text not in said] == [], said[-6000:]
    assert "FAILED" not in said
    # No group, for nobody needs one.
    assert kubectl("get", "workloadgroups", "-A", "-o", "name") == ""
    assert changes(books.good("site.yml", **wanted)) == 0
    books.good("playbooks/leave.yml", **wanted)
    assert present() == before
