# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the Kubernetes API: plain dictionaries in and out, typed errors, no caching. Private to the collection."""

from __future__ import annotations

import json
import time
import traceback
import typing as t
from urllib.parse import quote

from ansible.module_utils.basic import env_fallback, missing_required_lib

from .answers import DENIED, Object, error_for, parse
from .errors import (
    KubeDenied,
    KubeError,
    KubeForbidden,
    KubeInvalid,
    KubeLibraryMissing,
    KubeNotFound,
    KubeUnauthorized,
    KubeUnreachable,
)
from .kubeconfig import load
from .resources import ACCESS_REVIEWS, FIELD_MANAGER, Resource
from .retry import wait_for_server

try:
    import kubernetes
    import urllib3

    KUBERNETES_IMPORT_ERROR: str | None = None
except ImportError:
    KUBERNETES_IMPORT_ERROR = traceback.format_exc()

_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_TIMEOUT_SECONDS = 30


def kube_auth_argument_spec() -> t.Dict[str, t.Any]:
    """Options of every module that talks to the API (documented by the fragment ``_kube_auth``)."""
    return {
        "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG"])},
        "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
    }


def connect(kubeconfig: str | None = None, context: str | None = None) -> KubeClient:
    """Build a client from a kubeconfig file, or from the pod's own service account when there is none."""
    if KUBERNETES_IMPORT_ERROR is not None:
        raise KubeLibraryMissing(missing_required_lib("kubernetes"))
    return KubeClient(kubernetes.client.ApiClient(load(kubeconfig, context)))


