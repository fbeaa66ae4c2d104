"""Cache entries, the private apt's sources, the repository's index, lists of packages."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import time
from pathlib import Path

import pytest

from lab import aptrepo, config, deps
from lab.build import apt, golang, kubernetes, kubernetes_module, rootfs, store
from lab.debian import RELEASES
from lab.errors import LabError
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


def test_what_a_killed_build_left_goes_with_the_next_one() -> None:
    first = store.entry("kind", {"n": 1}, lambda _target: None)
    abandoned = first.parent / ".0123456789abcdef.building"
    busy = first.parent / ".fedcba9876543210.building"
    for work in (abandoned, busy):
        (work / "half").mkdir(parents=True)
    with open(busy.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store.entry("kind", {"n": 2}, lambda _target: None)
    assert not abandoned.exists()
    assert busy.exists()


def test_deb822_sources_of_the_distribution_only() -> None:
    (stanza,) = apt.from_deb822(DEB822, "bookworm")
    assert stanza.splitlines() == [
        "Types: deb",
        "URIs: http://mirror.example/debian",
        "Suites: bookworm bookworm-updates",
        "Components: main",
        "Signed-By: /usr/share/keyrings/debian.gpg",
    ]


def test_embedded_key_is_kept() -> None:
    text = (
        "Types: deb\nURIs: http://m.example\nSuites: bookworm\n"
        "Components: main\nSigned-By:\n -----BEGIN\n .\n -----END\n"
    )
    (stanza,) = apt.from_deb822(text, "bookworm")
    assert "\n -----BEGIN\n .\n -----END\n" in stanza


def test_one_line_sources() -> None:
    text = (
        "# deb http://no.example bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm-security main non-free # note\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "deb http://mirror.example/debian trixie main\n"
    )
    (stanza,) = apt.from_one_line(text, "bookworm")
    assert "Suites: bookworm-security\n" in stanza
    assert "Signed-By: /k.gpg\n" in stanza


def test_another_release_is_on_the_same_mirrors() -> None:
    (stanza,) = apt.from_deb822(DEB822, "bookworm")
    other = apt.of_release(stanza, "bookworm", "trixie")
    assert other == stanza.replace("bookworm bookworm-updates", "trixie trixie-updates")
    assert apt.of_release("URIs: http://bookworm.example\nSuites: bookworm-security\n", "bookworm", "bullseye") == (
        "URIs: http://bookworm.example\nSuites: bullseye-security\n"
    )


@pytest.mark.parametrize("debian", RELEASES)
def test_each_release_has_caches_of_its_own(monkeypatch: pytest.MonkeyPatch, debian: str) -> None:
    shape = dataclasses.replace(config.default_shape(), debian=debian)
    monkeypatch.setattr(config, "_used", shape)
    assert rootfs.inputs()["release"] == RELEASES[debian].codename
    key = store.key(rootfs.inputs())
    monkeypatch.setattr(config, "_used", config.default_shape())
    assert (store.key(rootfs.inputs()) == key) == (debian == config.default_shape().debian)


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
    assert kubernetes.build("1.0.0")["etcd"] == tmp_path / "etcd"


def test_a_version_without_a_folder_names_the_way_to_add_it() -> None:
    assert config.default_shape().kubernetes in kubernetes.versions()
    with pytest.raises(LabError, match="there are 1.34.4.*make kubernetes-version VERSION=1.2.3"):
        kubernetes.check("1.2.3")


def test_go_versions() -> None:
    assert golang.needed("module m\n\ngo 1.26.0\n\nrequire x v1\n") == (1, 26, 0)
    assert golang.version_of("go version go1.26.8 linux/amd64") == (1, 26, 8)
    assert golang.version_of("go version devel go-abc linux/amd64") == ()
    with pytest.raises(LabError, match="without a `go` line"):
        golang.needed("module m\n")


def test_a_module_replaces_what_upstream_takes_from_its_own_tree() -> None:
    line = {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}}
    other = {"Old": {"Path": "example.org/x"}, "New": {"Path": "example.org/y", "Version": "v1.0.0"}}
    text = kubernetes_module.render("1.36.3", {"Go": "1.26.0", "Replace": [line, other]})
    assert "\tk8s.io/api => k8s.io/api v0.36.3\n" in text
    assert "example.org" not in text
    assert "\tk8s.io/kubernetes/cmd/kube-proxy\n" in text
    assert golang.needed(text) == (1, 26, 0)


def test_modules_are_pinned() -> None:
    for directory in (kubernetes.ETCD.directory, *(kubernetes.MODULES / version for version in kubernetes.versions())):
        module = golang.Module(directory)
        assert "\ntool " in module.text("go.mod")
        assert module.text("go.sum").count("\n") > 100


def test_package_lists() -> None:
    assert deps.parse_packages("# all\na\n\nb  # why\n") == ["a", "b"]
    lists = rootfs.packages()
    assert "dnsmasq" in lists["available"]
    assert not set(lists["available"]) & set(lists["installed"])


def test_estimates() -> None:
    assert estimate(0, None) == ""
    assert estimate(0, 40) == ""
    assert estimate(10, None) == " (about 10 s)"
    assert estimate(290, None) == " (about 5 min)"
    assert estimate(290, 312.4) == " (312 s last time)"


@pytest.fixture(autouse=True)
def fixture_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of a test in the caches of this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_steps_remember_how_long_they_took(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        time.sleep(0.05)

    for _run in range(2):
        run_steps([Step("long", work, 5), Step("short", work)])
    said = capsys.readouterr().err
    assert "long (about 5 s) … " in said
    assert "long (0 s last time) … " in said
    assert "short … " in said


def test_steps_report_the_failed_one(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("no")

    done: list[str] = []
    with pytest.raises(ValueError, match="no"):
        run_steps(
            [Step("one", lambda: done.append("one")), Step("two", fail, 3), Step("three", lambda: done.append("three"))]
        )
    assert done == ["one"]
    said = capsys.readouterr().err
    assert "[1/3] one … 0.0 s" in said
    assert said.endswith("[2/3] two (about 3 s) … failed\n")


def test_containers_get_a_scope_where_systemd_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "booted_with_systemd", lambda: True)
    argv = cgroups.wrapped(config.topology().host("k8s-node1"), ["program", "word"])
    assert argv[:3] == ["systemd-run", "--quiet", "--scope"]
    assert argv[-3:] == ["--unit=mesh-lab-k8s-node1", "program", "word"]
