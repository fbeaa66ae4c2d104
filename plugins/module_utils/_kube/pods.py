# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a program in a pod, as C(kubectl exec) does. Private to the collection."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import quote

from .client import KubeClient
from .errors import KubeError

try:
    import websocket
    from kubernetes.stream import ws_client
except ImportError:
    # The client says so before anything of this is reached.
    pass


class Done(t.NamedTuple):
    rc: int
    stdout: str
    stderr: str


def run(client: KubeClient, namespace: str, pod: str, container: str, argv: t.Sequence[str], seconds: float) -> Done:
    """Run it to its end, or a KubeError that says why it could not be run. May be called in threads: the library's own
    call changes the client for its time, and loads all models of the API, which takes a second."""
    attempt = f"run {argv[0]} in pod {namespace}/{pod}"
    asked = [("stdout", "true"), ("stderr", "true"), *(("command", word) for word in argv)]
    if container:
        asked.append(("container", container))
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/exec"
    url = ws_client.get_websocket_url(client.host.rstrip("/") + path, asked)
    try:
        stream = ws_client.WSClient(client.configuration, url, client.auth_headers(), True)
        try:
            stream.run_forever(timeout=seconds)
            stdout, stderr = stream.read_stdout(timeout=0), stream.read_stderr(timeout=0)
            if stream.is_open():
                raise KubeError(f"Cannot {attempt}: it has not ended after {seconds:.0f} s.")
            rc = stream.returncode
        finally:
            stream.close()
    except (websocket.WebSocketException, OSError) as exc:
        raise KubeError(f"Cannot {attempt}: {_reason(exc)}") from exc
    return Done(int(rc), stdout, stderr)


def _reason(exc: Exception) -> str:
    """The API server's own words. The client hands on the whole answer to its handshake, with headers."""
    text = " ".join(str(exc).split())
    said = re.search(r'"message":\s*"((?:[^"\\]|\\.)*)"', text)
    return said.group(1).replace('\\"', '"') if said else text.partition(" -+-+- ")[0][:300]
