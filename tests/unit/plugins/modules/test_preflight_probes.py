# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of the preflight role: ARP frames, package heads, installed packages, rights."""

from __future__ import annotations

import io
import tarfile

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import deb_source
from ansible_collections.mesh.expansion.plugins.module_utils._host.arp import answering_mac, probe_frame
from ansible_collections.mesh.expansion.plugins.module_utils._host.deb import (
    DebCompressionError,
    DebError,
    control_fields,
)
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import IpvsError
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeForbidden
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import SECRETS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import standing
from ansible_collections.mesh.expansion.plugins.modules import kube_access_info, preflight_look

from tests.unit.plugins.fake_kube import FakeKube

OWN, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("525400123456")
VIP = "192.168.0.62"


@pytest.fixture(autouse=True)
def _no_packet_filter(monkeypatch):
    """That of the machine at hand is nobody's affair here."""
    monkeypatch.setattr(preflight_look.firewall, "look", lambda traffic: {"kept": list(traffic)})


def reply(sender_mac=OTHER, sender=(192, 168, 0, 62), ethertype=b"\x08\x06"):
    arp = b"\x00\x01\x08\x00\x06\x04\x00\x02" + sender_mac + bytes(sender) + OWN + b"\x00" * 4
    return OWN + sender_mac + ethertype + arp + b"\x00" * 18


def test_a_probe_is_broadcast_and_has_no_sender_address():
    frame = probe_frame(OWN, VIP)
    assert len(frame) == 42
    assert frame[:6] == b"\xff" * 6
    assert frame[28:32] == b"\x00" * 4
    assert frame[38:42] == bytes([192, 168, 0, 62])


def test_only_another_host_s_claim_counts():
    assert answering_mac(reply(), OWN, VIP) == "52:54:00:12:34:56"
    assert answering_mac(reply(sender_mac=OWN), OWN, VIP) is None
    assert answering_mac(reply(sender=(192, 168, 0, 63)), OWN, VIP) is None
    assert answering_mac(reply(ethertype=b"\x08\x00"), OWN, VIP) is None
    assert answering_mac(b"short", OWN, VIP) is None
    # The probe of a second host for the same address claims nothing.
    assert answering_mac(probe_frame(OTHER, VIP), OWN, VIP) is None


def deb(
    control="Package: istio-sidecar\nVersion: 1.0.5\nArchitecture: amd64\nDescription: x\n more: y\n",
    name="control.tar.gz",
):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        member = tarfile.TarInfo("./control")
        member.size = len(control.encode())
        archive.addfile(member, io.BytesIO(control.encode()))
    data = b"!<arch>\n"
    for member_name, content in (("debian-binary", b"2.0\n"), (name, tar.getvalue()), ("data.tar.xz", b"x" * 9)):
        data += f"{member_name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        data += b"\n" * (len(content) % 2)
    return data


def test_the_fields_come_from_the_beginning_of_the_file():
    fields = control_fields(deb()[:-5])
    assert (fields["Package"], fields["Version"], fields["Architecture"]) == ("istio-sidecar", "1.0.5", "amd64")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fELF", "not a Debian package"),
        (deb()[:160], "cut off"),
        (deb(name="nothing.tar"), "holds no control archive"),
        (deb().replace(b"\x1f\x8b", b"\x00\x00"), "is damaged"),
        (deb()[:40] + b"x" * 80, "archive is damaged"),
    ],
)
def test_unusable_packages(data, message):
    with pytest.raises(DebError, match=message):
        control_fields(data)


def test_zstd_is_left_to_dpkg_deb(tmp_path, monkeypatch):
    data = deb(name="control.tar.zst").replace(b"\x1f\x8b", b"\x28\xb5")
    with pytest.raises(DebCompressionError):
        control_fields(data)
    path = tmp_path / "x.deb"
    path.write_bytes(data)
    monkeypatch.setattr(
        deb_source, "_dpkg_deb", lambda head: "Package: a\nVersion: 1\nArchitecture: arm64\n" if head == data else None
    )
    found = deb_source.inspect(str(path), 5)
    assert found == {"exists": True, "error": "", "package": "a", "version": "1", "architecture": "arm64"}
    monkeypatch.setattr(deb_source, "_dpkg_deb", lambda _head: None)
    assert "without dpkg-deb" in deb_source.inspect(str(path), 5)["error"]


