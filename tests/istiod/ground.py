"""A VM brought into the mesh of istiod by hand, with istioctl: what the ground of the lab must carry.
Nothing of the collection."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab import config, hosts, proc
from lab.build import istio, kubernetes
from lab.istio import packages, rendered
from lab.kube import pods

Json = dict[str, Any]
SITE = config.topology()
(DIRECTOR, *_others) = SITE.with_role("director")
VM = SITE.with_role("vm")[-1]
NODES = SITE.with_role("node")
VM_NETWORK = "vm-network"
PORTS = (15012, 15443)
PAGE = "Welcome to nginx!"
STRICT: Json = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "default", "namespace": rendered.NAMESPACE},
    "spec": {"mtls": {"mode": "STRICT"}},
}


def exposed(name: str, port: int, selector: Json, labels: Json) -> Json:
    """A Service beside the installer's, on the VIP."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": rendered.NAMESPACE, "labels": labels},
        "spec": {
            "selector": selector,
            "externalIPs": [SITE.vip],
            "ports": [{"name": f"tls-{port}", "port": port, "targetPort": port}],
        },
    }


def objects() -> list[Json]:
    """What the VM needs in the cluster."""
    network = {"topology.istio.io/network": rendered.NETWORK}
    labels = {"app": VM.name}
    meta = {"name": VM.name, "namespace": "default"}
    group = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "WorkloadGroup",
        "metadata": meta,
        "spec": {
            "metadata": {"labels": labels},
            "template": {"serviceAccount": VM.name, "network": VM_NETWORK, "ports": {"http": 9080}},
            "probe": {"periodSeconds": 1, "httpGet": {"path": "/", "port": 9080}},
        },
    }
    service = {"selector": labels, "ports": [{"name": "http", "port": 9080, "targetPort": 9080}]}
    return [
        exposed("istiod-vip", 15012, {"app": "istiod"}, {}),
        exposed("istio-eastwestgateway-vip", 15443, {"istio": "eastwestgateway"}, network),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
        group,
    ]


def program(path: Path, *arguments: str, input: str | None = None, timeout: float = 180) -> str:
    """kubectl or istioctl on the control node, as the administrator."""
    env = {"KUBECONFIG": str(config.admin_kubeconfig())}
    return proc.run([path, *arguments], netns=SITE.netns, env=env, input=input, timeout=timeout).stdout


def kubectl(*arguments: str, input: str | None = None) -> str:
    return program(kubernetes.binary("kubectl", config.shape().kubernetes), *arguments, input=input)


