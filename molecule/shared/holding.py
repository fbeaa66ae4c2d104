"""An echo service on the virtual IP, and a client on a VM that holds connections to it while something happens."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lab_state
from kubernetes import client
from kubernetes.client.exceptions import ApiException

VIP, PORT, NAME = "192.168.0.62", 7000, "echo"
_CLIENT = Path(__file__).with_name("holding_client.py")
_ECHO = """
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while part := self.request.recv(100):
            self.request.sendall(part)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128
Server(("", 7000), Echo).serve_forever()
"""


def start(node: str = "k8s-node1") -> None:
    """The pod that the exposed service `echo` selects."""
    container = client.V1Container(name=NAME, image="mesh-lab/sleep:stand-in", command=["python3", "-c", _ECHO])
    spec = client.V1PodSpec(node_name=node, containers=[container], termination_grace_period_seconds=1)
    metadata = client.V1ObjectMeta(name=NAME, labels={"app": NAME})
    core = client.CoreV1Api(lab_state.api())
    core.create_namespaced_pod("default", client.V1Pod(metadata=metadata, spec=spec))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if core.read_namespaced_pod(NAME, "default").status.phase == "Running":
            return
        time.sleep(0.5)
    raise lab_state.LabStateError("the echo pod does not run after 60 s: lab/lab logs")


def stop() -> None:
    core = client.CoreV1Api(lab_state.api())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            core.delete_namespaced_pod(NAME, "default", grace_period_seconds=0)
        except ApiException as error:
            if error.status == 404:
                return
            raise
        time.sleep(0.5)


@contextmanager
def connections(host: str, limit: float = 1) -> Iterator[dict[str, Any]]:
    """Connections from the host while the block runs, new ones with C(limit) seconds; then the result is filled in."""
    result: dict[str, Any] = {}
    command = lab_state.ssh(host, f"echo $$; exec python3 - {VIP} {PORT} {limit}")
    with (
        _CLIENT.open("rb") as program,
        subprocess.Popen(command, stdin=program, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        # Until all are there, and the kernel has told the other director of them.
        time.sleep(5)
        try:
            yield result
            time.sleep(3)
        finally:
            lab_state.must(host, f"kill -TERM {pid}")
            result |= json.loads(process.communicate(timeout=60)[0])
