# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import footprint, paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import files, former, look, plan
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns.settings import Settings

from tests.unit.plugins.fake_host import Host, make_host

SHOWN = "Id={0}\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nInactiveExitTimestamp={1}\n\n"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Files of the host are below the directory, its programs are fakes."""
    made = make_host(tmp_path, monkeypatch)
    for name in ("read", "read_text"):
        real = getattr(paths, name)

        def below(path: str, real: t.Any = real) -> t.Any:
            return real(path if path.startswith(str(tmp_path)) else f"{tmp_path}{path}")

        monkeypatch.setattr(paths, name, below)
    monkeypatch.setattr(look.platform, "node", lambda: "web.example.com")
    since = "Fri 2026-11-27 17:19:57.250000 UTC"
    shown = "".join(
        SHOWN.format(name, since) for name in (files.UNIT, "NetworkManager.service", "systemd-resolved.service")
    )
    made.program("systemctl", f"cat <<'END'\n{shown}END")
    made.program("dpkg-query", "printf 'installed bash 5.2\\nconfig-files dnsmasq 2.90\\nnot-installed x \\n'")
    monkeypatch.setattr(look.accounts, "exists", lambda _name: False)
    made.program("ip", "echo '192.0.2.62 dev eth0 src 192.0.2.81 uid 0 \\    cache'")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 192.0.2.53\n")
    (tmp_path / "etc/hosts").symlink_to("elsewhere")
    return made


def test_all_that_is_looked_at(host: Host, wanted: Settings) -> None:
    seen = look.look(wanted)
    assert seen.paths[files.RESOLV_CONF].content == b"nameserver 192.0.2.53\n"
    assert seen.paths[files.HOSTS].target == "elsewhere"
    assert seen.paths[files.KUBEDNS] == paths.NOTHING
    assert seen.texts[files.RESOLV_CONF] == "nameserver 192.0.2.53\n"
    assert seen.packages == {"bash": "installed", "dnsmasq": "config-files"}
    assert seen.installed() == ["bash"]
    assert seen.units[files.UNIT].active
    assert (seen.address, seen.hostname, seen.account) == ("192.0.2.81", "web", False)
    assert (seen.footprint, seen.former, seen.pending) == (None, False, False)
    assert "ip -o route get 192.0.2.62" in host.calls()


def test_what_the_removal_needs_asks_for_no_route(host: Host) -> None:
    assert look.look(None).address == ""
    assert not [call for call in host.calls() if call.startswith("ip ")]


def test_without_a_route_the_way_out_is_told(host: Host, wanted: Settings) -> None:
    host.program("ip", "echo 'RTNETLINK answers: Network is unreachable' >&2; exit 2")
    with pytest.raises(HostError, match=r"no route to the virtual IP 192.0.2.62 \(RTNETLINK .*dnsmasq_address"):
        look.look(wanted)


def test_a_run_that_was_cut_is_seen(host: Host) -> None:
    place = Path(footprint.directory("dnsmasq")) / "guard"
    place.mkdir(parents=True)
    (place / "restore.sh").touch()
    assert look.look(None).pending
    (place / "began").touch()
    assert look.look(None).pending
    (place / "done").touch()
    assert not look.look(None).pending


def test_configuration_that_is_newer_than_the_start(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").touch()
    os.utime(tmp_path / "deep/file", (1000, 1000))
    (tmp_path / "link").symlink_to("nowhere")
    assert look.is_newer([str(tmp_path), "/no/such"], 999.5)
    assert not look.is_newer([str(tmp_path)], 1000.0)
    assert not look.is_newer([str(tmp_path)], 0.0)


RECORD = {
    "paths": ["/etc/hosts", "/etc/resolv.conf", "/etc/dnsmasq.d"],
    "account": False,
    "packages": ["bash"],
    "active": False,
    "enabled": False,
}


@pytest.fixture
def old_record(host: Host) -> Path:
    """As the release 1.0 left it."""
    place = Path(footprint.directory("dnsmasq"))
    (place / "previous").mkdir(parents=True)
    (place / "previous/kubedns").touch()
    (place / "original.json").write_text(json.dumps(RECORD))
    (place / "resolv.conf").symlink_to("../run/resolv.conf")
    (place / "resolv.conf.text").write_text("nameserver 192.0.2.53\n")
    (place / "hosts").write_text("127.0.1.1 web\n")
    (place / "hosts.written").write_text("192.0.2.81 web\n")
    return place


def test_the_record_of_the_release_before_is_taken_over(old_record: Path, wanted: Settings) -> None:
    seen = look.look(wanted)
    kept = seen.footprint
    assert seen.former
    assert kept is not None
    assert kept.paths[files.RESOLV_CONF].target == "../run/resolv.conf"
    assert kept.paths[files.HOSTS].content == b"127.0.1.1 web\n"
    assert [path for path in (*files.FILES, *files.DIRECTORIES) if kept.existed(path)] == [
        files.HOSTS,
        files.RESOLV_CONF,
        files.CONF_DIR,
    ]
    assert (kept.packages, kept.accounts) == (("bash",), {"dnsmasq": False})
    assert kept.units == {files.UNIT: {"active": False, "enabled": False}}
    assert kept.more == {"resolv_conf_text": "nameserver 192.0.2.53\n", "hosts_written": "192.0.2.81 web\n"}
    assert plan.upstreams(seen, wanted) == ["192.0.2.53"]
    former.remove()
    assert os.listdir(old_record) == []


def test_a_record_of_a_run_that_failed_early(old_record: Path) -> None:
    (old_record / "hosts.written").unlink()
    kept = former.load()
    assert kept is not None
    assert "hosts_written" not in kept.more
    (old_record / "original.json").unlink()
    assert former.load() is None


def test_a_record_that_cannot_be_read(old_record: Path) -> None:
    (old_record / "original.json").write_text('{"paths": []}')
    with pytest.raises(HostError, match=r"original.json cannot be read \('packages'\): .*from a backup"):
        former.load()
