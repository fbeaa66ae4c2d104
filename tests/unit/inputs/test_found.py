"""What users got wrong, and what they are told: an input, and the words of the answer."""

from __future__ import annotations

import builtins
import ipaddress
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.filter.mesh_registrations import mesh_registrations
from ansible_collections.mesh.expansion.plugins.filter.verify_rows import verify_rows
from ansible_collections.mesh.expansion.plugins.module_utils._host import commands
from ansible_collections.mesh.expansion.plugins.module_utils._host.addresses import Place
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeConfigError, KubeUnreachable
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import site as sites
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director.model import Seen, Wanted
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director.refuse import refusals
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.cluster import cluster_findings
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.findings import findings
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.hosts import Rules
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.package import local_offer
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import SettingsError

from tests.unit.inputs.cases import VIP, valid
from tests.unit.inputs.harness import run

LONG = "a" * 64


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        ("dns_probe", {"queries": [{"name": f"{LONG}.example.com"}]}, f"queries[0]: name is '{LONG}.example.com'; it"),
        ("dns_probe", {"port": 99999}, "port is 99999; it must be a port number from 1 to 65535."),
        ("dns_probe", {"port": "domain"}, "argument 'port' is of type str and we were unable to convert to int"),
        ("dns_probe", {"timeout": -1}, "timeout is -1.0; it must be a number of seconds from"),
        ("envoy_info", {"timeout": -1}, "timeout is -1; it must be a number of seconds from"),
        ("envoy_info", {"admin_port": "admin"}, "argument 'admin_port' is of type str"),
        ("vip_probe", {"count": 0}, "count is 0; it must be a number from 1 to 1000."),
        ("vm_connections", {"settle": -1}, "settle is -1; it must be a number of seconds from 0"),
        ("istio_register", {"services": "[{name: web, port"}, "option 'services' is of type"),
        ("istio_register", {"services": ["web"]}, "option 'services' is of type"),
        ("istio_register", {"services": [{"name": "web", "endpoints": "192.0.2.81"}]}, "option 'endpoints' found in"),
        ("istio_register", {"services": [{"name": "web"}]}, "missing required arguments: endpoints found in services"),
        ("mesh_services", {"kubeconfig": "/etc/passwd"}, "Cannot load /etc/passwd: it is no kubeconfig"),
        ("mesh_services", {"services": [{"name": "web-lb"}]}, "exposed service 1 (web-lb): namespace is missing"),
        ("kube_access_info", {"kubeconfig": "/etc/passwd"}, "Cannot load /etc/passwd: it is no kubeconfig"),
    ],
    ids=str,
)
def test_a_module_says(module: str, options: dict[str, t.Any], words: str) -> None:
    result = run(module, {**valid(module), **options})
    assert words in str(result.get("msg") or result.get("error"))


CONFIG: dict[str, t.Any] = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {}}],
}


def text(**changes: t.Any) -> str:
    return yaml.safe_dump({**CONFIG, **changes})


def cluster(server: str) -> list[dict[str, t.Any]]:
    return [{"name": "k", "cluster": {"server": server}}]


