"""A VM that was off until its certificate had ended, and that has no token any more: it stays out by itself, and
rejoin.yml brings it back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import LIFETIME
from ground import on, playbook

from lab import config
from lab.config import Host
from tests.live import eventually

TTL = ("-e", f"mesh_certificate_ttl={LIFETIME}")
TEXTFILES = "/var/lib/prometheus/node-exporter"
METRIC = "mesh_expansion_certificate_expiry_timestamp_seconds"


def ended(vm: Host) -> bool:
    return "will expire" in on(vm, "openssl x509 -in /etc/certs/cert-chain.pem -noout -checkend 0 || true")


def rows(report: Path) -> dict[str, str]:
    return {row["row"]: row["state"] for row in json.loads(report.read_text())}


def metrics(vm: Host) -> dict[str, float]:
    lines = on(vm, f"cat {TEXTFILES}/mesh_expansion.prom").splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


@pytest.fixture(scope="module")
def report(vm: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the rows go that rejoin.yml has found."""
    return tmp_path_factory.mktemp("rejoin") / "rows.json"


def test_what_ends_is_told_to_prometheus_when_that_is_asked_for(vm: Host) -> None:
    given = ("-e", f"verify_textfile_directory={TEXTFILES}")
    said = playbook("playbooks/verify.yml", *TTL, *given)
    assert said.returncode != 0
    assert f"there is no directory {TEXTFILES}" in " ".join(said.stdout.split())
    # The director tells what it forwards.
    hosts = [vm, *config.topology().with_role("director")]
    for host in hosts:
        on(host, f"install -d {TEXTFILES}")
    try:
        done = playbook("playbooks/verify.yml", *TTL, *given)
        assert done.returncode == 0, done.stdout[-4000:]
        found, now = metrics(vm), float(on(vm, "date +%s"))
        (own,) = [value for name, value in found.items() if name.startswith(METRIC) and 'kind="certificate"' in name]
        assert now - 120 < own < now + 121
        # The sidecar tells of its connections too, by other metrics.
        ends = {name.partition('kind="')[2].partition('"')[0] for name in found if name.startswith(METRIC)}
        assert ends == {"certificate", "issuer", "root"}
    finally:
        for host in hosts:
            on(host, f"rm -r {TEXTFILES}; rmdir --ignore-fail-on-non-empty /var/lib/prometheus || true")


def test_it_does_not_come_back_by_itself(vm: Host, tmp_path: Path) -> None:
    on(vm, "systemctl stop istio; rm -f /var/run/secrets/tokens/istio-token")
    eventually("the certificate has ended", lambda: ended(vm), 300)
    on(vm, "systemctl start istio; sleep 15")
    assert ended(vm)
    assert "200" not in on(vm, "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:15021/healthz/ready || true")
    report = tmp_path / "rows.json"
    done = playbook("playbooks/verify.yml", *TTL, "-e", "verify_timeout=5", "-e", f"verify_report={report}")
    assert done.returncode != 0
    assert {rows(report)[name] for name in ("I8", "I9")} == {"FAILED"}


def test_rejoin_brings_it_back(vm: Host, report: Path) -> None:
    done = playbook("playbooks/rejoin.yml", *TTL, "-e", f"verify_report={report}")
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{vm.name}: the certificate on the VM does not serve: it expired at" in " ".join(done.stdout.split())
    # A certificate of two minutes may be about to be renewed.
    identity = rows(report)["I8"]
    assert identity in ("ok", "warning")
    assert set(rows(report).values()) == {"ok", identity}
    assert len(rows(report)) == 15
    assert not ended(vm)


def test_a_vm_that_is_well_is_left_alone(vm: Host) -> None:
    before = on(vm, "systemctl show istio -p ActiveEnterTimestampMonotonic")
    done = playbook("playbooks/rejoin.yml", *TTL)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "its identity was left alone" in " ".join(done.stdout.split())
    assert "changed=0" in next(line for line in done.stdout.splitlines() if line.startswith(f"{vm.name} "))
    assert on(vm, "systemctl show istio -p ActiveEnterTimestampMonotonic") == before
