"""A site is joined; secrets of its hosts are told in logs and settings; none of them is in the bundle of diagnose.yml,
in any form. And what verify leaves for node exporter.

Run by `make diagnose` on a new lab of each generation, on its control node. It leaves the site.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import lab_state
import playbook_run
import pytest
import yaml
from leaks import leaks

from lab import config
from tests.live import lab

VM, DIRECTOR, NODE = (lab_state.hosts(group)[0] for group in ("vms", "director", "k8s_nodes"))
# By names of the lab.
MACHINES = {DIRECTOR: config.topology().with_role("director")[0].name}
KEY, TOKEN = "/etc/certs/key.pem", "/var/run/secrets/tokens/istio-token"
PASSWORD = "correct-horse-4711"
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"RS256","kid":"planted"}', b'{"aud":["istio-ca"],"sub":"planted"}', bytes(range(100, 250)))
)
TEXTFILES = "/var/lib/prometheus/node-exporter"
# Where the hosts' secrets are told: a log of the sidecar, settings, a file of dnsmasq, a footprint.
TELL = f"""
set -e
install -d /etc/dnsmasq.d /var/lib/mesh-expansion/zz /var/log/istio /var/run/secrets/tokens
test -e {TOKEN} || echo {JWT} > {TOKEN}
(cat {KEY}; base64 {KEY}; base64 -w0 {KEY}; echo; cat {TOKEN}; base64 -w0 {TOKEN}; echo) >> /var/log/istio/istio.log
head -c 500 {KEY} >> /var/log/istio/istio.log
sed 's/^/2026-11-28T10:00:00 vm istio: /' {KEY} >> /var/log/istio/istio.err.log
printf 'DB_PASSWORD={PASSWORD}\\nCA_TOKEN=%s\\n' "$(cat {TOKEN})" > /var/lib/istio/envoy/zz.env
printf '# http://me:{PASSWORD}@example.com/\\n' > /etc/dnsmasq.d/zz-told
python3 - <<END
import json
paths = {{"/x": {{"kind": "file", "text": open("{KEY}").read() + "password: {PASSWORD}\\n"}}}}
json.dump({{"paths": paths}}, open("/var/lib/mesh-expansion/zz/footprint.json", "w"))
END
"""
FORGET = f"""
rm -rf /var/lib/istio/envoy/zz.env /etc/dnsmasq.d/zz-told /var/lib/mesh-expansion/zz
grep -qs {JWT} {TOKEN} && rm {TOKEN}
sed -i '/BEGIN.*KEY/,$d' /var/log/istio/istio.log /var/log/istio/istio.err.log; true
"""


def on(host: str, *command: str, check: bool = False) -> str:
    return lab("exec", MACHINES.get(host, host), *command, check=check)


def run(playbook: str, *arguments: str) -> str:
    done = playbook_run.run(playbook, *arguments, seconds=1800)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def site() -> None:
    run("site.yml")


def metrics(host: str) -> dict[str, float]:
    lines = on(host, "cat", f"{TEXTFILES}/mesh_expansion.prom", check=True).splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_metrics_of_a_director_and_of_a_vm() -> None:
    """First: what tells of secrets below makes rows fail."""
    hosts = (VM, DIRECTOR)
    for host in hosts:
        on(host, "install", "-d", TEXTFILES, check=True)
    try:
        said = run("playbooks/verify.yml", "-e", f"verify_textfile_directory={TEXTFILES}")
        assert not re.search(r"changed=[1-9]", said)
        vm, director = (metrics(host) for host in hosts)
    finally:
        for host in hosts:
            on(host, "rm", "-r", TEXTFILES)
            on(host, "rmdir", "--ignore-fail-on-non-empty", "/var/lib/prometheus")
    assert vm["mesh_expansion_sidecar_ready"] == 1
    # Where it is counted.
    assert vm.get("mesh_expansion_sidecar_connected", 1) == 1
    assert vm["mesh_expansion_sidecar_clusters"] > 0
    assert any(name.startswith("mesh_expansion_sidecar_updates_total") and value for name, value in vm.items())
    assert any(name.startswith("mesh_expansion_certificate_expiry") for name in vm)
    assert director["mesh_expansion_director_holds_vip"] == 1
    assert director["mesh_expansion_director_pending_operations"] == 0
    weights = [value for name, value in director.items() if name.startswith("mesh_expansion_ipvs_server_weight")]
    assert weights
    assert set(weights) == {1}
    assert any(name.startswith("mesh_expansion_ipvs_connections_total") and value for name, value in director.items())
    for found in (vm, director):
        rows = [value for name, value in found.items() if name.startswith("mesh_expansion_check_ok")]
        assert rows
        assert set(rows) == {1}


@pytest.fixture(scope="module")
def secrets() -> Iterator[dict[str, bytes]]:
    """All that is known of the site's secrets."""
    on(VM, "sh", "-c", TELL, check=True)
    found = {
        f"{host}: {path}": on(host, "cat", path, check=True).encode()
        for host, path in (
            (VM, KEY),
            (VM, TOKEN),
            *((host, "/etc/ssh/ssh_host_ed25519_key") for host in (VM, DIRECTOR, NODE)),
        )
    }
    for name in ("istio-ca-secret", "istio.default"):
        for item in json.loads(lab("kubectl", "get", "secrets", "-A", "-o", "json"))["items"]:
            for key, value in (item.get("data") or {}).items():
                if item["metadata"]["name"] == name and "key" in key:
                    found[f"{name}: {key}"] = base64.b64decode(value)
    assert len(found[f"{VM}: {KEY}"]) > 200
    yield found
    on(VM, "sh", "-c", FORGET)