@pytest.mark.parametrize(
    ("content", "context", "words"),
    [
        ("", None, "it is no kubeconfig: it does not hold clusters, users and contexts"),
        ("- a", None, "it is no kubeconfig: it does not hold"),
        ("a: [\n", None, "it is not YAML (line 2), so it is no kubeconfig"),
        ("\0", None, "it is not YAML"),
        (text(contexts="c"), None, "it is no kubeconfig: its contexts are no list"),
        (text(**{"current-context": ""}), None, "it says no current-context: set context to one of c"),
        (text(), "other", "(context other): it has no context 'other': there are c"),
        (text(clusters=[]), None, "it has no cluster 'k', which its context c names"),
        (text(users=[]), None, "it has no user 'u', which its context c names"),
        (text(clusters=cluster("nonsense")), None, "it gives 'nonsense' as the server of its context c: it must be as"),
        (text(clusters=cluster("https://192.0.2.1:99999")), None, "it gives 'https://192.0.2.1:99999' as the server"),
        (
            text(users=[{"name": "u", "user": {"exec": {"command": "no-such-program"}}}]),
            None,
            "it gets its credentials from the program 'no-such-program', which is not installed",
        ),
    ],
    ids=range(12),
)
def test_a_broken_kubeconfig(content: str, context: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    with pytest.raises(KubeConfigError) as raised:
        connect(str(path), context)
    assert f"Cannot load {path}" in str(raised.value)
    assert words in str(raised.value)
    assert "Set kubeconfig (or the environment variable KUBECONFIG) to a file" in str(raised.value)


def denied(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
    raise PermissionError(13, "Permission denied")


def test_a_kubeconfig_that_cannot_be_read_is_not_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KubeConfigError, match="it cannot be read: No such file or directory"):
        connect("/nonexistent/kubeconfig")
    monkeypatch.setattr(builtins, "open", denied)
    with pytest.raises(KubeConfigError, match="Cannot load /root/x: it cannot be read: Permission denied"):
        connect("/root/x")


def test_without_a_kubeconfig_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And not what the library misses in a pod."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for value, words in ((None, "none is given"), ("/nonexistent/a", "KUBECONFIG is '/nonexistent/a'")):
        monkeypatch.delenv("KUBECONFIG", raising=False)
        if value:
            monkeypatch.setenv("KUBECONFIG", value)
        with pytest.raises(KubeConfigError) as raised:
            connect()
        assert f"there is no such file ({words}), and this control node is no pod" in str(raised.value)
        assert "host/port" not in str(raised.value)


def test_an_api_that_does_not_answer(tmp_path: Path) -> None:
    """In the system's words, without the library's objects."""
    path = tmp_path / "kubeconfig"
    path.write_text(text())
    with pytest.raises(KubeUnreachable) as raised:
        connect(str(path)).server_version()
    assert "the Kubernetes API at https://127.0.0.1:1 does not answer (Connection refused)." in str(raised.value)
    assert "HTTPSConnection" not in str(raised.value)


WEB = {"name": "web", "port": 9080, "protocol": "http"}


def registered(*services: t.Any) -> str:
    with pytest.raises(AnsibleFilterError) as raised:
        mesh_registrations([{"name": "vm1", "address": "192.0.2.81", "services": list(services)}])
    return str(raised.value)


def test_all_that_is_wrong_with_services_is_said_at_once() -> None:
    said = registered(
        "web",
        {**WEB, "port": "http"},
        {"name": "We_b", "namespace": "No!", "protocl": "http"},
        {**WEB, "name": "other", "protocol": "mysql"},
    )
    for words in (
        "vm1: mesh_vm_services entry 1: 'web' is not a mapping.",
        "vm1: mesh_vm_services entry 2: 'http' is not a port number. Use a number from 1 to 65535.",
        "vm1: mesh_vm_services entry 3: unknown key 'protocl', did you mean 'protocol'? Known are name, port, protocol",
        "vm1: mesh_vm_services entry 3: it has no port. Add one, for example port: 9080.",
        "vm1: mesh_vm_services entry 3: it has no protocol. Add one, for example protocol: http.",
        "vm1: mesh_vm_services entry 3: 'We_b' is not a valid Service name.",
        "vm1: mesh_vm_services entry 3: 'No!' is not a valid namespace name.",
        "vm1: mesh_vm_services entry 4: port name 'mysql' begins with 'mysql'",
    ):
        assert words in said


def test_vms_that_are_none_are_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="VM 1: 'a' is not a mapping. Write name, address and services"):
        mesh_registrations(["a"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("defaults", "words"),
    [
        ({"namespace": "## no ##"}, "'## no ##' is not a valid namespace name. Use lower-case letters"),
        ({"service_account": "## no ##"}, "'## no ##' is not a valid ServiceAccount name."),
    ],
    ids=["namespace", "service_account"],
)
def test_defaults_of_services_that_cannot_be(defaults: dict[str, str], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        mesh_registrations([{"name": "vm1", "address": "192.0.2.81", "services": [WEB]}], **defaults)


def test_days_that_cannot_be() -> None:
    with pytest.raises(
        AnsibleFilterError, match=r"expiry_days \(verify_expiry_days\) is -1; it must be a number from 0"
    ):
        verify_rows({}, expiry_days=-1)


VARIABLES: dict[str, t.Any] = {
    "mesh_vip": VIP,
    "mesh_service_cidr": "10.233.0.0/16",
    "mesh_sidecar_package": "https://example.com/istio-sidecar.deb",
}
HOSTS = {"lvs1": "192.0.2.61", "node1": "192.0.2.71", "web1": "192.0.2.81"}
GROUPS = {"director": ["lvs1"], "k8s_nodes": ["node1"], "vms": ["web1"]}


def site(**variables: t.Any) -> sites.Site:
    def of_host(name: str) -> sites.Read:
        return {**VARIABLES, "ansible_host": HOSTS[name], "mesh_vm_services": [WEB]}.get

    return sites.parse({**VARIABLES, **variables}.get, GROUPS, of_host)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"mesh_exposed_overrides": ["istiod-lb"]},
            "overrides of exposed services: must be a dictionary, not ['istiod-lb']",
        ),
        ({"mesh_exposed_overrides": {"istiod": {}}}, "unknown key 'istiod', did you mean 'istiod-lb'? Known are"),
        (
            {"mesh_exposed_overrides": {"istiod-lb": {"nods": ["node1"]}}},
            "override of exposed service istiod-lb: unknown key 'nods', did you mean 'nodes'?",
        ),
        (
            {"mesh_exposed_overrides": {"istiod-lb": {"nodes": ["node9"]}}},
            "istiod-lb names the node 'node9'. Name hosts of k8s_nodes: node1.",
        ),
        ({"mesh_exposed_services": "istiod"}, "exposed services: must be a list, not 'istiod'"),
        (
            {"mesh_exposed_services": [{"name": "a", "namespace": "b", "selector": {"c": "d"}, "ports": ["http"]}]},
            "exposed service a: port: port is 'http'; it must be a whole number from 1 to 65535",
        ),
    ],
    ids=str,
)
def test_the_site_says(variables: dict[str, t.Any], words: str) -> None:
    (problem,) = site(**variables).problems
    assert problem.variable == "mesh_exposed_services"
    assert words in problem.text