class KubeClient:
    """One connection. ``warnings`` collects what the API server says in Warning headers, each text once."""

    def __init__(self, api_client: t.Any) -> None:
        # For what needs more than plain requests, too.
        self.configuration = api_client.configuration
        self._pool = api_client.rest_client.pool_manager
        self.host: str = self.configuration.host
        self.warnings: t.List[str] = []
        self.requests = 0
        self.sleep: t.Callable[[float], None] = time.sleep

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """The object, or None when it does not exist."""
        try:
            return self._request("GET", "get", resource, namespace, name)
        except KubeNotFound:
            return None

    def get_metadata(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """Only the object's metadata: the way to look for a Secret without receiving its content."""
        try:
            return self._request("GET", "get", resource, namespace, name, accept=_METADATA_ONLY)
        except KubeNotFound:
            return None

    def list(
        self,
        resource: Resource,
        namespace: str | None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = 0,
    ) -> t.List[Object]:
        given = {"labelSelector": label_selector, "fieldSelector": field_selector, "limit": str(limit or "")}
        query = {key: value for key, value in given.items() if value}
        return self._request("GET", "list", resource, namespace, None, query=query).get("items") or []

    def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """Create; KubeConflict when it exists. A subresource: KubeNotFound when there is no such object."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        name = (body.get("metadata") or {}).get("name")
        try:
            return self._request("POST", "create", resource, namespace, name, body=body)
        except KubeNotFound as exc:
            if resource.subresource:
                raise
            # Not a race: the collection itself is unknown, that is, the namespace is missing.
            raise KubeInvalid(f"{exc} Create the namespace first.") from exc

    def replace(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """Replace; KubeConflict unless the stored object still has the body's resourceVersion."""
        metadata = body["metadata"]
        if not metadata.get("resourceVersion"):
            what = resource.describe(namespace, metadata["name"])
            raise KubeError(f"Refusing to replace {what} without a resourceVersion: concurrent changes would be lost.")
        return self._request("PUT", "update", resource, namespace, metadata["name"], body=body)

    def apply(
        self,
        resource: Resource,
        namespace: str | None,
        body: Object,
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """Server-side apply, which also creates; KubeFieldConflict where others own fields, unless `force` is set."""
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower(), **_dry(dry_run)}
        name = body["metadata"]["name"]
        try:
            return self._request("PATCH", "apply", resource, namespace, name, body, query, content_type=_APPLY_PATCH)
        except KubeNotFound as exc:
            # What does not exist is created, so it is the namespace that is missing.
            raise KubeInvalid(f"{exc} Create the namespace first.") from exc

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Object,
        dry_run: bool = False,
    ) -> Object:
        """JSON merge patch: lists are replaced, null takes a key out."""
        query = {"fieldManager": FIELD_MANAGER, **_dry(dry_run)}
        return self._request("PATCH", "patch", resource, namespace, name, body, query, content_type=_MERGE_PATCH)

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        resource_version: str,
        dry_run: bool = False,
    ) -> None:
        """Delete the object only if it is still the version that was read."""
        body: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"resourceVersion": resource_version},
        }
        # With a body, the server reads no options from the query.
        if dry_run:
            body["dryRun"] = ["All"]
        self._request("DELETE", "delete", resource, namespace, name, body=body)

    def can_i(
        self,
        verb: str,
        group: str,
        resource: str,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> t.Tuple[bool, str]:
        """Ask the API server whether this user may do that; the second value is its reason, if it gives one."""
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "namespace": namespace,
            "name": name,
            "subresource": subresource,
        }
        given = {key: value for key, value in attributes.items() if value}
        answer = self.create(ACCESS_REVIEWS, None, {"spec": {"resourceAttributes": given}})
        status = answer.get("status") or {}
        return bool(status.get("allowed")), str(status.get("reason") or status.get("evaluationError") or "")

    def server_version(self) -> str:
        return str(self._send("GET", "/version", None, _JSON, f"read the version of {self.host}").get("gitVersion", ""))

    def _request(
        self,
        method: str,
        verb: str,
        resource: Resource,
        namespace: str | None,
        name: str | None,
        body: Object | None = None,
        query: t.Dict[str, str] | None = None,
        accept: str = _JSON,
        content_type: str = _JSON,
    ) -> Object:
        path = resource.path(namespace, name if method != "POST" or resource.subresource else None)
        attempt = f"{verb} {resource.describe(namespace, name)}"
        try:
            return self._send(method, path, body, accept, attempt, query, content_type)
        except KubeUnauthorized:
            raise
        except KubeForbidden as exc:
            raise self._refusal(exc, method, verb, resource, namespace, name) from exc

    def _refusal(
        self,
        exc: KubeForbidden,
        method: str,
        verb: str,
        resource: Resource,
        namespace: str | None,
        name: str | None,
    ) -> KubeError:
        """Which right is missing; when none is, it was admission that refused, which answers with the same status."""
        verbs = ["patch", "create"] if verb == "apply" else [verb]
        if method != "GET" and resource is not ACCESS_REVIEWS:
            verbs = [item for item in verbs if not self._allowed(item, resource, namespace, name)]
            if not verbs:
                return KubeDenied(f"{exc} {DENIED}")
        group = f" in API group {resource.group}" if resource.group else ""
        where = f" in namespace {namespace}" if namespace else ""
        rights = f"the verb{'s' if len(verbs) > 1 else ''} {' and '.join(repr(item) for item in verbs)}"
        what = f"'{resource.right}'{group}{where}"
        return KubeForbidden(f"{exc} Give the user of this kubeconfig {rights} on {what}.")

    def _allowed(self, verb: str, resource: Resource, namespace: str | None, name: str | None) -> bool:
        try:
            what = (resource.group, resource.plural, namespace or "", name or "", resource.subresource)
            return self.can_i(verb, *what)[0]
        except KubeError:
            return False

    def auth_headers(self) -> t.Dict[str, str]:
        """By which the server knows who asks, as far as no certificate says it."""
        settings = self.configuration.auth_settings().values()
        return {one["key"]: one["value"] for one in settings if one.get("in") == "header" and one.get("value")}

    def _send(
        self,
        method: str,
        path: str,
        body: Object | None,
        accept: str,
        attempt: str,
        query: t.Dict[str, str] | None = None,
        content_type: str = _JSON,
    ) -> Object:
        headers = {"Accept": accept, "User-Agent": FIELD_MANAGER, **self.auth_headers()}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            # JSON is YAML, so this is what an apply wants, too.
            data = json.dumps(body).encode("utf-8")
        url = self.host.rstrip("/") + path
        if query:
            url += "?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
        response = self._exchange(method, url, data, headers, attempt)
        self._collect_warnings(response)
        document = parse(response.data)
        if 200 <= response.status <= 299:
            return document
        raise error_for(response.status, document, attempt, response.reason)

    def _exchange(self, method: str, url: str, data: bytes | None, headers: t.Dict[str, str], attempt: str) -> t.Any:
        """The answer; a server that is busy or starting is asked again. A write that it has made all the same is then
        answered by a conflict, as one of somebody else's would be."""
        sending = 0
        while True:
            sending += 1
            self.requests += 1
            # One for a connection that had been idle for too long; how long a busy server wants us to wait is ours.
            retries = urllib3.Retry(1, respect_retry_after_header=False)
            try:
                response = self._pool.request(
                    method, url, body=data, headers=headers, timeout=_TIMEOUT_SECONDS, retries=retries
                )
            except urllib3.exceptions.HTTPError as exc:
                raise KubeUnreachable(
                    f"Cannot {attempt}: the Kubernetes API at {self.host} does not answer ({_root_reason(exc)}). "
                    "Check the server's address in the kubeconfig and that the control node reaches it."
                ) from exc
            wait = wait_for_server(response.status, response.headers.get("Retry-After"), sending)
            if wait is None:
                return response
            self.sleep(wait)

    def _collect_warnings(self, response: t.Any) -> None:
        headers = response.headers
        for value in headers.getlist("Warning") if hasattr(headers, "getlist") else []:
            # 299 - "text"
            text = value.split('"')[1] if value.count('"') >= 2 else value
            if text not in self.warnings:
                self.warnings.append(text)


def _dry(dry_run: bool) -> t.Dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _root_reason(exc: BaseException) -> str:
    """What the system said, without the objects of the library around it."""
    text, cause = str(exc), t.cast("BaseException | None", exc)
    while cause is not None:
        text = getattr(cause, "strerror", None) or str(cause)
        reason = getattr(cause, "reason", None)
        cause = reason if isinstance(reason, BaseException) else cause.__cause__
    return text
