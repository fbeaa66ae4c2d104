# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidecar whose agent gets its certificate for a token: its look, plan, footprint and removal."""

from __future__ import annotations

import dataclasses
import http.server
import os
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import footprint, paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.footprint import Footprint
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState
from ansible_collections.mesh.expansion.plugins.module_utils._host.systemd import UnitState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import hosts
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import (
    apply,
    chains,
    layout,
    look,
    plan,
    removal,
    traces,
    tracking,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.look import Seen
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.move import Arrival
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import (
    Settings,
    SettingsError,
    argument_spec,
)

from tests.unit.plugins.fake_host import Host

MADE = layout.ONE_AGENT
RUNNING = UnitState(loaded=True, active=True, enabled=True, state="active", file_state="enabled", since=1.0)
WAIT = "wait until Envoy has its configuration"
RESTART = ["have systemd read its units again", "restart istio.service", WAIT]
LINE = f"192.0.2.62 istiod.istio-system.svc {hosts.MARK}\n"
FILES = {
    layout.CLUSTER_ENV: paths.text_file("A=1\n", "0640", layout.USER, layout.USER),
    layout.MESH_CONFIG_LINKED: paths.text_file("defaultConfig: {}\n", "0640", layout.USER, layout.USER),
    layout.HOSTS: paths.text_file(f"127.0.0.1 localhost\n{LINE}"),
    layout.CERTS: paths.directory(owner=layout.USER, group=layout.USER),
    layout.ROOT_CERT: paths.text_file("root", "0644", layout.USER, layout.USER),
}
SETTINGS = Settings("192.0.2.62", "10.96.0.0/12", address="192.0.2.81", layout=MADE, files=FILES)
DONE = Seen(
    version="1.31.0",
    account=True,
    address="192.0.2.81",
    paths={**FILES, layout.LOGROTATE: paths.text_file(plan.LOGROTATE_TEXT)},
    units={layout.SIDECAR_UNIT: RUNNING},
    envoy_runs=True,
    envoy=look.LIVE,
    rotates=True,
)


def steps(seen: Seen, settings: Settings = SETTINGS, restart: bool = False) -> list[str]:
    return [str(operation) for operation in plan.plan(seen, settings, restart)]


def without(*gone: str) -> Seen:
    return dataclasses.replace(DONE, paths={path: state for path, state in DONE.paths.items() if path not in gone})


def test_where_all_is_as_it_should_be_nothing_is_done() -> None:
    assert steps(DONE) == []
    # Without the files, only what is not the cluster's to say is looked at.
    assert steps(DONE, dataclasses.replace(SETTINGS, files={})) == []


def test_a_new_package_gets_everything_in_order() -> None:
    fresh = Seen(
        version="1.31.0",
        account=True,
        units={layout.SIDECAR_UNIT: UnitState(loaded=True, state="inactive")},
        foreign={layout.HOME: paths.directory()},
        rotates=True,
    )
    assert steps(fresh) == [
        *(f"{'make directory' if path == layout.CERTS else 'write'} {path}" for path in FILES),
        f"write {layout.LOGROTATE}",
        f"give {layout.HOME} to istio-proxy",
        "have systemd read its units again",
        "enable istio.service",
        "track the connections that there are",
        "restart istio.service",
        WAIT,
        "leave that to the sidecar's rules",
    ]


@pytest.mark.parametrize("path", [layout.CLUSTER_ENV, layout.MESH_CONFIG_LINKED])
def test_what_is_read_at_the_start_restarts(path: str) -> None:
    assert steps(without(path)) == [f"write {path}", *RESTART]


def test_a_sidecar_that_answers_no_names_any_more_loses_their_rules() -> None:
    text = "A=1\nISTIO_META_DNS_CAPTURE='true'\n"
    captured = {**DONE.paths, layout.CLUSTER_ENV: paths.text_file(text, "0640", layout.USER, layout.USER)}
    seen = dataclasses.replace(DONE, paths=captured)
    assert steps(seen) == [
        f"write {layout.CLUSTER_ENV}",
        "have systemd read its units again",
        "remove the chains of istio-sidecar (iptables-legacy)",
        "remove the chains of istio-sidecar (iptables-nft)",
        "track the connections that there are",
        "restart istio.service",
        WAIT,
        "leave that to the sidecar's rules",
    ]
    # The other way round, new rules come beside those that are there.
    files = {**FILES, layout.CLUSTER_ENV: captured[layout.CLUSTER_ENV]}
    assert steps(DONE, dataclasses.replace(SETTINGS, files=files)) == [f"write {layout.CLUSTER_ENV}", *RESTART]
    assert steps(seen, dataclasses.replace(SETTINGS, files=files), restart=True) == RESTART


@pytest.mark.parametrize("path", [layout.HOSTS, layout.ROOT_CERT, layout.LOGROTATE])
def test_what_the_sidecar_sees_by_itself_restarts_nothing(path: str) -> None:
    assert steps(without(path)) == [f"write {path}", WAIT]


def test_a_new_token_and_a_new_package_restart() -> None:
    assert steps(DONE, restart=True) == RESTART
    assert steps(dataclasses.replace(DONE, newer=(layout.PACKAGE_LIST,))) == RESTART


def test_a_host_without_logrotate_gets_no_file_for_it() -> None:
    assert steps(dataclasses.replace(without(layout.LOGROTATE), rotates=False)) == []


def test_a_sidecar_that_never_gets_ready_is_told_with_the_next_commands() -> None:
    said = plan.Await(20, "mesh", MADE).failure("not ready (503: x)", {"istio.service": "active"})
    assert "Envoy is not ready (503: x); istio.service is active. Next" in said
    assert said.endswith("getent hosts istiod.mesh.svc")


@pytest.fixture
def page() -> t.Iterator[t.Callable[[int], str]]:
    """A page that answers with a status."""
    servers = []

    def serve(status: int) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()

            def log_message(self, *dummy: t.Any) -> None:
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/healthz/ready"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_agent_says_whether_it_is_ready(page: t.Callable[[int], str]) -> None:
    assert look.state_of(dataclasses.replace(MADE, ready=page(200))) == look.LIVE
    assert look.ready_state(page(503)) == "not ready (503: Service Unavailable)"
    assert "refused" in look.ready_state("http://127.0.0.1:1/healthz/ready")


@pytest.fixture
def installed(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with other things in it, on which nothing of the sidecar has been."""
    shown = "LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n\\n"
    units = f'istio.service) printf "{shown}" ;; istio-auth*) printf "LoadState=not-found\\n\\n" ;;'
    host.program("systemctl", f'test "$1" = show || exit 0; for name in "$@"; do case "$name" in {units} esac; done')
    host.program("dpkg-query", "printf 'installed istio-sidecar 1.31.0\\n'")
    for name in MADE.filters:
        host.program(f"{name}-save")
        host.program(f"{name}-restore", "cat > /dev/null")
    for path in (layout.HOSTS, layout.LOGROTATE, layout.MESH_CONFIG, layout.MESH_CONFIG_LINKED, layout.CLUSTER_ENV):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(layout.HOSTS).write_text("127.0.0.1 localhost")
    monkeypatch.setattr(look, "ready_state", lambda _page: look.LIVE)
    return host


def settings(host: Host) -> Settings:
    """On that host; files are ours there, whoever that is."""
    files = {
        layout.CLUSTER_ENV: host.file("A=1\n", "0640"),
        layout.MESH_CONFIG_LINKED: host.file("defaultConfig: {}\n", "0640"),
        layout.HOSTS: host.file(f"127.0.0.1 localhost\n{LINE}"),
    }
    return dataclasses.replace(SETTINGS, files=files)


def test_a_look_reads_what_it_is_given_and_leaves_settings_out_of_the_rest(
    installed: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (layout.CLUSTER_ENV, layout.MESH_CONFIG, layout.SIDECAR_ENV):
        Path(path).write_text("x")
    monkeypatch.setattr(look.accounts, "uid_of", lambda _name: os.getuid() + 1)
    seen = look.look(settings(installed))
    assert (seen.version, seen.envoy, seen.rotates) == ("1.31.0", look.LIVE, True)
    assert set(seen.units) == {layout.SIDECAR_UNIT}
    assert seen.at(layout.HOSTS).content == b"127.0.0.1 localhost"
    assert layout.SIDECAR_ENV in seen.foreign
    assert not {layout.CLUSTER_ENV, layout.MESH_CONFIG} & set(seen.foreign)


def test_the_mesh_configuration_counts_as_a_setting(installed: Host) -> None:
    for path in (layout.CLUSTER_ENV, layout.MESH_CONFIG):
        Path(path).write_text("x")
        os.utime(path, (9, 9))
    assert look.newer_settings(8, MADE.settings) == (layout.MESH_CONFIG, layout.CLUSTER_ENV)
    assert look.newer_settings(10, MADE.settings) == ()


def test_it_comes_and_goes_without_a_trace(installed: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    installed.program("apt-get")
    installed.program("userdel")
    before = paths.read(layout.HOSTS)
    apply.prepare(MADE, check=False)
    kept = footprint.load(layout.ROLE)
    assert kept is not None
    assert kept.paths[layout.HOSTS] == before
    assert set(kept.paths) == {*MADE.paths, layout.HOSTS, layout.PROGRAMS}
    done = apply.present(settings(installed), False, "", False)
    assert (done.changed, done.guarded) == (True, True)
    assert Path(layout.HOSTS).read_text() == f"127.0.0.1 localhost\n{LINE}"
    monkeypatch.setattr(apply.removal.accounts, "exists", lambda _name: False)
    left = apply.absent(check=False)
    assert f"write {layout.HOSTS}" in left.operations
    assert paths.read(layout.HOSTS) == before
    assert os.stat(layout.HOSTS).st_mtime_ns == before.mtime
    assert not os.path.exists(layout.LOGROTATE)


def test_lines_that_came_meanwhile_stay_in_the_hosts_file(installed: Host) -> None:
    traces.keep(MADE)
    kept = footprint.load(layout.ROLE)
    assert kept is not None
    Path(layout.HOSTS).write_text(f"127.0.0.1 localhost\n{LINE}192.0.2.9 later\n")
    put = removal.look_at(kept).hosts
    assert put is not None
    assert put.wanted.content == b"127.0.0.1 localhost\n192.0.2.9 later\n"
    Path(layout.HOSTS).write_text("192.0.2.9 another\n")
    assert removal.look_at(kept).hosts is None


def test_what_another_layout_touched_is_still_known_as_it_was_before(installed: Host) -> None:
    first = layout.AGENT_AND_PROXY
    assert traces.keep(first)
    kept = footprint.load(layout.ROLE)
    assert kept is not None
    assert (kept.more, layout.LOGROTATE in kept.paths) == ({}, False)
    os.makedirs(layout.CERTS)
    assert traces.keep(MADE)
    both = footprint.load(layout.ROLE)
    assert both is not None
    assert not both.existed(layout.CERTS)
    assert set(both.paths) == {*MADE.paths, layout.HOSTS, layout.PROGRAMS}
    assert traces.filters(both) == ["iptables", "iptables-legacy", "iptables-nft"]
    assert not traces.keep(MADE)
    assert not traces.keep(first)


def test_a_directory_that_this_sidecar_never_touched_stays(installed: Host, tmp_path: Path) -> None:
    was = Footprint(role=layout.ROLE, paths=dict.fromkeys(layout.PATHS, paths.NOTHING))
    Path(layout.LOGROTATE).write_text("somebody's")
    assert layout.LOGROTATE not in removal.look_at(was).paths
    extended = dataclasses.replace(was, paths=dict.fromkeys(MADE.paths, paths.NOTHING))
    assert layout.LOGROTATE in removal.look_at(extended).paths


SAVED = """*raw
:OUTPUT ACCEPT [0:0]
:ISTIO_OUTPUT_DNS - [0:0]
-A OUTPUT -p udp -j ISTIO_OUTPUT_DNS
COMMIT
*nat
:ISTIO_INBOUND - [0:0]
-A PREROUTING -p tcp -j ISTIO_INBOUND
COMMIT
"""


def test_chains_are_looked_for_in_both_kinds_of_tables(installed: Host) -> None:
    (installed.root / "saved").write_text(SAVED)
    installed.program("iptables-nft-save", f"cat {installed.root}/saved")
    installed.program("iptables-nft-restore", f"cat > {installed.root}/restored")
    traces.keep(MADE)
    kept = footprint.load(layout.ROLE)
    assert kept is not None
    found = removal.look_at(kept)
    assert found.filters == ["iptables-nft"]
    assert "remove the chains of istio-sidecar (iptables-nft)" in [str(step) for step in removal.plan(found, kept)]
    removal.Uncapture("iptables-nft").run()
    expected = (
        "*raw\n-D OUTPUT -p udp -j ISTIO_OUTPUT_DNS\n-F ISTIO_OUTPUT_DNS\n-X ISTIO_OUTPUT_DNS\nCOMMIT\n"
        "*nat\n-D PREROUTING -p tcp -j ISTIO_INBOUND\n-F ISTIO_INBOUND\n-X ISTIO_INBOUND\nCOMMIT\n"
    )
    assert (installed.root / "restored").read_text() == expected


def test_a_certificate_goes_while_the_sidecar_is_stopped(installed: Host) -> None:
    key, chain, _root = layout.IDENTITY
    os.makedirs(os.path.dirname(key))
    for path in (key, chain):
        Path(path).write_text("of another mesh")
    apply.present(settings(installed), False, "", check=False)
    seen = look.look(settings(installed))
    operations = plan.plan(seen, settings(installed), True, Arrival("", (chain, key)))
    assert [str(item) for item in operations][:3] == [f"stop {layout.SIDECAR_UNIT}", f"remove {chain}", f"remove {key}"]
    # And comes back when that fails.
    before = apply.before(seen, operations, "", MADE)
    assert (before.paths[key].content, before.paths[chain].content) == (b"of another mesh", b"of another mesh")


def test_the_guard_stops_the_unit_and_looks_in_both(installed: Host) -> None:
    first = apply.before(look.look(settings(installed)), [], "", MADE).first
    stop = ("systemctl", "stop", layout.SIDECAR_UNIT)
    assert first == [stop, chains.remove("iptables-legacy"), chains.remove("iptables-nft")]


def test_a_connection_is_known_before_everything_is_captured(
    installed: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking.time, "sleep", lambda _seconds: None)
    installed.program("iptables-legacy-restore", f"cat > {installed.root}/rules")
    tracking.Track(MADE.filters).run()
    assert (installed.root / "rules").read_text() == tracking.RULES
    # A packet on the connection that this runs over.
    assert capsys.readouterr().out == "\n"
    assert not [call for call in installed.calls() if call.startswith("iptables-nft")]
    installed.program("iptables-legacy-restore", "exit 3")
    installed.program("iptables-nft-restore", f"cat > {installed.root}/others")
    tracking.Track(MADE.filters).run()
    assert (installed.root / "others").read_text() == tracking.RULES


def test_the_rule_for_that_goes_and_no_other(installed: Host) -> None:
    (installed.root / "saved").write_text(SAVED + tracking.RULES)
    installed.program("iptables-legacy-save", f"cat {installed.root}/saved")
    installed.program("iptables-legacy-restore", f"cat > {installed.root}/restored")
    tracking.Untrack(MADE.filters).run()
    expected = "*filter\n-F MESH_EXPANSION\n-X MESH_EXPANSION\nCOMMIT\n"
    assert (installed.root / "restored").read_text() == expected
    assert expected in chains.removal("iptables-legacy")


def test_options_choose_the_layout_and_give_the_files() -> None:
    options: dict[str, t.Any] = {
        **{name: option.get("default") for name, option in argument_spec().items()},
        "vip": "192.0.2.62",
        "service_cidr": "10.233.0.0/16",
        "address": "192.0.2.81",
    }
    file = {"path": "/etc/x", "kind": "file", "owner": "root", "group": "root", "mode": "0644", "text": "x"}
    made = Settings.from_options({**options, "files": [file]})
    assert (made.layout, made.files) == (MADE, {"/etc/x": PathState("file", "root", "root", "0644", b"x")})
    assert Settings.from_options({**options, "generation": "citadel"}).layout is layout.AGENT_AND_PROXY
    with pytest.raises(SettingsError, match="files has an entry without 'kind': pass what"):
        Settings.from_options({**options, "files": [{"path": "/etc/x"}]})