def test_files_and_what_is_missing(tmp_path):
    path = tmp_path / "x.deb"
    path.write_bytes(deb())
    assert deb_source.inspect(str(path), 5)["architecture"] == "amd64"
    missing = deb_source.inspect(str(tmp_path / "y.deb"), 5)
    assert missing == {"exists": False, "error": "No such file or directory"}
    nobody = deb_source.inspect("http://127.0.0.1:1/x.deb", 5)
    assert nobody["exists"] is False
    assert "refused" in nobody["error"]


@pytest.mark.parametrize(
    ("kinds", "allow_downgrade", "version"),
    [(["vm"], False, "1.0.5"), (["vm"], True, ""), (["node"], False, None)],
)
def test_the_package_that_no_older_one_may_replace(monkeypatch, kinds, allow_downgrade, version):
    monkeypatch.setattr(preflight_look.system, "facts", lambda: {"distribution": "Debian"})
    monkeypatch.setattr(preflight_look.packages, "installed", lambda: {"istio-sidecar": "1.0.5", "nginx": "1.22"})
    assert preflight_look.look(kinds, "", "", allow_downgrade).get("installed") == version


def test_the_clock_is_compared_with_the_control_node_s(monkeypatch):
    monkeypatch.setattr(preflight_look.system, "facts", dict)
    monkeypatch.setattr(preflight_look.time, "time", lambda: 1000.04)
    assert preflight_look.look([], "", "", False, now=900)["clock"] == 100.0
    assert "clock" not in preflight_look.look([], "", "", False)


@pytest.mark.parametrize(("uid", "user"), [(0, "root"), (4711, "4711")])
def test_without_root_a_director_is_not_probed(monkeypatch, uid, user):
    def told(*_args):
        return {"asked": True}

    monkeypatch.setattr(preflight_look.system, "facts", dict)
    monkeypatch.setattr(preflight_look.system.os, "geteuid", lambda: uid)
    monkeypatch.setattr(preflight_look.system, "ip_vs", told)
    monkeypatch.setattr(standing, "look", told)
    seen = preflight_look.look(["director"], "", "", False)
    assert (seen["user"], seen["root"]) == (user, uid == 0)
    probed = {"ip_vs", "keepalived", "packet_filter"}
    assert probed & set(seen) == (set() if uid else probed)


def test_a_vm_is_looked_at_for_its_roles(monkeypatch):
    """A role that cannot look says by itself why, when its turn comes."""

    def broken(_told):
        raise HostError("no such thing")

    read = []
    monkeypatch.setattr(preflight_look.system, "facts", dict)
    monkeypatch.setattr(preflight_look.system.os, "geteuid", lambda: 0)
    monkeypatch.setattr(preflight_look, "installed", str)
    monkeypatch.setattr(preflight_look.deb_source, "inspect", lambda source, _timeout: read.append(source) or {})
    monkeypatch.setattr(preflight_look.as_roles, "resolver", lambda told: {"told": told})
    url = "https://downloads.example.com/istio-sidecar.deb"
    for package, source in [({"fetch": False, "file": "/var/cache/x.deb"}, "/var/cache/x.deb"), ({"fetch": True}, url)]:
        monkeypatch.setattr(preflight_look.as_roles, "sidecar", lambda _told, found=package: {"package": found})
        seen = preflight_look.look(["vm"], "", url, False, roles={"resolver": {"vip": VIP}, "sidecar": {"vip": VIP}})
        assert (seen["resolver"], seen["sidecar"]) == ({"told": {"vip": VIP}}, {"package": package})
        assert (seen["package"]["source"], read[-1]) == (url, source)
    monkeypatch.setattr(preflight_look.as_roles, "sidecar", broken)
    seen = preflight_look.look(["vm"], "", url, False, roles={"sidecar": {"vip": VIP}})
    assert (set(seen) & {"resolver", "sidecar"}, read[-1]) == (set(), url)
    assert "sidecar" not in preflight_look.look(["vm"], "", "", False)


