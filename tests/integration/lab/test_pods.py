# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of the lab behave as clients of Kubernetes expect. Runs as root against the lab that is up."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client as kube
from kubernetes import config as kube_config
from kubernetes.stream import stream

from lab import config, proc
from lab.kube import pods
from lab.kube.client import ApiAnswer, Client
from lab.pods.network import inside, netns_path

Json = dict[str, Any]
SITE = config.topology()
NAMESPACE = "/api/v1/namespaces/default"
NAME = "pods-test"

pytestmark = pytest.mark.skipif(not netns_path(SITE.netns).exists(), reason="the lab is not up: lab/lab up")


@pytest.fixture(name="api", scope="module")
def fixture_api() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


def eventually(check: Callable[[], Any], timeout: float = 20) -> Any:
    deadline = time.monotonic() + timeout
    while True:
        result = check()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(0.1)


def find(api: Client, name: str) -> Json | None:
    try:
        return api.call("GET", f"{NAMESPACE}/pods/{name}")
    except ApiAnswer as error:
        if error.status != 404:
            raise
        return None


@pytest.fixture(name="make")
def fixture_make(api: Client) -> Iterator[Callable[..., None]]:
    """Create a pod of one container, and remove it afterwards."""

    def make(**container: Any) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": NAME},
            "spec": {
                "nodeName": SITE.with_role("node")[-1].name,
                "terminationGracePeriodSeconds": 3,
                "containers": [{"name": "main", "image": "mesh-lab/sleep", **container}],
            },
        }
        api.call("POST", f"{NAMESPACE}/pods", body)

    def remove() -> None:
        if find(api, NAME):
            api.call("DELETE", f"{NAMESPACE}/pods/{NAME}")
            assert eventually(lambda: find(api, NAME) is None)

    remove()
    yield make
    remove()


def ready(api: Client) -> bool:
    pod = find(api, NAME) or {}
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def state(api: Client) -> Json:
    statuses = (find(api, NAME) or {}).get("status", {}).get("containerStatuses", [])
    return statuses[0]["state"] if statuses else {}


def waits_because(api: Client, reason: str) -> str:
    def message() -> str:
        waiting = state(api).get("waiting", {})
        return str(waiting.get("message", "")) if waiting.get("reason") == reason else ""

    return str(eventually(message))


def in_pod(pod: str, *command: str) -> tuple[int, str]:
    output = io.BytesIO()
    status = pods.exec_in_pod(pod, "default", command, output, output)
    return status, output.getvalue().decode()


def test_the_operator_may_exec_and_gets_streams_and_exit_code() -> None:
    """As kubernetes.core.k8s_exec does it, with the rights of docs/rbac.yaml."""
    with inside(SITE.netns):
        settings = kube.Configuration()
        kube_config.load_kube_config(str(config.state_dir() / "kubeconfig"), client_configuration=settings)
        core = kube.CoreV1Api(kube.ApiClient(settings))
        (pod,) = core.list_namespaced_pod("default", label_selector="app=sleep").items
        name = pod.metadata.name if pod.metadata else None
        response = stream(
            core.connect_get_namespaced_pod_exec,
            name,
            "default",
            command=["sh", "-c", "echo out; echo err >&2; exit 3"],
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            _preload_content=False,
        )
        response.run_forever(timeout=20)
    assert (response.read_stdout(), response.read_stderr(), response.returncode) == ("out\n", "err\n", 3)


@pytest.mark.parametrize(("identity", "answer"), [(None, "000"), ("admin", "403"), ("kubelet-client", "200")], ids=str)
@pytest.mark.parametrize("node", SITE.with_role("node"), ids=lambda node: node.name)
def test_the_kubelet_endpoint_is_for_the_api_server_only(node: config.Host, identity: str | None, answer: str) -> None:
    pki = config.state_dir() / "pki"
    own = ["--cert", f"{pki}/{identity}.crt", "--key", f"{pki}/{identity}.key"] if identity else []
    url = f"https://{node.address}:10250/healthz"
    command = ["curl", "-s", "--max-time", "5", "--cacert", f"{pki}/ca.crt", *own, "-o", "/dev/null"]
    done = proc.run([*command, "-w", "%{http_code}", url], netns=SITE.netns, check=False)
    assert done.stdout == answer


def test_a_pod_sees_its_cluster(api: Client) -> None:
    script = 'cat /etc/resolv.conf; hostname; curl -s --cacert $C -H "Authorization: Bearer $(cat $T)" $U'
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    env = f"T={token}/token C={token}/ca.crt U=https://kubernetes.default/apis/authentication.k8s.io; "
    status, text = in_pod("sleep", "bash", "-c", env + script)
    assert status == 0
    assert f"nameserver {SITE.cluster_dns}\nsearch default.svc.cluster.local" in text
    assert '"kind": "APIGroup"' in text


def test_readiness_follows_the_probe_and_deletion_is_graceful(api: Client, make: Callable[..., None]) -> None:
    serve = "trap 'echo told to stop; exit 0' TERM; python3 -m http.server 8099 & wait"
    make(
        command=["bash", "-c", f"sleep 1; {serve}"],
        readinessProbe={"tcpSocket": {"port": 8099}, "periodSeconds": 1},
    )
    assert eventually(lambda: "running" in state(api))
    assert not ready(api)
    assert eventually(lambda: ready(api))
    log = next((config.log_dir() / "pods").glob(f"default_{NAME}_main.log"))
    api.call("DELETE", f"{NAMESPACE}/pods/{NAME}")
    assert eventually(lambda: find(api, NAME) is None)
    assert log.read_text().splitlines()[-1] == "told to stop"


def test_a_crashed_container_starts_again(api: Client, make: Callable[..., None]) -> None:
    make(command=["sh", "-c", "exit 9"])
    assert "exit code 9" in waits_because(api, "CrashLoopBackOff")
    restarts = eventually(lambda: (find(api, NAME) or {})["status"]["containerStatuses"][0]["restartCount"] >= 2)
    assert restarts


def test_an_unknown_image_says_where_to_add_it(api: Client, make: Callable[..., None]) -> None:
    make(image="nobody/knows:1")
    assert "lab/pods/images.yml" in waits_because(api, "ErrImagePull")
