"""istiod is down for ten minutes: proxies that have their configuration go on without it. Runs after test_rolling, on
its VMs."""

from __future__ import annotations

import json
import time

import pytest

from tests.live import Traffic, eventually, lab
from tests.rolling.test_rolling import SERVICES, URL, VMS, Upgrades, own_groups

SECONDS = 600
ISTIOD = ("deployment", "istiod", "-n", "istio-system")
# As an ordinary user, whose traffic is captured.
VM = ("exec", VMS[0], "runuser", "-u", "nobody", "--")
SERVER = "http://server.default:8080/"


def pods() -> list[str]:
    found = json.loads(lab("kubectl", "get", "pods", "-n", "istio-system", "-l", "app=istiod", "-o", "json"))["items"]
    return [item["metadata"]["name"] for item in found]


def scale(replicas: int) -> None:
    lab("kubectl", "scale", *ISTIOD, f"--replicas={replicas}", check=True)


def test_ten_minutes_without_istiod_cost_no_request(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    books = Upgrades(tmp_path_factory.mktemp("without"), own_groups(VMS), {"mesh_vm_services": SERVICES})
    books.good("site.yml")
    with Traffic(URL) as there, Traffic(SERVER, VM) as away:
        scale(0)
        try:
            eventually("istiod is gone", lambda: not pods())
            time.sleep(SECONDS)
            assert pods() == []
        finally:
            scale(1)
        lab("kubectl", "rollout", "status", *ISTIOD, "--timeout=120s", check=True, seconds=150)
    with capsys.disabled():
        print(f"\nwithout istiod for {SECONDS} s: pod to VM {there}; VM to pod {away}")
    assert min(there.sent, away.sent) > SECONDS
    assert there.failed == away.failed == []
    # All is as before: also what istiod alone knows, the VM's entry and its health.
    books.good("playbooks/verify.yml")
