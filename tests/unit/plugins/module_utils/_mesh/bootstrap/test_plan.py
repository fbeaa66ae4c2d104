# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import document, plan, report, token
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.errors import BootstrapError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.plan import Decision

from tests.unit.plugins import istiod_objects as istiod
from tests.unit.plugins import mesh_pki as pki

OWNER = {"owner": "istio-proxy", "group": "istio-proxy"}
LEAF = ("/etc/certs/cert-chain.pem", "/etc/certs/key.pem")
TOKEN = "/var/run/secrets/tokens/istio-token"


def entry(mode: str = "0644", exists: bool = True) -> dict[str, t.Any]:
    attributes = {**OWNER, "mode": mode} if exists else {"owner": None, "group": None, "mode": None}
    return {"exists": exists, **attributes}


def new_vm() -> dict[str, t.Any]:
    """A VM with a package and nothing else."""
    hosts = paths.text_file("127.0.0.1 localhost\n").as_dict()
    return {
        "identity": {
            "directory": entry("0755"),
            "files": {name: entry(exists=False) for name in ("root-cert.pem", "cert-chain.pem", "key.pem")},
            "chain": "",
            "root": "",
            "key_matches": None,
            "python": "/usr/bin/python3",
        },
        "files": {
            "cluster_env": {"path": "/var/lib/istio/envoy/cluster.env", "kind": "absent"},
            "mesh": {"path": "/etc/istio/config/mesh", "kind": "absent"},
            "hosts": {"path": "/etc/hosts", **hosts},
        },
        "token": {**entry(exists=False), "claims": None},
    }


def joined_vm(files: dict[str, bytes] | None = None) -> dict[str, t.Any]:
    """A VM that runs in the mesh: the files are as they are to be, the agent has a certificate."""
    files = files or pki.authority().issue()
    vm = new_vm()
    for file in decide(vm).files:
        name = {"/var/lib/istio/envoy/cluster.env": "cluster_env", "/etc/istio/config/mesh": "mesh"}.get(file.path)
        name = name or ("hosts" if file.path == "/etc/hosts" else "")
        if name:
            vm["files"][name] = {"path": file.path, **file.wanted.as_dict()}
    modes = {"root-cert.pem": "0600", "cert-chain.pem": "0600", "key.pem": "0600"}
    vm["identity"].update(
        files={name: {**entry(mode), "group": "root"} for name, mode in modes.items()},
        chain=files["cert-chain.pem"].decode(),
        root=files["root-cert.pem"].decode(),
        key_matches=True,
    )
    return vm


def decide(vm: dict[str, t.Any], **changes: t.Any) -> Decision:
    plane = istiod.control_plane(root=changes.pop("mesh_root", istiod.control_plane().root))
    spec = istiod.group(template={"ports": {"http": 9080}})
    return plan.decide(vm, plane, spec, istiod.options(**changes), pki.NOW)


def put(vm: dict[str, t.Any], **changes: t.Any) -> dict[str, t.Any]:
    """A token on the VM."""
    vm["token"] = {**entry("0600"), "claims": token.claims(istiod.token(**changes))}
    return vm


def test_a_new_vm_gets_everything() -> None:
    found = decide(new_vm())
    assert [(file.path, file.wanted.owner, file.wanted.mode) for file in found.files] == [
        ("/var/lib/istio/envoy/cluster.env", "istio-proxy", "0640"),
        ("/etc/istio/config/mesh", "istio-proxy", "0640"),
        ("/etc/hosts", "root", "0644"),
        ("/etc/certs", "istio-proxy", "0755"),
        ("/etc/certs/root-cert.pem", "istio-proxy", "0644"),
    ]
    assert [file.path for file in found.outdated] == [file.path for file in found.files if file.path != "/etc/certs"]
    assert (found.token, found.remove, found.token_attributes) == (plan.REQUEST, (), False)
    assert found.reasons[1] == "cert-chain.pem and key.pem missing on the VM"


def test_a_joined_vm_needs_nothing() -> None:
    found = decide(joined_vm())
    assert (found.outdated, found.token, found.remove) == ([], plan.NONE, ())
    assert not document.changes(found, istiod.options())


