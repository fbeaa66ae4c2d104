# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import guard, paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.change import Operation, Put, Unit
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState
from ansible_collections.mesh.expansion.plugins.module_utils._host.systemd import UnitState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import files, plan
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns.look import Seen
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns.settings import Settings
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError

from .conftest import ORIGINAL_HOSTS, ORIGINAL_RESOLV_CONF, RUNNING


def do(seen: Seen, operations: list[Operation], unread: bool = False) -> Seen:
    """What the host is like after these steps; C(unread): files were written since dnsmasq's last start."""
    there, units = dict(seen.paths), dict(seen.units)
    for operation in operations:
        if isinstance(operation, Put):
            there[operation.path] = operation.wanted
            if operation.wanted.kind == "absent":
                there.update({path: paths.NOTHING for path in there if path.startswith(f"{operation.path}/")})
            unread = unread or operation.path in (files.KUBEDNS, files.OPTIONS, files.DROP_IN)
        elif isinstance(operation, Unit):
            changes = {
                "enable": {"enabled": True},
                "disable": {"enabled": False},
                "stop": {"active": False},
                "start": {"active": True},
                "restart": {"active": True},
            }
            units[operation.name] = units[operation.name]._replace(**changes.get(operation.action, {}))
            if operation.name == files.UNIT and operation.action == "restart":
                unread = False
    text = there[files.RESOLV_CONF].content or b""
    return dataclasses.replace(
        seen,
        paths=there,
        units=units,
        texts={**seen.texts, files.RESOLV_CONF: text.decode()},
        newer=unread and units[files.UNIT].active,
    )


def joined(seen: Seen, wanted: Settings) -> Seen:
    kept = plan.footprint(seen, wanted)
    return dataclasses.replace(do(seen, plan.join(seen, wanted)), footprint=kept)


def texts(operations: list[Operation]) -> list[str]:
    return [str(operation) for operation in operations]


def test_the_order_of_a_first_run(fresh: Seen, wanted: Settings) -> None:
    assert texts(plan.join(fresh, wanted)) == [
        "make directory /etc/systemd/system/dnsmasq.service.d",
        "write /etc/dnsmasq.d/kubedns",
        "write /etc/dnsmasq.d/mesh-expansion.conf",
        "write /etc/systemd/system/dnsmasq.service.d/mesh-expansion.conf",
        "have systemd read its units again",
        "restart dnsmasq.service",
        "ask the new resolver 127.0.0.1 for istio-pilot",
        "make directory /etc/systemd/resolved.conf.d",
        "write /etc/systemd/resolved.conf.d/zz-mesh-expansion.conf",
        "restart systemd-resolved.service",
        "write /etc/dhcp/dhclient-enter-hooks.d/mesh-expansion",
        "write /etc/hosts",
        "write /etc/resolv.conf",
        "look up istio-pilot as programs do",
    ]


def test_the_files_are_what_they_always_were(fresh: Seen, wanted: Settings) -> None:
    there = joined(fresh, wanted).paths
    assert there[files.HOSTS] == paths.text_file("127.0.0.1 localhost\n192.0.2.81 web.example.com web\n")
    assert there[files.RESOLV_CONF] == paths.text_file(
        "# Managed by mesh.expansion; the original is in /var/lib/mesh-expansion/dnsmasq.\nsearch example.com\n"
        "nameserver 127.0.0.1\nnameserver 192.0.2.53\n"
    )
    assert there[files.KUBEDNS].content.startswith(
        b"server=/svc.cluster.local/192.0.2.62\naddress=/istio-mixer/192.0.2.62\n"
    )
    assert there[files.OPTIONS].content.startswith(
        b"# Managed by mesh.expansion.\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\n"
        b"server=192.0.2.53\nlocal=/istio"
    )
    assert there["/etc/systemd/resolved.conf.d/zz-mesh-expansion.conf"] == paths.text_file(
        "[Resolve]\nDNS=\nDNS=127.0.0.1\nDomains=~.\nResolveUnicastSingleLabel=yes\n"
    )
    assert {there[path].mode for path in files.FILES if there[path].kind == "file"} == {"0644"}


def test_without_the_fallback_only_dnsmasq_is_named(fresh: Seen, wanted: Settings) -> None:
    there = joined(fresh, dataclasses.replace(wanted, resolv_conf_fallback=False)).paths
    assert there[files.RESOLV_CONF].content.endswith(b"search example.com\nnameserver 127.0.0.1\n")


