"""The reference's links to Ansible's own documentation, in the format that Sphinx reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import reference
from sphinx.util.inventory import InventoryFile


def test_sphinx_reads_what_is_written() -> None:
    label = "ansible_collections.ansible.builtin.get_url_module"
    read = InventoryFile.loads(reference.inventory(reference.labels()), uri=reference.ANSIBLE.rstrip("/"))
    base = "https://docs.ansible.com/ansible/latest"
    found = {name: read.data["std:label"][name].uri for name in ("common_return_values", label)}
    assert found == {
        "common_return_values": f"{base}/reference_appendices/common_return_values.html#common-return-values",
        label: f"{base}/collections/ansible/builtin/get_url_module.html#{label.translate({46: 45, 95: 45})}",
    }


def test_what_a_tool_says_is_the_error(tmp_path: Path) -> None:
    with pytest.raises(reference.SiteError, match="cannot access"):
        reference.run("ls", str(tmp_path / "absent"))