def test_a_file_with_another_text_owner_or_mode_is_outdated() -> None:
    for change in ({"text": "x"}, {"owner": "root"}, {"mode": "0644"}):
        vm = joined_vm()
        vm["files"]["mesh"].update(change)
        assert [file.path for file in decide(vm).outdated] == ["/etc/istio/config/mesh"]


def test_the_host_s_own_file_keeps_owner_and_mode() -> None:
    vm = new_vm()
    vm["files"]["hosts"].update(owner="adm", mode="0664", mtime=5)
    (hosts,) = [file for file in decide(vm).files if file.path == "/etc/hosts"]
    assert (hosts.wanted.owner, hosts.wanted.mode, hosts.wanted.mtime) == ("adm", "0664", 0)
    assert hosts.wanted.content == b"127.0.0.1 localhost\n192.0.2.62 istiod.istio-system.svc # mesh.expansion: istiod\n"
    assert "/etc/hosts" not in [file.path for file in decide(vm, hosts_entry=False).files]


def test_what_the_agent_wrote_of_the_roots_stays_but_for_its_owner() -> None:
    vm = joined_vm()
    vm["identity"]["files"]["root-cert.pem"]["owner"] = "root"
    (file,) = decide(vm).outdated
    assert file.path == "/etc/certs/root-cert.pem"
    assert (file.wanted.owner, file.wanted.group, file.wanted.mode) == ("istio-proxy", "root", "0600")
    assert file.wanted.content == file.actual.content


def test_a_directory_that_the_agent_cannot_write_to_is_given_to_it() -> None:
    vm = joined_vm()
    vm["identity"]["directory"]["owner"] = "root"
    found = decide(vm)
    assert [file.path for file in found.outdated] == ["/etc/certs"]
    assert document.document(found, istiod.options())["directories"] == [
        {"path": "/etc/certs", **OWNER, "mode": "0755"}
    ]


def test_a_token_that_is_there_will_do() -> None:
    vm = put(new_vm())
    assert decide(vm).token == plan.PRESENT
    again = plan.without_present(decide(vm), "another account")
    assert (again.token, again.reasons[-1]) == (plan.REQUEST, "another account")
    assert decide(put(vm, seconds=1800)).token == plan.REQUEST
    assert decide(put(vm, seconds=1800), token_lifetime=3000).token == plan.PRESENT
    assert decide(put(vm, subject="system:serviceaccount:default:other")).token == plan.REQUEST


def test_a_token_that_others_can_read_is_put_right() -> None:
    vm = put(joined_vm())
    assert not decide(vm).token_attributes
    vm["token"]["mode"] = "0644"
    found = decide(vm)
    assert (found.token, found.token_attributes) == (plan.NONE, True)
    assert document.changes(found, istiod.options(deliver="token"))
    assert document.document(found, istiod.options())["files"] == [{"path": TOKEN, "mode": "0600", **OWNER}]


def test_a_certificate_that_would_be_refused_goes_with_its_key() -> None:
    vm = joined_vm(pki.authority().issue(uri="spiffe://cluster.local/ns/default/sa/other"))
    found = decide(vm)
    assert (found.token, found.remove) == (plan.REQUEST, LEAF)
    vm["identity"]["key_matches"] = False
    assert decide(vm).remove == LEAF
    expired = decide(joined_vm(pki.authority().issue(start=-90, end=-1)))
    assert (expired.token, expired.remove) == (plan.REQUEST, ())


def test_a_root_that_was_replaced_needs_the_owner_s_word_and_a_token() -> None:
    other = pki.pem(pki.authority("other").root).decode()
    with pytest.raises(BootstrapError, match="set replace_root to true"):
        decide(joined_vm(), mesh_root=other)
    found = decide(put(joined_vm()), mesh_root=other, replace_root=True)
    assert (found.token, found.remove) == (plan.REQUEST, LEAF)
    assert [file.path for file in found.outdated] == ["/etc/certs/root-cert.pem"]


def test_a_further_root_needs_no_token() -> None:
    both = istiod.control_plane().root + pki.pem(pki.authority("other").root).decode()
    found = decide(joined_vm(), mesh_root=both)
    assert (found.token, found.remove) == (plan.NONE, ())
    assert [file.wanted.content for file in found.outdated] == [both.encode()]


def test_a_look_that_lacks_something_is_refused() -> None:
    with pytest.raises(BootstrapError, match="actual lacks files, token: pass the value actual"):
        decide({"identity": {}})