def test_nothing_to_do(fresh: Seen, wanted: Settings) -> None:
    assert plan.join(joined(fresh, wanted), wanted) == []


def test_a_run_that_was_cut_anywhere_is_completed(fresh: Seen, wanted: Settings) -> None:
    kept, operations = plan.footprint(fresh, wanted), plan.join(fresh, wanted)
    end = do(fresh, operations)
    for cut in range(len(operations) + 1):
        half = dataclasses.replace(do(fresh, operations[:cut]), footprint=kept)
        whole = do(half, plan.join(half, wanted), unread=half.newer)
        assert whole.paths == end.paths, texts(operations)[:cut]
        assert whole.units[files.UNIT].active
        assert not whole.newer


def test_and_is_undone_from_anywhere(fresh: Seen, wanted: Settings) -> None:
    kept, operations = plan.footprint(fresh, wanted), plan.join(fresh, wanted)
    for cut in range(len(operations) + 1):
        half = dataclasses.replace(do(fresh, operations[:cut]), footprint=kept)
        assert do(half, plan.leave(half)).paths == fresh.paths, texts(operations)[:cut]


def test_the_guard_puts_back_what_is_touched(fresh: Seen, wanted: Settings) -> None:
    operations = plan.join(fresh, wanted)
    before = plan.before(fresh, operations)
    touched = {operation.path for operation in operations if isinstance(operation, Put)}
    assert before.paths == {path: fresh.paths[path] for path in touched}
    assert before.units == {files.UNIT: {"active": False, "enabled": True}}
    assert before.last == [["systemctl", "restart", "systemd-resolved.service"]]
    assert f"rm -rf -- {files.KUBEDNS}" in guard.script(files.ROLE, before)


@pytest.mark.parametrize("path", [files.KUBEDNS, files.OPTIONS, files.DROP_IN])
def test_changed_configuration_is_read_and_proven(path: str, fresh: Seen, wanted: Settings) -> None:
    seen = joined(fresh, wanted)
    seen = dataclasses.replace(seen, paths={**seen.paths, path: paths.text_file("edited\n")})
    assert texts(plan.join(seen, wanted)) == [
        f"write {path}",
        "have systemd read its units again",
        "restart dnsmasq.service",
        "ask the new resolver 127.0.0.1 for istio-pilot",
        "look up istio-pilot as programs do",
    ]


def test_configuration_that_came_after_the_start_is_read(fresh: Seen, wanted: Settings) -> None:
    seen = dataclasses.replace(joined(fresh, wanted), newer=True)
    assert "restart dnsmasq.service" in texts(plan.join(seen, wanted))


def test_a_dnsmasq_that_was_stopped_is_started(fresh: Seen, wanted: Settings) -> None:
    seen = joined(fresh, wanted)
    stopped = UnitState(loaded=True, state="failed", file_state="disabled")
    seen = dataclasses.replace(seen, units={**seen.units, files.UNIT: stopped})
    assert texts(plan.join(seen, wanted))[:2] == ["enable dnsmasq.service", "start dnsmasq.service"]


def test_a_link_goes_back_as_a_link(fresh: Seen, wanted: Settings) -> None:
    link = PathState("link", "root", "root", target="../run/resolv.conf")
    fresh = dataclasses.replace(fresh, paths={**fresh.paths, files.RESOLV_CONF: link})
    seen = joined(fresh, wanted)
    assert seen.paths[files.RESOLV_CONF].kind == "file"
    assert b"search example.com" in (seen.paths[files.RESOLV_CONF].content or b"")
    assert do(seen, plan.leave(seen)).paths[files.RESOLV_CONF] == link


def test_upstreams_are_those_of_before(fresh: Seen, wanted: Settings) -> None:
    assert plan.upstreams(fresh, wanted) == ["192.0.2.53"]
    assert plan.upstreams(joined(fresh, wanted), wanted) == ["192.0.2.53"]
    stub = dataclasses.replace(
        fresh,
        texts={
            **fresh.texts,
            files.RESOLV_CONF: "nameserver 127.0.0.53\n",
            files.BEHIND_STUBS[0]: "nameserver 9.9.9.9\n",
        },
    )
    assert plan.upstreams(stub, wanted) == ["9.9.9.9"]
    assert plan.upstreams(stub, dataclasses.replace(wanted, upstreams=("8.8.8.8",))) == ["8.8.8.8"]
    with pytest.raises(
        MeshError, match=r"no name server other than loopback ones in /etc/resolv.conf, .*mesh_upstream_dns"
    ):
        plan.upstreams(dataclasses.replace(fresh, texts=dict.fromkeys(fresh.texts, "")), wanted)


