"""The built istio-sidecar.deb: layout, owners, modes, control data, publication, cache key."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from lab.sidecar import build


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with a small file in place of Envoy, and without the agents' libraries."""
    directory = tmp_path_factory.mktemp("sidecar")
    envoy = directory / "envoy"
    envoy.write_bytes(b"\x7fELF not really")
    tree = directory / "tree"
    build.stage(tree, envoy)
    build.add_control(tree)
    build.pack(tree, directory / build.PACKAGE)
    return directory / build.PACKAGE


@pytest.fixture(scope="module")
def listing(package: Path) -> dict[str, tuple[str, str]]:
    text = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True).stdout
    lines = [line.split(None, 5) for line in text.splitlines()]
    return {path.lstrip("."): (mode, owner) for mode, owner, _size, _day, _time, path in lines}


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/usr/local/bin/envoy", "-rwxr-sr-x"),
        ("/usr/local/bin/pilot-agent", "-rwxr-sr-x"),
        ("/usr/local/bin/node_agent", "-rwxr-xr-x"),
        ("/usr/local/bin/istio-start.sh", "-rwxr-xr-x"),
        ("/usr/local/bin/istio-node-agent-start.sh", "-rwxr-xr-x"),
        ("/usr/local/bin/istio-iptables.sh", "-rwxr-xr-x"),
        ("/lib/systemd/system/istio.service", "-rw-r--r--"),
        ("/lib/systemd/system/istio-auth-node-agent.service", "-rw-r--r--"),
        ("/var/lib/istio/envoy/sidecar.env", "-rw-r--r--"),
        ("/var/lib/istio/envoy/envoy_bootstrap_tmpl.json", "-rw-r--r--"),
        ("/var/log/istio/", "drwxr-xr-x"),
    ],
)
def test_upstreams_layout(listing: dict[str, tuple[str, str]], path: str, mode: str) -> None:
    assert listing[path] == (mode, "root/root")


@pytest.mark.parametrize(
    ("name", "interpreter"), [("istio-start.sh", "/bin/bash"), ("node_agent", "/usr/bin/python3 -I")]
)
def test_programs_name_their_interpreter(package: Path, tmp_path: Path, name: str, interpreter: str) -> None:
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    first, second = (tmp_path / "usr/local/bin" / name).read_text().splitlines()[:2]
    assert first == f"#!{interpreter}"
    assert "Stand-in" in second


def test_everything_belongs_to_root(listing: dict[str, tuple[str, str]]) -> None:
    assert {entry[1] for entry in listing.values()} == {"root/root"}


def test_control_data(package: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "-e", package, tmp_path], check=True)
    control = (tmp_path / "control").read_text()
    assert "Architecture: amd64" in control
    assert "Depends: iproute2, iptables\n" in control
    assert re.search(r"^Installed-Size: \d+$", control, re.M)
    assert "@" not in control.replace("@localhost", "")
    assert (tmp_path / "conffiles").read_text().splitlines() == [
        "/var/lib/istio/envoy/sidecar.env",
        "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json",
    ]
    # Enabling the units is the administrator's decision.
    assert "systemctl" not in (tmp_path / "postinst").read_text()


def test_units_restart_for_ever() -> None:
    for unit in (build.HERE / "root/lib/systemd/system").iterdir():
        text = unit.read_text()
        assert "Restart=always\nRestartSec=10\n" in text
        assert "WantedBy=multi-user.target" in text


def test_each_program_says_that_it_is_a_stand_in() -> None:
    for path in (build.HERE / "root/usr/local/bin").iterdir():
        assert "Stand-in" in path.read_text().splitlines()[0], path
    for path in (build.HERE.parent / "standins").glob("*.py"):
        assert "tand-in" in path.read_text().splitlines()[0], path


def test_publication_with_checksum_is_idempotent(package: Path, tmp_path: Path) -> None:
    target = build.publish(package, tmp_path / "www")
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    checksum = tmp_path / "www" / "istio-sidecar.deb.sha256"
    assert checksum.read_text() == f"{digest}  istio-sidecar.deb\n"
    before = target.stat().st_ino
    build.publish(package, tmp_path / "www")
    assert target.stat().st_ino == before


def test_cache_key_depends_on_the_binary(tmp_path: Path) -> None:
    binary = tmp_path / "envoy"
    binary.write_bytes(b"one")
    first = build.inputs(binary)
    binary.write_bytes(b"two")
    assert build.inputs(binary)["envoy"] != first["envoy"]
    assert build.inputs(binary)["files"] == first["files"]
    assert first["python"] == "3.11"