@pytest.fixture(scope="module")
def bundle(secrets: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What diagnose.yml has gathered while one node was off; and nothing was changed."""
    place = tmp_path_factory.mktemp("diagnose")
    on(VM, "touch", "/var/tmp/before", check=True)
    off = lab_state.hosts("k8s_nodes")[-1]
    more = place / "off.yml"
    more.write_text(yaml.safe_dump({"k8s_nodes": {"hosts": {off: {"ansible_host": "192.168.0.250"}}}}))
    done = run("playbooks/diagnose.yml", "-i", str(more), "-e", f"mesh_diagnose_path={place}/out")
    assert re.search(rf"Missing: {off}; summary.txt in it says why", " ".join(done.split()))
    assert sum(playbook_run.failures(done).values()) == 0
    assert not re.search(r"changed=[1-9]", done)
    (made,) = (place / "out").iterdir()
    return made


def test_every_host_that_answers_is_in_it(bundle: Path) -> None:
    hosts = {path.name for path in (bundle / "hosts").iterdir()}
    assert {VM, DIRECTOR, NODE} <= hosts
    assert lab_state.hosts("k8s_nodes")[-1] not in hosts
    assert {oct(path.stat().st_mode & 0o077) for path in bundle.rglob("*")} == {"0o0"}


def test_no_secret_is_in_it(bundle: Path, secrets: dict[str, bytes]) -> None:
    for path in bundle.rglob("*.*"):
        text = path.read_text() if path.is_file() else ""
        for name, secret in secrets.items():
            assert leaks(secret, text) == [], f"{name} is in {path.relative_to(bundle)}"
        assert leaks(JWT.encode(), text) == [], path
        assert PASSWORD not in text, path
        assert not re.search(r"BEGIN [A-Z ]*PRIVATE", text), path


def test_what_was_told_was_read(bundle: Path) -> None:
    """Or the absence of secrets would prove nothing."""
    vm = bundle / "hosts" / VM
    for name in ("sidecar-logs.txt", "sidecar-files.txt", "dnsmasq-files.txt", "footprint-zz.json"):
        assert "[removed:" in (vm / name).read_text(), name
    assert "/var/lib/istio/envoy/zz.env" in (vm / "sidecar-files.txt").read_text()
    assert KEY in (vm / "sidecar-files.txt").read_text()


def test_what_a_colleague_needs_is_in_it(bundle: Path) -> None:
    vip = yaml.safe_load((lab_state.ROOT / "lab/topology.yml").read_text())["vip"]
    assert re.search(
        rf"^-A -t {vip}:\d+ .*connections=\d+", (bundle / "hosts" / DIRECTOR / "ipvs.txt").read_text(), re.M
    )
    vm = bundle / "hosts" / VM
    dump = json.loads((vm / "envoy-config.json").read_text())
    assert any("ClustersConfigDump" in item["@type"] for item in dump["configs"])
    assert not any("SecretsConfigDump" in item["@type"] for item in dump["configs"])
    assert "LIVE" in (vm / "envoy-server.json").read_text()
    assert "update_success" in (vm / "envoy-stats.txt").read_text()
    assert "Active: active" in (vm / "unit-istio.txt").read_text()
    assert "spiffe://" in (vm / "certificates.txt").read_text()
    assert re.search(r"^default via", (vm / "network.txt").read_text(), re.MULTILINE)
    assert "nameserver" in (vm / "names.txt").read_text()
    assert "ISTIO_" in (vm / "sidecar-files.txt").read_text()
    assert "ISTIO_" in (vm / "packet-filter.txt").read_text()
    services = json.loads((bundle / "cluster/services.json").read_text())
    assert vip in json.dumps(services)
    pods = json.loads((bundle / "cluster/pods.json").read_text())
    assert any(pod["status"]["phase"] == "Running" for pod in pods)


def test_nothing_was_written_on_the_hosts(bundle: Path) -> None:
    """But what its programs write as they run."""
    found = on(VM, "find", "/", "-xdev", "-newer", "/var/tmp/before", "-type", "f", check=True).split()
    allowed = ("/proc/", "/sys/", "/run/", "/var/log/", "/dev/", "/var/lib/systemd/", "/var/lib/istio/", "/etc/certs/")
    assert [path for path in found if not path.startswith(allowed)] == []
