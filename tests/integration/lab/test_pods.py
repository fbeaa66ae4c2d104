# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of the lab behave as clients of Kubernetes expect. Runs as root against the lab that is up."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._kube.pods import run as run_in_pod
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import PODS

from lab import config, proc
from lab.build import kubernetes
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


def eventually(check: Callable[[], Any], timeout: float = 60) -> Any:
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
    """Create a pod of one container, and remove it afterwards; `pod` has more of the Pod's spec."""

    def make(pod: Json | None = None, **container: Any) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": NAME},
            "spec": {
                "nodeName": SITE.with_role("node")[-1].name,
                "terminationGracePeriodSeconds": 3,
                "containers": [{"name": "main", "image": "mesh-lab/sleep", **container}],
                **(pod or {}),
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


def in_network(*words: str) -> list[str]:
    """Command line of a kubectl inside the lab."""
    program = str(kubernetes.binary("kubectl", config.shape().kubernetes))
    return ["ip", "netns", "exec", SITE.netns, program, f"--kubeconfig={config.admin_kubeconfig()}", *words]


def kubectl(*words: str, stdin: bytes | None = None, timeout: float = 20) -> subprocess.CompletedProcess[bytes]:
    source: Json = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(in_network(*words), capture_output=True, timeout=timeout, check=False, **source)


def shell(script: str, **more: Any) -> Json:
    return {"image": "mesh-lab/sleep", "command": ["sh", "-c", script], **more}


def output_of(script: str, container: str = "main") -> str:
    done = kubectl("exec", NAME, "-c", container, "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def in_pod(pod: str, *command: str) -> tuple[int, str]:
    output = io.BytesIO()
    status = pods.exec_in_pod(pod, "default", command, output, output)
    return status, output.getvalue().decode()


def test_the_operator_may_exec_and_gets_streams_and_exit_code() -> None:
    """As the module verify_cluster does it, with the rights of docs/rbac.yaml."""
    with inside(SITE.netns):
        client = connect(str(config.state_dir() / "kubeconfig"))
        (pod,) = client.list(PODS, "default", "app=sleep")
        name = pod["metadata"]["name"]
        script = ["sh", "-c", "echo out; echo err >&2; exit 3"]
        assert run_in_pod(client, "default", name, "", script, 20) == (3, "out\n", "err\n")
        with pytest.raises(KubeError, match="has not ended after 2 s"):
            run_in_pod(client, "default", name, "", ["sleep", "30"], 2)
        with pytest.raises(KubeError, match="run true in pod default/none: .*none.*not found"):
            run_in_pod(client, "default", "none", "", ["true"], 20)


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
        command=["bash", "-c", f"sleep 3; {serve}"],
        pod={"terminationGracePeriodSeconds": 60},
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
    assert b"container main is not running" in kubectl("exec", NAME, "--", "true").stderr


# volumes --------------------------------------------------------------------------------------------------------------


def claims(token: str) -> Json:
    body = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def test_a_projected_volume_holds_a_token_for_its_audience_and_what_the_pod_is(
    api: Client, make: Callable[..., None]
) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "audience": "istio-ca", "expirationSeconds": 600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca/root.pem"}]}},
        {"configMap": {"name": "not-there", "optional": True}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    make(
        pod={"volumes": [{"name": "v", "projected": {"sources": sources}}], "securityContext": {"fsGroup": 4321}},
        volumeMounts=[{"name": "v", "mountPath": "/somewhere/new"}],
    )
    assert eventually(lambda: ready(api))
    found = claims(output_of("cat /somewhere/new/token"))
    assert found["aud"] == ["istio-ca"]
    assert found["exp"] - found["iat"] == 600
    assert found["kubernetes.io"]["pod"]["name"] == NAME
    assert output_of("cat /somewhere/new/name; stat -Lc ' %a %g' /somewhere/new/token") == f"{NAME} 640 4321\n"
    assert "BEGIN CERTIFICATE" in output_of("cat /somewhere/new/ca/root.pem")
    assert output_of("touch /somewhere/new/x 2>&1 || echo refused").endswith("refused\n")


@pytest.fixture(name="config_map")
def fixture_config_map(api: Client) -> Iterator[str]:
    path = f"{NAMESPACE}/configmaps/{NAME}"
    yield path
    try:
        api.call("DELETE", path)
    except ApiAnswer as error:
        if error.status != 404:
            raise


def test_a_pod_waits_for_its_config_map_and_follows_it(api: Client, make: Callable[..., None], config_map: str) -> None:
    make(
        pod={"volumes": [{"name": "v", "configMap": {"name": NAME}}]},
        volumeMounts=[
            {"name": "v", "mountPath": "/etc/own"},
            {"name": "v", "mountPath": "/etc/one.txt", "subPath": "key"},
        ],
    )
    assert f"configmaps {NAME!r} not found" in waits_because(api, "CreateContainerConfigError")
    api.call("POST", config_map.rpartition("/")[0], {"metadata": {"name": NAME}, "data": {"key": "one"}})
    assert eventually(lambda: ready(api))
    assert output_of("cat /etc/own/key /etc/one.txt") == "oneone"
    api.call("PATCH", config_map, {"data": {"key": None, "new": "two"}}, "application/merge-patch+json")
    assert eventually(lambda: output_of("ls /etc/own") == "new\n", 40)
    assert output_of("cat /etc/own/new") == "two"


def test_containers_share_empty_dirs_network_and_nothing_else(api: Client, make: Callable[..., None]) -> None:
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    one = {
        "name": "one",
        **shell("cd /shared; echo own > /tmp/own; exec python3 -m http.server 8099", volumeMounts=mounts),
    }
    two = {"name": "two", **shell("sleep infinity", volumeMounts=mounts, securityContext={"runAsUser": 1234})}
    make(pod={"containers": [one, two], "volumes": [{"name": "shared", "emptyDir": {"medium": "Memory"}}]})
    assert eventually(lambda: ready(api))
    output_of("echo hello > /shared/file", "two")
    assert eventually(lambda: output_of("curl -s http://127.0.0.1:8099/file || true", "two")) == "hello\n"
    assert output_of("cat /shared/file /tmp/own", "one") == "hello\nown\n"
    assert output_of("ls -d /tmp/own || true", "two") == ""


# order ----------------------------------------------------------------------------------------------------------------


def test_init_containers_run_in_order_before_the_others(api: Client, make: Callable[..., None]) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    fails_once = "echo first >> /v/log; test -e /v/again || { touch /v/again; exit 3; }"
    first = {"name": "first", **shell(fails_once, volumeMounts=mounts)}
    second = {"name": "second", **shell("sleep 1; echo second >> /v/log", volumeMounts=mounts)}
    make(pod={"initContainers": [first, second], "volumes": [{"name": "v", "emptyDir": {}}]}, volumeMounts=mounts)

    def initialized() -> tuple[str, str]:
        status = (find(api, NAME) or {}).get("status", {})
        found = [c["status"] for c in status.get("conditions", []) if c["type"] == "Initialized"]
        return status.get("phase", ""), found[0] if found else ""

    assert eventually(lambda: initialized() == ("Pending", "False"))
    assert eventually(lambda: ready(api))
    assert initialized() == ("Running", "True")
    assert output_of("cat /v/log") == "first\nfirst\nsecond\n"
    statuses = (find(api, NAME) or {})["status"]["initContainerStatuses"]
    assert [(s["state"]["terminated"]["exitCode"], s["restartCount"], s["ready"]) for s in statuses] == [
        (0, 1, True),
        (0, 0, True),
    ]


def test_a_sidecar_is_up_before_the_others_and_outlives_them(api: Client, make: Callable[..., None]) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    serve = "sleep 1; trap 'echo sidecar >&2; exit 0' TERM; cd /v; python3 -m http.server 8099 & wait"
    sidecar = {
        "name": "proxy",
        "restartPolicy": "Always",
        **shell(serve, volumeMounts=mounts),
        "startupProbe": {"httpGet": {"path": "/", "port": 8099}, "periodSeconds": 1, "failureThreshold": 30},
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /proc/1/fd/2"]}}},
    }
    main = "curl -sf http://127.0.0.1:8099/ > /v/seen; trap 'echo main; sleep 1; exit 0' TERM; sleep infinity & wait"
    # Both end when they are told to; a busy machine needs its time until the hook has spoken.
    patient = {"terminationGracePeriodSeconds": 60}
    make(
        pod={"initContainers": [sidecar], "volumes": [{"name": "v", "emptyDir": {}}], **patient},
        **{k: v for k, v in shell(main, volumeMounts=mounts).items() if k != "image"},
    )
    assert eventually(lambda: ready(api))
    assert "Directory listing" in output_of("cat /v/seen")
    assert (find(api, NAME) or {})["status"]["initContainerStatuses"][0]["started"] is True
    logs = config.log_dir() / "pods"
    began = time.monotonic()
    api.call("DELETE", f"{NAMESPACE}/pods/{NAME}")
    assert eventually(lambda: find(api, NAME) is None)
    assert time.monotonic() - began >= 1
    assert (logs / f"default_{NAME}_main.log").read_text().splitlines()[-1] == "main"
    assert (logs / f"default_{NAME}_proxy.log").read_text().splitlines()[-2:] == ["hook", "sidecar"]


def test_a_failed_liveness_probe_restarts_the_container(api: Client, make: Callable[..., None]) -> None:
    check = {"exec": {"command": ["test", "!", "-e", "/tmp/ill"]}, "periodSeconds": 1, "failureThreshold": 1}
    make(livenessProbe=check, lifecycle={"postStart": {"exec": {"command": ["touch", "/tmp/hooked"]}}})
    assert eventually(lambda: ready(api))
    assert output_of("cd /tmp; ls -d hooked ill || true") == "hooked\n"
    output_of("touch /tmp/ill")
    assert eventually(lambda: (find(api, NAME) or {})["status"]["containerStatuses"][0]["restartCount"] == 1)
    assert eventually(lambda: ready(api))
    assert output_of("cd /tmp; ls -d hooked ill || true") == "hooked\n"


# rights ---------------------------------------------------------------------------------------------------------------


def test_a_container_runs_as_the_user_that_it_names(api: Client, make: Callable[..., None]) -> None:
    context = {
        "runAsUser": 1337,
        "runAsGroup": 1338,
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    make(
        pod={"volumes": [{"name": "v", "emptyDir": {}}]},
        securityContext=context,
        volumeMounts=[{"name": "v", "mountPath": "/not/there/before"}],
    )
    assert eventually(lambda: ready(api))
    assert output_of("id -u; id -g; id -G; echo $HOME") == "1337\n1338\n1338\n/\n"
    for process in ("self", "2"):  # what exec started, and the container's own
        status = output_of(f"cat /proc/{process}/status")
        assert "Uid:\t1337\t1337\t1337\t1337" in status
        assert "CapBnd:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
    output_of("echo by name > /proc/2/fd/1")  # as Envoy opens /dev/stdout
    assert eventually(lambda: kubectl("logs", NAME).stdout == b"by name\n")
    assert output_of("touch /usr/x 2>/dev/null || echo no; touch /not/there/before/x && echo yes") == "no\nyes\n"


def test_an_init_container_sets_the_pods_packet_filter(api: Client, make: Callable[..., None]) -> None:
    context = {"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]}}
    rule = "iptables -t nat -A OUTPUT -p tcp -d 192.0.2.1 -j REDIRECT --to-ports 8099"
    make(
        pod={"initContainers": [{"name": "init", **shell(rule, securityContext=context)}]},
        command=["python3", "-m", "http.server", "8099"],
    )
    assert eventually(lambda: ready(api))
    assert "Directory listing" in str(eventually(lambda: output_of("curl -s --max-time 2 http://192.0.2.1/ || true")))


def test_the_environment_has_what_the_pod_names(api: Client, make: Callable[..., None]) -> None:
    variables = [
        {"name": "IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1"}}},
    ]
    whole = [
        {"prefix": "CA_", "configMapRef": {"name": "kube-root-ca.crt"}},
        {"secretRef": {"name": "not-there", "optional": True}},
    ]
    make(env=variables, envFrom=whole, command=["sh", "-c", "sleep infinity"])
    assert eventually(lambda: ready(api))
    address = (find(api, NAME) or {})["status"]["podIP"]
    found = output_of("tr '\\0' '\\n' < /proc/2/environ").splitlines()
    assert {f"IPS={address}", "CPU=2", f"MEMORY={4 << 30}"} <= set(found)
    assert any(line.startswith("CA_ca.crt=-----BEGIN") for line in found)


@pytest.mark.parametrize(
    ("pod", "container", "named"),
    [
        ({"hostNetwork": True}, {}, "hostNetwork"),
        ({}, {"tty": True}, "tty (container main)"),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
            {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
            "hostPath",
        ),
        ({}, {"readinessProbe": {"grpc": {"port": 1}}}, "readinessProbe by grpc"),
    ],
    ids=["hostNetwork", "tty", "hostPath", "grpc"],
)
def test_what_the_runner_does_not_do_it_refuses_by_name(
    api: Client, make: Callable[..., None], pod: Json, container: Json, named: str
) -> None:
    make(pod=pod, **container)
    assert named in waits_because(api, "Unsupported")


# streams --------------------------------------------------------------------------------------------------------------


def test_kubectl_exec_carries_standard_input_to_its_end(api: Client, make: Callable[..., None]) -> None:
    make()
    assert eventually(lambda: ready(api))
    text = os.urandom(200_000)
    done = kubectl("exec", "-i", NAME, "--", "cat", stdin=text)
    assert (done.returncode, done.stdout) == (0, text)
    done = kubectl("exec", NAME, "--", "sh", "-c", "echo out; echo err >&2; exit 5")
    assert (done.returncode, done.stdout) == (5, b"out\n")
    assert done.stderr.startswith(b"err\n")


def test_kubectl_logs_and_attach(api: Client, make: Callable[..., None]) -> None:
    make(
        command=["sh", "-c", "test -e /tmp/x; echo one; echo two; sleep 3; echo three; exit 4"],
        pod={"restartPolicy": "Never"},
    )
    assert eventually(lambda: ready(api))
    assert eventually(lambda: kubectl("logs", NAME).stdout == b"one\ntwo\n")
    assert kubectl("logs", NAME, "--tail=1").stdout == b"two\n"
    attached = kubectl("attach", NAME)
    assert (attached.returncode, attached.stdout) == (0, b"three\n")
    assert kubectl("logs", "-f", NAME).stdout == b"one\ntwo\nthree\n"
    assert eventually(lambda: (find(api, NAME) or {})["status"]["phase"] == "Failed")
    assert b"timestamps not supported" in kubectl("logs", "--timestamps", NAME).stderr


def test_the_log_of_the_run_before_is_kept(api: Client, make: Callable[..., None]) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    script = (
        "echo run $(cat /v/runs 2>/dev/null | wc -l); echo x >> /v/runs; "
        "test $(wc -l < /v/runs) -gt 1 && sleep infinity; exit 1"
    )
    make(command=["sh", "-c", script], volumeMounts=mounts, pod={"volumes": [{"name": "v", "emptyDir": {}}]})
    assert eventually(lambda: kubectl("logs", NAME).stdout == b"run 1\n")
    assert kubectl("logs", NAME, "--previous").stdout == b"run 0\n"


def test_a_command_runs_in_the_directory_of_its_container(api: Client, make: Callable[..., None]) -> None:
    make(workingDir="/made/for/it", command=["sh", "-c", "pwd > here; sleep infinity"])
    assert eventually(lambda: ready(api))
    assert eventually(lambda: output_of("pwd; cat here")) == "/made/for/it\n/made/for/it\n"


def test_kubectl_forwards_a_port(api: Client, make: Callable[..., None]) -> None:
    make(command=["python3", "-m", "http.server", "--bind", "127.0.0.1", "8099"], workingDir="/only/here")
    assert eventually(lambda: ready(api))
    # A container without a probe is ready before its program listens, and kubectl gives up at the first refusal.
    assert eventually(lambda: ":1FA3 " in output_of("cat /proc/net/tcp"))
    command = in_network("port-forward", NAME, ":8099")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as forward:
        try:
            assert forward.stdout is not None
            port = forward.stdout.readline().split(" -> ")[0].rpartition(":")[2]
            for _again in range(3):
                page = proc.run(
                    ["curl", "-s", "--max-time", "10", f"http://127.0.0.1:{port}/"], netns=SITE.netns
                ).stdout
                assert "Directory listing" in page
        finally:
            forward.terminate()
