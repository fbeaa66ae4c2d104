"""The release that upgrades begin with is the one that was recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.upgrade import release


def test_the_release_unpacks_to_a_collection(tmp_path: Path) -> None:
    folder = release.unpack(tmp_path / "collections")
    collection = folder / "ansible_collections/mesh/expansion"
    assert json.loads((collection / "MANIFEST.json").read_text())["collection_info"]["version"] == "1.0.0"
    assert (collection / "playbooks/site.yml").is_file()
    assert (collection / "roles/director/files/look.py").is_file()
    assert release.environment(folder) == {"ANSIBLE_COLLECTIONS_PATH": str(folder)}


def test_what_an_earlier_run_left_is_gone(tmp_path: Path) -> None:
    stale = tmp_path / "ansible_collections/mesh/expansion/stale"
    stale.parent.mkdir(parents=True)
    stale.touch()
    release.unpack(tmp_path)
    assert not stale.exists()


def test_another_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "changed.tar.gz"
    shutil.copy(release.ARCHIVE, changed)
    with changed.open("ab") as file:
        file.write(b"\0")
    monkeypatch.setattr(release, "ARCHIVE", changed)
    with pytest.raises(release.ReleaseError, match="restore it from git"):
        release.unpack(tmp_path / "collections")


def test_the_sum_is_the_one_of_the_readme() -> None:
    assert release.SHA256 in (release.HERE / "README.md").read_text()
