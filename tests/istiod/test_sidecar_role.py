"""The role istio_sidecar alone, on a VM of a real istiod: check, a run that fails, a run, nothing to do, the VM's rows
of verification, removal; and the host is as it was. Needs `lab/lab up istiod`, root."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ground import SITE, VM, apply, balanced, delete, kubectl, objects, on, playbook

from lab import config
from lab.build import istio
from lab.istio import packages
from tests.live import eventually

Json = dict[str, Any]
ROOT = config.repo_root()
SERVER = "http://server.default:8080/"
OLDER, NEWER = istio.PACKAGED[0], istio.PACKAGED[-1]


def package(version: str) -> Json:
    url = f"http://{SITE.gateway}:{SITE.http_port}/istio/{packages.file_name(version)}"
    return {"istio_sidecar_package": url, "istio_sidecar_checksum": f"sha256:{url}.sha256"}


VARIABLES: Json = {
    "istio_sidecar_control_plane": "istiod",
    **package(istio.VERSION),
    "istio_sidecar_vip": SITE.vip,
    "istio_sidecar_service_cidr": SITE.service_cidr,
    "istio_sidecar_address": VM.address,
    "istio_sidecar_service_account": VM.name,
    "istio_sidecar_services": [{"name": VM.name, "port": 9080}],
    "istio_sidecar_certificate_ttl": "12h",
    # The lab is no cloud: the agent need not look for one.
    "istio_sidecar_extra_env": {"CLOUD_PLATFORM": "none"},
    "istio_sidecar_kubeconfig": str(config.admin_kubeconfig()),
}
# What is verified beside that; nothing of the cluster is of interest here.
VERIFY: Json = {
    "mesh_control_plane": "istiod",
    "verify_vms": [VM.name],
    "verify_directors": [],
    "verify_registrations": [],
    "verify_vm_to_pods": True,
    "verify_server": SERVER,
    "verify_kubeconfig": str(config.admin_kubeconfig()),
    "exposure_services": [],
    "exposure_vip": SITE.vip,
    "exposure_backend": "auto",
    "director_services": [],
    "director_vip": SITE.vip,
}
TRACES = (
    "ls -d /var/run/secrets /etc/certs /var/lib/istio; iptables-legacy-save | grep -E '^(-A|:[A-Z]+_)'; id istio-proxy"
)


class Done:
    """A run of ansible-playbook."""

    def __init__(self, folder: Path, tasks: list[Json], variables: Mapping[str, Any], *arguments: str) -> None:
        book, given = folder / "play.yml", folder / "variables.json"
        book.write_text(yaml.safe_dump([{"hosts": VM.name, "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
        given.write_text(json.dumps(variables), encoding="utf-8")
        done = playbook(str(book), "-e", f"@{given}", *arguments)
        self.ok, self.output = done.returncode == 0, done.stdout + done.stderr

    @property
    def changed(self) -> int:
        found = re.search(rf"^{VM.name} .*changed=(\d+)", self.output, re.MULTILINE)
        return int(found.group(1)) if found else -1

    @property
    def executions(self) -> int:
        """Modules that were run, in a run with -vvv."""
        return self.output.count("Using module file")


def include(role: str, tasks_from: str = "main.yml") -> list[Json]:
    return [{"ansible.builtin.include_role": {"name": f"mesh.expansion.{role}", "tasks_from": tasks_from}}]


def role(folder: Path, *arguments: str, tasks_from: str = "main.yml", **more: Any) -> Done:
    return Done(folder, include("istio_sidecar", tasks_from), {**VARIABLES, **more}, *arguments)


def state() -> Json:
    """The VM as far as the collection could change it."""
    found: Json = json.loads(on(VM, "python3 -", input=(ROOT / "molecule/shared/host_state.py").read_text()))
    return {**found, "more": on(VM, f"{{ {TRACES}; }} 2>/dev/null || true")}


def differences(before: Json, after: Json) -> list[str]:
    return [
        f"{part}: {set(map(str, _items(before[part]))) ^ set(map(str, _items(after[part])))}"
        for part in before
        if before[part] != after[part]
    ]


def _items(value: Any) -> Any:
    return value.items() if isinstance(value, dict) else value if isinstance(value, list) else [value]


@pytest.fixture(name="life", scope="module")
def fixture_life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Json]:
    """All of it in order; the tests look at one part each."""
    folder = tmp_path_factory.mktemp("role")
    # As a host that has nothing there: the package brings it.
    on(VM, "rmdir --ignore-fail-on-non-empty /usr/local/bin || true")
    found: Json = {"before": state()}
    apply(*objects())
    try:
        # Another role's part, which has none on this VM.
        found["names"] = Done(folder, include("dnsmasq"), {"dnsmasq_mode": "capture"})
        found["check"] = role(folder, "--check", "--diff")
        found["after check"] = state()
        # The way to istiod is not there yet.
        found["failed"] = role(folder, istio_sidecar_timeout=8)
        found["after failure"] = state()
        with balanced():
            found["first"] = role(folder, "--diff")
            found["second"] = role(folder, "-vvv")
            found["seen"] = {
                "hosts": on(VM, "cat /etc/hosts"),
                "modes": on(VM, "stat -L -c '%n %U %a' /var/run/secrets/tokens/istio-token /etc/certs/key.pem"),
                "environment": on(VM, "cat /var/lib/istio/envoy/cluster.env"),
                "rotation": on(VM, "cat /etc/logrotate.d/mesh-expansion-istio"),
            }
            eventually("healthy WorkloadEntry", healthy)
            report = folder / "rows.json"
            found["verify"] = Done(folder, include("verify"), {**VARIABLES, **VERIFY, "verify_report": str(report)})
            found["rows"] = json.loads(report.read_text()) if report.exists() else []
            found["older"] = role(folder, **package(OLDER))
            found["newer"] = role(folder, **package(NEWER))
            found["newer again"] = role(folder, **package(NEWER))
            found["left"] = role(folder, tasks_from="remove.yml")
            found["left again"] = role(folder, tasks_from="remove.yml")
        found["after"] = state()
        yield found
    finally:
        role(folder, tasks_from="remove.yml")
        delete(*objects())


def healthy() -> bool:
    entries = json.loads(kubectl("get", "workloadentries", "-o", "json"))["items"]
    found = [entry for entry in entries if entry["spec"].get("address") == VM.address]
    conditions = [item for entry in found for item in entry.get("status", {}).get("conditions", [])]
    return any((item["type"], item["status"]) == ("Healthy", "True") for item in conditions)


def test_check_mode_tells_and_changes_nothing(life: Json) -> None:
    assert life["check"].ok, life["check"].output
    assert life["check"].changed > 0
    assert "+ISTIO_INBOUND_PORTS=9080" in life["check"].output
    assert differences(life["before"], life["after check"]) == []


def test_a_sidecar_that_cannot_reach_istiod_leaves_no_capture_and_no_name(life: Json) -> None:
    failed = life["failed"]
    assert not failed.ok
    assert "the sidecar does not work after 8 s: Envoy is" in failed.output
    assert "Everything was put back" in failed.output
    before, after = life["before"], life["after failure"]
    for part in ("firewall", "active services", "enabled units"):
        assert after[part] == before[part]
    assert after["files"]["/etc/hosts"] == before["files"]["/etc/hosts"]
    assert "/var/lib/istio/envoy/cluster.env" not in after["files"]
    assert "ISTIO_" not in after["more"]


def test_the_first_run_joins_the_vm(life: Json) -> None:
    assert life["first"].ok, life["first"].output
    assert f"{SITE.vip} istiod.istio-system.svc" in life["seen"]["hosts"]
    assert life["seen"]["modes"].splitlines() == [
        "/var/run/secrets/tokens/istio-token istio-proxy 600",
        "/etc/certs/key.pem istio-proxy 600",
    ]
    assert "SECRET_TTL=12h" in life["seen"]["environment"]
    assert "copytruncate" in life["seen"]["rotation"]


def test_no_run_shows_a_token(life: Json) -> None:
    for run in ("check", "failed", "first", "second", "verify"):
        # A token of three parts, each in base64.
        assert not re.search(r"eyJ[\w-]{20,}\.eyJ[\w-]{20,}\.", life[run].output), run


def test_the_second_run_changes_nothing_and_looks_once(life: Json) -> None:
    second = life["second"]
    assert (second.ok, second.changed) == (True, 0), second.output
    assert second.executions <= 4


def test_the_rows_of_the_vm_hold(life: Json) -> None:
    rows = {row["row"]: row for row in life["rows"] if row["host"] == VM.name}
    bad = {name: row["detail"] for name, row in rows.items() if row["state"] != "ok"}
    assert bad == {}, life["verify"].output[-3000:] if not rows else ""
    assert sorted(rows) == ["I10", "I15", "I5", "I6", "I7", "I8", "I9"]


def test_names_are_not_dnsmasqs_business(life: Json) -> None:
    assert (life["names"].ok, life["names"].changed) == (True, 0), life["names"].output


def test_another_version_takes_over_unless_it_is_older(life: Json) -> None:
    older, newer, again = life["older"], life["newer"], life["newer again"]
    assert (older.ok, older.changed) == (False, 0)
    assert f"is istio-sidecar {OLDER}, older than {istio.VERSION}" in " ".join(older.output.split())
    assert newer.ok, newer.output
    assert newer.changed > 0
    assert (again.ok, again.changed) == (True, 0), again.output


def test_the_removal_leaves_the_host_as_it_was(life: Json) -> None:
    assert life["left"].ok, life["left"].output
    assert differences(life["before"], life["after"]) == []
    assert (life["left again"].ok, life["left again"].changed) == (True, 0), life["left again"].output