def test_document_of_a_new_vm() -> None:
    made = document.document(decide(new_vm()), istiod.options(), "t0ken")
    assert [item["path"] for item in made["directories"]] == [
        *("/var/lib/istio/envoy", "/etc/istio/config", "/var/run/secrets", "/var/run/secrets/tokens")
    ]
    assert [item["path"] for item in made["files"]] == [
        "/var/lib/istio/envoy/cluster.env",
        "/etc/istio/config/mesh",
        "/etc/hosts",
        "/etc/certs/root-cert.pem",
        TOKEN,
    ]
    assert made["files"][-1] == {"path": TOKEN, "mode": "0600", **OWNER, "content": "t0ken"}


def test_with_the_token_alone_the_files_are_no_change() -> None:
    wanted = istiod.options(deliver="token")
    made = document.document(decide(new_vm()), wanted, "t0ken")
    assert [item["path"] for item in made["files"]] == [TOKEN]
    vm = joined_vm()
    vm["files"]["mesh"]["text"] = "x"
    found = decide(vm)
    assert not document.changes(found, wanted)
    shown = report.of(found, wanted, istiod.control_plane(), vm, "")
    assert (shown["changed"], shown["outdated"], shown["diff"]) == (False, ["/etc/istio/config/mesh"], [])


def test_with_the_token_alone_a_certificate_stays_until_the_sidecar_is_stopped() -> None:
    vm = joined_vm(pki.authority().issue(uri="spiffe://cluster.local/ns/default/sa/other"))
    found, wanted = decide(vm), istiod.options(deliver="token")
    assert document.document(found, wanted, "t0ken")["remove"] == []
    assert document.document(found, istiod.options(), "t0ken")["remove"] == list(LEAF)
    shown = report.of(found, wanted, istiod.control_plane(), vm, "")
    assert (shown["changed"], shown["removed"]) == (True, list(LEAF))


def test_another_root_directory_is_before_every_path() -> None:
    wanted = istiod.options(root="/mnt/vm")
    found = plan.decide(new_vm(), istiod.control_plane(), istiod.group(), wanted, pki.NOW)
    made = document.document(found, wanted, "t0ken")
    every = [item["path"] for item in (*made["directories"], *made["files"]) if item["path"] != "/etc/hosts"]
    assert all(path.startswith("/mnt/vm/") for path in every)


def test_report_has_the_files_as_values_and_no_certificate_text_in_the_diff() -> None:
    vm = new_vm()
    found = decide(vm)
    shown = json.loads(json.dumps(report.of(found, istiod.options(), istiod.control_plane(), vm, "2027")))
    assert [PathState.from_dict(item) for item in shown["files"]] == [file.wanted for file in found.files]
    assert shown["changed"] is True
    assert shown["token"] == {"action": "request", "attributes": False, "expires": "2027"}
    assert (shown["host"], shown["certificate"]) == ("istiod.istio-system.svc", {})
    diff = {item["after_header"]: item["after"] for item in shown["diff"]}
    assert "-----BEGIN" not in json.dumps(shown["diff"])
    assert found.root_fingerprints[0] in diff["/etc/certs/root-cert.pem"]
    assert diff[TOKEN] == "a new token\n"
    assert "ISTIO_INBOUND_PORTS=9080" in diff["/var/lib/istio/envoy/cluster.env"]


def test_report_tells_what_goes_and_of_which_certificate_it_was() -> None:
    vm = put(joined_vm(pki.authority().issue(uri="spiffe://cluster.local/ns/default/sa/other")), seconds=60)
    vm["token"]["mode"] = "0644"
    shown = report.of(decide(vm), istiod.options(), istiod.control_plane(), vm, "")
    assert shown["certificate"]["identity"] == "spiffe://cluster.local/ns/default/sa/other"
    assert [(item["before_header"], item["before"]) for item in shown["diff"]] == [
        (TOKEN, "a token\n"),
        *((path, "there\n") for path in LEAF),
    ]
    kept = dataclasses.replace(decide(vm), token=plan.NONE, remove=())
    (diff,) = report.of(kept, istiod.options(), istiod.control_plane(), vm, "")["diff"]
    assert (diff["before"], diff["after"]) == (
        "istio-proxy:istio-proxy, mode 0644\n",
        "istio-proxy:istio-proxy, mode 0600\n",
    )
