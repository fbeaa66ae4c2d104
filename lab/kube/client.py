# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client for the lab's API server: one connection, made inside the lab's network namespace."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from lab import config
from lab.errors import LabError
from lab.pods.network import inside

Json = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
TIMEOUT = 15


class ApiAnswer(LabError):
    """An answer other than success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NoAnswer(LabError):
    """The API server could not be reached."""


class Client:
    """As the cluster's administrator."""

    def __init__(self) -> None:
        site = config.topology()
        pki = config.state_dir() / "pki"
        try:
            context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
            context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        except FileNotFoundError as error:
            raise NoAnswer(f"no keys of the lab's Kubernetes in {pki}: `lab/lab up` makes them") from error
        self._netns = site.netns
        self._connection = http.client.HTTPSConnection(site.gateway, site.api_port, context=context, timeout=TIMEOUT)

    def call(self, method: str, path: str, body: Json | None = None, content: str = "application/json") -> Json:
        """One request; raises ApiAnswer for an answer that is no success, NoAnswer when there is none."""
        data = self.raw(method, path, None if body is None else json.dumps(body), content)
        document: Json = json.loads(data)
        return document

    def raw(self, method: str, path: str, body: str | None = None, content: str = "application/json") -> str:
        try:
            status, text = self._exchange(method, path, body, content)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise NoAnswer(
                f"{method} {path}: the API server does not answer ({error or repr(error)}); "
                "`lab/lab up` starts it, `lab/lab logs kube-apiserver` shows its log"
            ) from error
        if status >= 400:
            raise ApiAnswer(status, f"{method} {path}: {status}: {_message(text)}")
        return text

    def _exchange(self, method: str, path: str, body: str | None, content: str) -> tuple[int, str]:
        used_before = self._connection.sock is not None
        try:
            if not used_before:
                with inside(self._netns):
                    self._connection.connect()
            self._connection.request(method, path, body, {"Content-Type": content, "Accept": "application/json"})
            response = self._connection.getresponse()
            return response.status, response.read().decode()
        except (http.client.RemoteDisconnected, ConnectionError):
            self._connection.close()
            if not used_before:
                raise
            return self._exchange(method, path, body, content)  # it had been idle for too long

    def close(self) -> None:
        self._connection.close()


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:500]
