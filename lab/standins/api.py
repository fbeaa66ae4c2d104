"""Part of the lab's stand-ins: a live copy of Kubernetes objects, from list and watch."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import kubernetes
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

log = logging.getLogger(__name__)

Key = tuple[str, str]
RETRY_SECONDS = 1.0
WATCH_SECONDS = 300


def setup_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def core_api() -> Any:
    """CoreV1Api as the pod's service account (KUBECONFIG is set by whoever runs the pod)."""
    kubernetes.config.load_kube_config(os.environ.get("KUBECONFIG"))
    return kubernetes.client.CoreV1Api()


def pod_namespace() -> str:
    return os.environ.get("POD_NAMESPACE") or "istio-system"


class Store:
    """Objects of one kind, by (namespace, name); `on_change` is called from the watching thread."""

    def __init__(self, kind: str, list_call: Callable[..., Any], on_change: Callable[[], None] = lambda: None) -> None:
        self._kind = kind
        self._list = list_call
        self._on_change = on_change
        self._objects: dict[Key, Any] = {}
        self._lock = threading.Lock()
        self._synced = threading.Event()

    def start(self) -> Store:
        threading.Thread(target=self._run, name=f"watch-{self._kind}", daemon=True).start()
        return self

    def wait_synced(self, timeout: float = 60) -> None:
        if not self._synced.wait(timeout):
            raise TimeoutError(f"no list of {self._kind} from the Kubernetes API within {timeout:.0f} s")

    def items(self) -> list[Any]:
        with self._lock:
            return [self._objects[key] for key in sorted(self._objects)]

    def get(self, namespace: str, name: str) -> Any | None:
        with self._lock:
            return self._objects.get((namespace, name))

    def _run(self) -> None:
        stop = threading.Event()
        while True:
            try:
                self._watch(self._relist())
            except (ApiException, HTTPError, OSError) as error:
                log.warning("watching %s: %s; listing again in %.0f s", self._kind, _brief(error), RETRY_SECONDS)
                stop.wait(RETRY_SECONDS)

    def _relist(self) -> str:
        answer = self._list(_request_timeout=30)
        fresh = {(item.metadata.namespace or "", item.metadata.name): item for item in answer.items}
        with self._lock:
            self._objects = fresh
        self._synced.set()
        self._on_change()
        return str(answer.metadata.resource_version)

    def _watch(self, version: str) -> None:
        events = kubernetes.watch.Watch().stream(
            self._list, resource_version=version, timeout_seconds=WATCH_SECONDS, _request_timeout=WATCH_SECONDS + 30
        )
        for event in events:
            if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                continue
            item = event["object"]
            key = (item.metadata.namespace or "", item.metadata.name)
            with self._lock:
                if event["type"] == "DELETED":
                    self._objects.pop(key, None)
                else:
                    self._objects[key] = item
            self._on_change()


def _brief(error: Exception) -> str:
    if isinstance(error, ApiException):
        return f"HTTP {error.status} {error.reason}"
    return f"{type(error).__name__}: {error}"