def test_a_package_at_a_url_without_a_checksum() -> None:
    found = findings(site(), {"web1": {"checksum": None}}, {}, Rules({}))
    url = VARIABLES["mesh_sidecar_package"]
    (said,) = [line for line in found if line.startswith("mesh_sidecar_checksum")]
    assert said.startswith(f"mesh_sidecar_checksum: not set, and the sidecar package comes from the URL {url}. Set it")
    assert not [
        line for line in findings(site(), {"web1": {"checksum": "sha256:1"}}, {}, Rules({})) if "checksum" in line
    ]


def test_a_package_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "open", denied)
    with pytest.raises(SettingsError) as raised:
        local_offer("/root/istio-sidecar.deb", "")
    assert "package /root/istio-sidecar.deb on the control node cannot be read: Permission denied." in str(raised.value)
    assert "does not exist" not in str(raised.value)


def test_a_program_that_may_not_be_run() -> None:
    with pytest.raises(HostError, match="/etc list tables ended with 126: /etc cannot be run: Permission denied"):
        commands.must(["/etc", "list", "tables"])


def test_a_virtual_address_in_no_subnet() -> None:
    place = Place("eth0", ipaddress.ip_address("198.51.100.61"), 24)
    (said,) = refusals(Wanted(vip=ipaddress.ip_address(VIP), host="lvs1"), Seen(places=[place]))
    assert said.startswith(f"The virtual address {VIP} is in no subnet of lvs1: name the interface with")


def test_a_question_to_the_api_that_ends_without_a_reason() -> None:
    (said,) = cluster_findings(site(), {"failed": True})
    assert "None" not in said
    assert said.startswith("control node: the Kubernetes API cannot be asked: the module kube_access_info ended")