def test_missing_packages(fresh: Seen, wanted: Settings) -> None:
    seen = dataclasses.replace(fresh, packages={"dnsmasq": "config-files", "bind9-host": "installed"})
    assert plan.missing_packages(seen, wanted) == ["dnsmasq"]


def test_lines_of_others_in_hosts_stay(fresh: Seen, wanted: Settings) -> None:
    seen = joined(fresh, wanted)
    edited = (seen.paths[files.HOSTS].content or b"").decode() + "192.0.2.7 db\n"
    seen = dataclasses.replace(seen, paths={**seen.paths, files.HOSTS: paths.text_file(edited)})
    assert plan.join(seen, wanted) == []
    left = do(seen, plan.leave(seen)).paths[files.HOSTS]
    assert left == paths.text_file("127.0.0.1 localhost\n192.0.2.7 db\n127.0.1.1 web.example.com web\n")


def test_hosts_that_end_without_a_newline_come_back_as_they_were(fresh: Seen, wanted: Settings) -> None:
    odd = paths.text_file(ORIGINAL_HOSTS.rstrip() + "\r\n\r\n", mode="0600")
    fresh = dataclasses.replace(fresh, paths={**fresh.paths, files.HOSTS: odd})
    seen = joined(fresh, wanted)
    assert seen.paths[files.HOSTS] == paths.text_file("127.0.0.1 localhost\n192.0.2.81 web.example.com web\n")
    assert do(seen, plan.leave(seen)).paths[files.HOSTS] == odd


def test_the_record_follows_a_new_name_and_keeps_what_was(fresh: Seen, wanted: Settings) -> None:
    first = plan.footprint(fresh, wanted)
    seen = dataclasses.replace(joined(fresh, wanted), hostname="shop")
    second = plan.footprint(seen, wanted)
    assert second.paths == first.paths
    assert second.paths[files.RESOLV_CONF].content == ORIGINAL_RESOLV_CONF.encode()
    assert second.more["hosts_written"] == ORIGINAL_HOSTS + "192.0.2.81 shop\n"


def test_an_earlier_dnsmasq_runs_as_it_ran_before(fresh: Seen, wanted: Settings) -> None:
    fresh = dataclasses.replace(fresh, units={**fresh.units, files.UNIT: RUNNING})
    seen = joined(fresh, wanted)
    assert texts(plan.leave(seen))[-3:] == [
        "restart dnsmasq.service",
        "remove /etc/systemd/system/dnsmasq.service.d",
        "remove /etc/systemd/resolved.conf.d",
    ]
    assert plan.brought(seen, wanted.packages) == []
    assert plan.last(seen) == []


def test_what_the_packages_leave(fresh: Seen, wanted: Settings) -> None:
    """The footprint is of before they came."""
    bare = dataclasses.replace(
        fresh,
        paths={**fresh.paths, files.CONF_DIR: paths.NOTHING},
        packages={"bash": "installed"},
        account=False,
        units={**fresh.units, files.UNIT: UnitState()},
    )
    kept = plan.footprint(bare, wanted)
    seen = dataclasses.replace(joined(fresh, wanted), footprint=kept)
    steps = plan.leave(seen)
    assert "restart dnsmasq.service" not in texts(steps)
    assert plan.brought(seen, wanted.packages) == ["dnsmasq", "bind9-host"]
    left = dataclasses.replace(do(seen, steps), packages={"bash": "installed", "dnsmasq": "config-files"})
    assert plan.leave(left) == []
    assert plan.brought(left, wanted.packages) == ["dnsmasq"]
    assert texts(plan.last(left)) == ["run userdel dnsmasq", "remove /etc/dnsmasq.d"]


def test_a_host_that_was_never_joined_has_nothing_to_leave(fresh: Seen) -> None:
    assert plan.leave(fresh) == plan.last(fresh) == []
    assert plan.brought(fresh, ["dnsmasq"]) == []
