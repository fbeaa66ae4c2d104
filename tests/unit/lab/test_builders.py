"""Cache entries, the private apt's sources, the repository's index, lists of packages."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lab import aptrepo, config, deps
from lab.build import apt, kubernetes, rootfs, store
from lab.hosts import cgroups
from lab.steps import Step, estimate, run_steps

DEB822 = """Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://vendor.example/apt
Suites: stable
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_entry_is_built_once() -> None:
    calls = []

    def build(target: Path) -> None:
        calls.append(target)
        (target / "file").write_text("x", encoding="utf-8")

    first = store.entry("kind", {"a": 1}, build)
    assert store.entry("kind", {"a": 1}, build) == first
    assert (first / "file").exists()
    assert len(calls) == 1
    assert store.entry("kind", {"a": 2}, build) != first


def test_failed_build_leaves_no_entry_and_the_next_starts_clean() -> None:
    def fail(target: Path) -> None:
        (target / "half").touch()
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        store.entry("kind", {}, fail)
    assert not store.has("kind", {})

    def check(target: Path) -> None:
        assert not (target / "half").exists()

    assert store.entry("kind", {}, check).is_dir()


def test_deb822_sources_of_the_distribution_only() -> None:
    (stanza,) = apt.from_deb822(DEB822, "deb deb-src", "bookworm")
    assert stanza.splitlines() == [
        "Types: deb deb-src",
        "URIs: http://mirror.example/debian",
        "Suites: bookworm bookworm-updates",
        "Components: main",
        "Signed-By: /usr/share/keyrings/debian.gpg",
    ]


def test_embedded_key_is_kept() -> None:
    text = "Types: deb\nURIs: http://m.example\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN\n .\n -----END\n"
    (stanza,) = apt.from_deb822(text, "deb-src", "bookworm")
    assert "\n -----BEGIN\n .\n -----END\n" in stanza


def test_one_line_sources() -> None:
    text = (
        "# deb http://no.example bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm-security main non-free # note\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "deb http://mirror.example/debian trixie main\n"
    )
    (stanza,) = apt.from_one_line(text, "deb", "bookworm")
    assert "Suites: bookworm-security\n" in stanza
    assert "Signed-By: /k.gpg\n" in stanza


def test_release_names_the_index_files(tmp_path: Path) -> None:
    for name in ("Packages", "Packages.gz"):
        (tmp_path / name).write_bytes(name.encode())
    text = aptrepo.release_text(tmp_path)
    assert f" {hashlib.sha256(b'Packages').hexdigest()} 8 Packages\n" in text


def test_assets_must_be_complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    for name in kubernetes.BINARIES:
        assert kubernetes.assets() is None
        (tmp_path / name).touch(mode=0o755)
    assert kubernetes.assets() == tmp_path
    assert kubernetes.build()["etcd"] == tmp_path / "etcd"


def test_package_lists() -> None:
    assert deps.parse_packages("# all\na\n\nb  # why\n") == ["a", "b"]
    lists = rootfs.packages()
    assert "dnsmasq" in lists["available"]
    assert not set(lists["available"]) & set(lists["installed"])


def test_estimates() -> None:
    assert estimate(0) == ""
    assert estimate(10) == " (about 10 s)"
    assert estimate(290) == " (about 5 min)"


def test_steps_report_the_failed_one(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("no")

    done: list[str] = []
    with pytest.raises(ValueError, match="no"):
        run_steps([Step("one", lambda: done.append("one")), Step("two", fail, 3), Step("three", lambda: done.append("three"))])
    assert done == ["one"]
    said = capsys.readouterr().err
    assert "[1/3] one … 0.0 s" in said
    assert said.endswith("[2/3] two (about 3 s) … failed\n")


def test_containers_get_a_scope_where_systemd_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "booted_with_systemd", lambda: True)
    argv = cgroups.wrapped(config.topology().host("k8s-node1"), ["program", "word"])
    assert argv[:3] == ["systemd-run", "--quiet", "--scope"]
    assert argv[-3:] == ["--unit=mesh-lab-k8s-node1", "program", "word"]