@pytest.mark.parametrize(("kind", "role"), [("director", "director"), ("node", "real_server")])
def test_what_forwards_is_looked_at_for_its_role(monkeypatch, kind, role):
    monkeypatch.setattr(preflight_look.system, "facts", dict)
    monkeypatch.setattr(preflight_look.system.os, "geteuid", lambda: 0)
    for name in ("ip_vs", "arp_settings", "external_ips"):
        monkeypatch.setattr(preflight_look.system, name, dict)
    monkeypatch.setattr(standing, "look", dict)
    monkeypatch.setattr(preflight_look, "probe", lambda _vip: {})
    monkeypatch.setattr(preflight_look.as_roles, role, lambda told: {"told": told})
    assert preflight_look.look([kind], VIP, "", False, roles={role: {"vip": VIP}})[role] == {"told": {"vip": VIP}}
    assert role not in preflight_look.look([kind], VIP, "", False)

    def broken(_told):
        raise IpvsError("no answer")

    monkeypatch.setattr(preflight_look.as_roles, role, broken)
    assert role not in preflight_look.look([kind], VIP, "", False, roles={role: {"vip": VIP}})


METRICS = """\
# TYPE kubernetes_feature_enabled gauge
kubernetes_feature_enabled{{name="AllowServiceExternalIPs",stage=""}} {value}
kubernetes_feature_enabled{{name="Other",stage="BETA"}} 1
"""


@pytest.mark.parametrize(
    ("text", "heeded"),
    [(METRICS.format(value=1), True), (METRICS.format(value=0), False), ("# of an older one\n", None)],
)
def test_what_kube_proxy_says_of_external_addresses(monkeypatch, tmp_path, text, heeded):
    (tmp_path / "metrics").write_text(text)
    monkeypatch.setattr(preflight_look.system, "_KUBE_PROXY_METRICS", (tmp_path / "metrics").as_uri())
    assert preflight_look.system.external_ips() is heeded


def test_a_node_without_kube_proxy_tells_nothing(monkeypatch):
    monkeypatch.setattr(preflight_look.system, "_KUBE_PROXY_METRICS", "http://127.0.0.1:1/metrics")
    assert preflight_look.system.external_ips() is None


def test_a_host_without_dpkg_has_no_package(monkeypatch):
    def missing():
        raise HostError("dpkg-query ended with 127: dpkg-query is not installed")

    monkeypatch.setattr(preflight_look.packages, "installed", missing)
    assert preflight_look.installed() == ""


def access(verbs, resource, namespace="x"):
    return {"verbs": verbs, "resource": resource, "subresource": "", "group": "", "namespace": namespace, "name": ""}


def test_rights_and_objects():
    client = FakeKube()
    client.allowed = lambda verb, resource, **_rest: (verb, resource) != ("delete", "services")
    client.store.put(SECRETS, "x", {"metadata": {"name": "there"}, "data": {"key.pem": "c2VjcmV0"}})
    objects = [{"kind": "Secret", "namespace": "x", "name": name} for name in ("there", "gone")]
    result = kube_access_info.inspect(
        client, [access(["get", "delete"], "services"), access(["get"], "endpoints")], objects, []
    )
    assert result == {
        "version": "v1.20.2",
        "denied": [access(["delete"], "services")],
        "missing": [objects[1]],
        "unknown": [],
        "documents": [],
        "refused": "",
        "claimed": [],
    }


def test_an_object_that_may_not_be_read_is_unknown():
    class Forbidden(FakeKube):
        def get_metadata(self, *_args):
            raise KubeForbidden("no")

    item = {"kind": "Secret", "namespace": "x", "name": "y"}
    assert kube_access_info.inspect(Forbidden(), [], [item], [])["unknown"] == [item]
