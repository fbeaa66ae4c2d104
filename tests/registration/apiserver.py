# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real API server of a test's own, with etcd and the controllers that have to do with Services, and the definitions
of WorkloadEntry and WorkloadGroup. Needs neither root nor the lab, only the lab's programs."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes import client, config
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from lab import config as lab_config
from lab.build import kubernetes

Json = dict[str, Any]
CONTROLLERS = (
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "garbage-collector-controller",
)
READY_SECONDS = 60
TOKEN = "for-tests-only"
# What a test may write; istiod's own definitions, which the tests in tests/istiod use, say more.
GROUP = "networking.istio.io"
DEFINED = {"WorkloadEntry": "workloadentries", "WorkloadGroup": "workloadgroups"}


class ApiServer:
    """Running programs; `kubeconfig` is the way to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = kubernetes.build(lab_config.default_shape().kubernetes)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.etcd_port, self.peer_port, self.port, self.manager_port = free_ports(4)
        self.kubeconfig = folder / "kubeconfig"
        self._write_files()

    def start(self, *names: str) -> None:
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as output:
                command = [str(self.programs[name]), *getattr(self, f"_{name.replace('-', '_')}")()]
                self.processes[name] = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
                )

    def stop(self, *names: str) -> None:
        for name in names or tuple(reversed(self.processes)):
            process = self.processes.pop(name)
            process.kill()
            process.wait()

    def api(self) -> client.ApiClient:
        return config.new_client_from_config(str(self.kubeconfig))

    def wait(self) -> None:
        """Until the server serves what tests use."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} has ended: {(self.folder / f'{name}.log').read_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the API server is not ready after {READY_SECONDS} s; logs in {self.folder}")
            time.sleep(0.1)

    def define(self) -> None:
        """The two kinds of Istio."""
        api = client.ApiextensionsV1Api(self.api())
        for kind, plural in DEFINED.items():
            with contextlib.suppress(ApiException):
                api.create_custom_resource_definition(definition(kind, plural))
        deadline = time.monotonic() + READY_SECONDS
        custom = client.CustomObjectsApi(self.api())
        for plural in DEFINED.values():
            while True:
                try:
                    custom.list_cluster_custom_object(GROUP, "v1", plural)
                    break
                except ApiException:
                    assert time.monotonic() < deadline, f"{plural} are not served"
                    time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            return bool(client.CoreV1Api(self.api()).read_namespace("default", _request_timeout=2))
        # The server has not written its certificate yet, which the kubeconfig names; or it does not answer.
        except (config.ConfigException, ApiException, HTTPError, OSError):
            return False

    def _write_files(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        (self.folder / "sa.key").write_bytes(private)
        (self.folder / "sa.pub").write_bytes(public)
        (self.folder / "tokens").write_text(f'{TOKEN},tester,tester,"system:masters"\n')
        # The API server signs its certificate itself when it starts.
        authority = f"{self.folder}/certificates/apiserver.crt"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": authority},
                }
            ],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(content))

    def _etcd(self) -> list[str]:
        url, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        return [
            f"--data-dir={self.folder}/etcd",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            # The data need not outlive the test.
            "--unsafe-no-fsync",
        ]

    def _kube_apiserver(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            # Nobody's: an address of this machine would not be taken for the Service kubernetes.
            "--advertise-address=192.0.2.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self.folder}/certificates",
            f"--token-auth-file={self.folder}/tokens",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.233.0.0/16",
            "--service-account-issuer=https://test.invalid",
            f"--service-account-key-file={self.folder}/sa.pub",
            f"--service-account-signing-key-file={self.folder}/sa.key",
            "--disable-admission-plugins=ServiceAccount",
            "--profiling=false",
        ]

    def _kube_controller_manager(self) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig}",
            f"--secure-port={self.manager_port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder}/certificates",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=300",
        ]


def definition(kind: str, plural: str) -> Json:
    return {
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "listKind": f"{kind}List", "singular": kind.lower()},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on; all are held until the last is found."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _number in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


@contextlib.contextmanager
def running() -> Iterator[ApiServer]:
    with tempfile.TemporaryDirectory(prefix="mesh-api-", ignore_cleanup_errors=True) as folder:
        server = ApiServer(Path(folder))
        try:
            server.start("etcd", "kube-apiserver")
            server.wait()
            # It reads the certificate that the API server has made by now.
            server.start("kube-controller-manager")
            server.define()
            yield server
        finally:
            server.stop()