def playbook(*arguments: str) -> subprocess.CompletedProcess[str]:
    """ansible-playbook on the control node; the caller looks at the exit status."""
    root = config.repo_root()
    command = ["ip", "netns", "exec", SITE.netns, str(Path(config.venv_python()).parent / "ansible-playbook")]
    return subprocess.run(
        [*command, "-i", "inventory/lab", *arguments],
        cwd=root,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(root / "build/collections"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def istioctl(*arguments: str) -> str:
    return program(istio.istioctl(), *arguments)


def apply(*items: Json) -> None:
    kubectl("apply", "-f", "-", input=_documents(items))


def delete(*items: Json) -> None:
    kubectl("delete", "--ignore-not-found", "-f", "-", input=_documents(items))


def _documents(items: Sequence[Json]) -> str:
    """As JSON: kubectl takes a plain `n` or `1e3` of YAML for something other than text."""
    return "\n---\n".join(json.dumps(item) for item in items)


def get(kind: str, name: str, namespace: str = "default") -> Json:
    found: Json = json.loads(kubectl("get", kind, name, "-n", namespace, "-o", "json"))
    return found


def in_pod(pod: str, *command: str, namespace: str = "default") -> tuple[int, str]:
    output, errors = io.BytesIO(), io.BytesIO()
    status = pods.exec_in_pod(pod, namespace, command, output, errors)
    return status, output.getvalue().decode() + errors.getvalue().decode()


def curl(url: str) -> list[str]:
    return ["curl", "-sS", "--max-time", "5", "-w", "\n%{http_code}", url]


def on(host: config.Host, line: str, input: str | None = None) -> str:
    return hosts.ssh(host, [line], input=input, timeout=120).stdout


def as_user(host: config.Host, url: str) -> str:
    """From a VM as an ordinary user, whose traffic is captured."""
    return hosts.ssh(host, ["runuser", "-u", "nobody", "--", *curl(url)], check=False).stdout


@contextlib.contextmanager
def balanced() -> Iterator[None]:
    """The VIP on the director, both ports forwarded to all nodes by direct routing."""
    add = [f"ip address add {SITE.vip}/32 dev {DIRECTOR.nic}", "modprobe -a ip_vs ip_vs_wrr"]
    for port in PORTS:
        add.append(f"ipvsadm -A -t {SITE.vip}:{port} -s wrr")
        add += [f"ipvsadm -a -t {SITE.vip}:{port} -r {node.address}:{port} -g" for node in NODES]
    add.append(f"arping -q -c 1 -A -I {DIRECTOR.nic} {SITE.vip}")
    try:
        on(DIRECTOR, "set -e; " + "; ".join(add))
        yield
    finally:
        on(DIRECTOR, f"ipvsadm -C; ip address del {SITE.vip}/32 dev {DIRECTOR.nic} || true")


def connections(port: int) -> int:
    """Connections that the director has forwarded for a port of the VIP."""
    listed = on(DIRECTOR, "ipvsadm -L -n --stats --exact").splitlines()
    (line,) = [line for line in listed if line.startswith("TCP") and f"{SITE.vip}:{port}" in line]
    return int(line.split()[2])


@contextlib.contextmanager
def joined(prepare: Callable[[], None] | None = None) -> Iterator[None]:
    """The VM with its package, the files that istioctl or somebody else makes, and the unit as it is."""
    package = packages.file_name(istio.VERSION)
    source = f"http://{SITE.gateway}:{SITE.http_port}/istio/{package}"
    download = f"cd /tmp && curl -sSfO {source} && curl -sSfO {source}.sha256 && sha256sum --quiet -c {package}.sha256"
    on(VM, f"{download} && apt-get -qq install -y ./{package} >/dev/null && rm {package}*")
    try:
        (prepare or configure)()
        on(VM, "systemctl start istio")
        yield
    finally:
        on(VM, "systemctl stop istio; apt-get -qq purge -y istio-sidecar >/dev/null; userdel istio-proxy")
        on(
            VM,
            (
                "rm -rf /etc/certs /etc/istio /var/lib/istio /var/log/istio /var/run/secrets; "
                "sed -i '/istiod/d' /etc/hosts"
            ),
        )


def configure() -> None:
    """As upstream documents it: make the files, copy them, give them to the proxy's account."""
    with tempfile.TemporaryDirectory() as directory:
        _configure(Path(directory))


def _configure(directory: Path) -> None:
    group = directory / "workloadgroup.yaml"
    group.write_text(yaml.safe_dump(get("workloadgroup", VM.name)), encoding="utf-8")
    istioctl(
        *["x", "workload", "entry", "configure", "-f", str(group), "-o", str(directory)],
        *["--clusterID", "Kubernetes", "--autoregister", "--ingressIP", SITE.vip],
    )
    places = {
        "cluster.env": "/var/lib/istio/envoy/cluster.env",
        "mesh.yaml": "/etc/istio/config/mesh",
        "root-cert.pem": "/etc/certs/root-cert.pem",
        "istio-token": "/var/run/secrets/tokens/istio-token",
    }
    on(VM, "mkdir -p /var/run/secrets/tokens /etc/istio/proxy")
    for name, place in places.items():
        on(VM, f"cat > {place}", input=(directory / name).read_text(encoding="utf-8"))
    on(VM, "cat >> /etc/hosts", input=(directory / "hosts").read_text(encoding="utf-8"))
    on(VM, "chown -R istio-proxy /var/lib/istio /etc/certs /etc/istio/ /var/run/secrets")


def rejected(statistics: str) -> dict[str, int]:
    """Counters of Envoy's that grow when it refuses a configuration."""
    lines = (line.partition(":") for line in statistics.splitlines() if ".update_rejected:" in line)
    return {name: int(value) for name, _colon, value in lines if int(value)}
