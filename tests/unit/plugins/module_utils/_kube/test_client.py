# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against a small HTTP server: paths, errors, warnings, credentials, preconditions."""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from ansible_collections.mesh.expansion.plugins.module_utils._kube import errors
from ansible_collections.mesh.expansion.plugins.module_utils._kube import kubeconfig as kubeconfig_module
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNT_TOKENS,
    SERVICES,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.retry import (
    ATTEMPTS,
    SENDINGS,
    KubeRetriesExhausted,
    backoff,
    retry_on_conflict,
)

# A program of a kubeconfig that gives out another token each time.
LOGIN = """#!{python}
import datetime, json, pathlib
counter = pathlib.Path({counter!r})
number = int(counter.read_text()) + 1 if counter.exists() else 1
counter.write_text(str(number))
end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds={lifetime})
status = {{"token": str(number), "expirationTimestamp": end.strftime("%Y-%m-%dT%H:%M:%SZ")}}
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


class Server:
    """Answers what the test queued, and keeps what it was asked."""

    def __init__(self):
        self.answers, self.requests = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                outer.requests.append(
                    (self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                )
                status, document, headers = outer.answers.pop(0)
                data = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, status, document, *headers, times=1):
        self.answers += [(status, document, headers)] * times


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def kubeconfig(path, url, token="t0ken"):
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}, {"name": "v", "user": {"token": "other"}}],
        "contexts": [
            {"name": "a", "context": {"cluster": "c", "user": "u"}},
            {"name": "b", "context": {"cluster": "c", "user": "v"}},
        ],
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.fixture
def client(server, tmp_path):
    """Waits for nobody; `slept` says how long it would have."""
    client = connect(kubeconfig(tmp_path / "config", server.url))
    client.slept = []
    client.sleep = client.slept.append
    return client


def test_get_sends_the_token_and_returns_the_object(server, client):
    server.answer(200, {"kind": "Service"})
    assert client.get(SERVICES, "default", "web") == {"kind": "Service"}
    method, path, headers, _body = server.requests[0]
    assert (method, path) == ("GET", "/api/v1/namespaces/default/services/web")
    assert headers["authorization"] == "Bearer t0ken"


def test_the_context_chooses_the_user(server, tmp_path):
    client = connect(kubeconfig(tmp_path / "config", server.url), "b")
    server.answer(200, {})
    client.get(SERVICES, "default", "web")
    assert server.requests[0][2]["authorization"] == "Bearer other"


def test_what_does_not_exist_is_none(server, client):
    server.answer(404, {"message": 'services "web" not found'})
    assert client.get(SERVICES, "default", "web") is None


def test_metadata_only_asks_for_no_content(server, client):
    server.answer(200, {"metadata": {"name": "istio.default"}})
    client.get_metadata(SECRETS, "default", "istio.default")
    assert "PartialObjectMetadata" in server.requests[0][2]["accept"]


def test_paths_of_groups_and_cluster_wide_resources():
    assert DEPLOYMENTS.path("x", "y") == "/apis/apps/v1/namespaces/x/deployments/y"
    assert NAMESPACES.path(None, "x") == "/api/v1/namespaces/x"
    assert SERVICES.path() == "/api/v1/services"


def test_list_selects_by_label(server, client):
    server.answer(200, {"items": [{"a": 1}]})
    assert client.list(SERVICES, None, "a=b,c") == [{"a": 1}]
    assert server.requests[0][1] == "/api/v1/services?labelSelector=a%3Db%2Cc"


def test_create_completes_the_object(server, client):
    server.answer(201, {})
    client.create(DEPLOYMENTS, "x", {"metadata": {"name": "y"}})
    _method, path, _headers, body = server.requests[0]
    assert path == "/apis/apps/v1/namespaces/x/deployments"
    assert body == {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "y"}}


def test_a_subresource_is_created_below_its_object(server, client):
    server.answer(201, {"status": {}})
    client.create(SERVICE_ACCOUNT_TOKENS, "shop", {"kind": "TokenRequest", "metadata": {"name": "web"}})
    method, path, _headers, body = server.requests[0]
    assert (method, path) == ("POST", "/api/v1/namespaces/shop/serviceaccounts/web/token")
    assert body["kind"] == "TokenRequest"
    server.answer(404, {"message": 'serviceaccounts "web" not found'})
    with pytest.raises(errors.KubeNotFound, match="Cannot create token of ServiceAccount web in namespace shop"):
        client.create(SERVICE_ACCOUNT_TOKENS, "shop", {"metadata": {"name": "web"}})


def test_a_missing_right_on_a_subresource_is_named_in_full(server, client):
    server.answer(403, {"message": "no"})
    server.answer(201, {"status": {"allowed": False}})
    with pytest.raises(errors.KubeForbidden, match="the verb 'create' on 'serviceaccounts/token' in namespace shop"):
        client.create(SERVICE_ACCOUNT_TOKENS, "shop", {"metadata": {"name": "web"}})
    asked = server.requests[1][3]["spec"]["resourceAttributes"]
    assert (asked["resource"], asked["subresource"], asked["name"]) == ("serviceaccounts", "token", "web")


def test_replace_needs_a_version(client):
    with pytest.raises(errors.KubeError, match="ConfigMap istio in namespace x without a resourceVersion"):
        client.replace(CONFIGMAPS, "x", {"metadata": {"name": "istio"}})


def test_delete_has_a_precondition(server, client):
    server.answer(200, {})
    client.delete(SERVICES, "x", "y", "7")
    assert server.requests[0][3]["preconditions"] == {"resourceVersion": "7"}


def test_a_deletion_can_be_tried_without_effect(server, client):
    server.answer(200, {})
    client.delete(SERVICES, "x", "y", "7", dry_run=True)
    assert server.requests[0][3]["dryRun"] == ["All"]


def test_server_side_apply(server, client):
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "y"}}
    server.answer(200, {"a": 1})
    assert client.apply(SERVICES, "x", body) == {"a": 1}
    method, path, headers, sent = server.requests[0]
    assert (method, sent) == ("PATCH", body)
    assert path == "/api/v1/namespaces/x/services/y?fieldManager=mesh.expansion&force=false"
    assert headers["content-type"] == "application/apply-patch+yaml"


def test_server_side_apply_by_force_and_without_effect(server, client):
    server.answer(200, {})
    client.apply(SERVICES, "x", {"metadata": {"name": "y"}}, force=True, dry_run=True)
    assert server.requests[0][1].endswith("?fieldManager=mesh.expansion&force=true&dryRun=All")


def test_a_merge_patch(server, client):
    for dry_run in (False, True):
        server.answer(200, {})
        client.patch(SERVICES, "x", "y", {"spec": {"a": None}}, dry_run=dry_run)
    (method, path, headers, sent), (_method, tried, _headers, _sent) = server.requests
    assert (method, path, sent) == (
        "PATCH",
        "/api/v1/namespaces/x/services/y?fieldManager=mesh.expansion",
        {"spec": {"a": None}},
    )
    assert headers["content-type"] == "application/merge-patch+json"
    assert tried == f"{path}&dryRun=All"


def test_a_field_conflict_names_the_fields_and_their_managers(server, client):
    message = 'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .spec.externalIPs'
    cause = {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "kubectl-edit" using v1',
        "field": ".spec.externalIPs",
    }
    server.answer(409, {"message": message, "reason": "Conflict", "details": {"causes": [cause]}})
    with pytest.raises(errors.KubeFieldConflict, match="Cannot apply Service y in namespace x: Apply failed") as caught:
        client.apply(SERVICES, "x", {"metadata": {"name": "y"}})
    assert caught.value.conflicts == ((".spec.externalIPs", "kubectl-edit"),)
    # It is no race: to try again would not help.
    assert not isinstance(caught.value, errors.KubeConflict)


def test_an_apply_into_a_missing_namespace(server, client):
    server.answer(404, {"message": 'namespaces "x" not found', "details": {"name": "x", "kind": "namespaces"}})
    with pytest.raises(errors.KubeInvalid, match=r'namespaces "x" not found \(HTTP 404\)\. Create the namespace first'):
        client.apply(SERVICES, "x", {"metadata": {"name": "y"}})


def review(server, allowed):
    server.answer(201, {"status": {"allowed": allowed}})


def test_a_missing_right_is_named(server, client):
    server.answer(403, {"message": 'services "y" is forbidden: User "u" cannot create resource "services"'})
    review(server, True)
    review(server, False)
    with pytest.raises(errors.KubeForbidden, match=r"Give .* the verb 'create' on 'services' in namespace x\."):
        client.apply(SERVICES, "x", {"metadata": {"name": "y"}})
    asked = [body["spec"]["resourceAttributes"] for _method, _path, _headers, body in server.requests[1:]]
    assert [(item["verb"], item["name"], item["namespace"]) for item in asked] == [
        ("patch", "y", "x"),
        ("create", "y", "x"),
    ]


def test_a_refusal_that_is_no_missing_right_comes_from_admission(server, client):
    server.answer(403, {"message": 'services "y" is forbidden: Use of external IPs is denied by admission control.'})
    review(server, True)
    review(server, True)
    with pytest.raises(errors.KubeDenied, match=r"denied by admission control \(HTTP 403\)\. The user has the right"):
        client.apply(SERVICES, "x", {"metadata": {"name": "y"}})


def test_rights_that_cannot_be_asked_for_are_named(server, client):
    server.answer(403, {"message": "nope"})
    server.answer(500, {"message": "broken"})
    with pytest.raises(errors.KubeForbidden, match="the verb 'patch' on 'services'"):
        client.patch(SERVICES, "x", "y", {})


def test_a_validating_admission_policy_answers_422_and_names_no_field(server, client):
    text = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no external addresses"
    details = {"kind": "services", "name": "y", "causes": [{"message": text}]}
    server.answer(422, {"message": f'services "y" is forbidden: {text}', "details": details})
    with pytest.raises(errors.KubeDenied, match="no external addresses"):
        client.apply(SERVICES, "x", {"metadata": {"name": "y"}})


def test_validation_answers_422_and_names_the_fields(server, client):
    cause = {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.ports[0].name"}
    server.answer(422, {"message": 'Service "y" is invalid', "details": {"causes": [cause]}})
    with pytest.raises(errors.KubeInvalid, match=r'Service "y" is invalid \(HTTP 422\)'):
        client.apply(SERVICES, "x", {"metadata": {"name": "y"}})


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, errors.KubeForbidden, r"Cannot update ConfigMap y in namespace x: nope \(HTTP 401\).*not accepted"),
        (
            403,
            errors.KubeForbidden,
            r"nope \(HTTP 403\)\. Give the user .* the verb 'update' on 'configmaps' in namespace x",
        ),
        (404, errors.KubeNotFound, r"Cannot update ConfigMap y in namespace x: nope"),
        (409, errors.KubeConflict, r"Cannot update ConfigMap y"),
        (422, errors.KubeInvalid, r"Cannot update ConfigMap y"),
        (500, errors.KubeServerError, r"Cannot update ConfigMap y"),
    ],
)
def test_errors_have_their_own_types_and_say_what_was_attempted(server, client, status, error, message):
    server.answer(status, {"message": "nope"}, times=SENDINGS if status >= 500 else 1)
    review(server, False)
    with pytest.raises(error, match=message):
        client.replace(CONFIGMAPS, "x", {"metadata": {"name": "y", "resourceVersion": "1"}})


def test_an_answer_that_is_not_json(server, client):
    server.answer(502, b"<html>Bad Gateway</html>", times=SENDINGS)
    with pytest.raises(errors.KubeServerError, match="Bad Gateway"):
        client.get(SERVICES, "x", "y")


def test_a_missing_namespace_is_no_race(server, client):
    server.answer(404, {"message": 'namespaces "x" not found'})
    with pytest.raises(errors.KubeInvalid, match="Create the namespace first"):
        client.create(SERVICES, "x", {"metadata": {"name": "y"}})


def test_warnings_of_the_server_are_kept_once(server, client):
    for _number in range(2):
        server.answer(200, {}, ("Warning", '299 - "v1 Endpoints is deprecated"'))
        client.get(SERVICES, "x", "y")
    assert client.warnings == ["v1 Endpoints is deprecated"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(("status", "header"), [(429, ("Retry-After", "7")), (503, ("Retry-After", "7"))])
def test_a_busy_server_is_asked_again_when_it_wants(server, client, method, status, header):
    server.answer(status, {"message": "too many requests"}, header, times=2)
    server.answer(200, {"kind": "Service"})
    body = {"metadata": {"name": "y", "resourceVersion": "1"}}
    calls = {
        "GET": lambda: client.get(SERVICES, "x", "y"),
        "POST": lambda: client.create(SERVICES, "x", body),
        "PUT": lambda: client.replace(SERVICES, "x", body),
        "DELETE": lambda: client.delete(SERVICES, "x", "y", "1"),
    }
    calls[method]()
    assert [request[0] for request in server.requests] == [method] * 3
    assert client.slept == [7.0, 7.0]
    assert client.requests == 3


def test_a_server_that_stays_busy_is_given_up(server, client):
    server.answer(429, {"message": "too many requests"}, ("Retry-After", "3600"), times=SENDINGS)
    with pytest.raises(errors.KubeServerError, match=r"Cannot get Service y .*too many requests \(HTTP 429\)"):
        client.get(SERVICES, "x", "y")
    assert client.slept == [30.0] * (SENDINGS - 1)


def test_an_error_of_the_server_is_no_reason_to_wait_for_long(server, client):
    server.answer(500, {"message": "leader changed"}, times=2)
    server.answer(200, {"a": 1})
    assert client.get(SERVICES, "x", "y") == {"a": 1}
    assert len(client.slept) == 2
    assert max(client.slept) < 1


def test_a_refusal_is_not_sent_again(server, client):
    server.answer(422, {"message": "no"}, ("Retry-After", "1"))
    with pytest.raises(errors.KubeInvalid):
        client.get(SERVICES, "x", "y")
    assert (len(server.requests), client.slept) == (1, [])


def test_list_by_field_and_limit(server, client):
    server.answer(200, {"items": []})
    client.list(SERVICES, "x", field_selector="spec.serviceAccountName=web", limit=1)
    assert server.requests[0][1].endswith("/services?fieldSelector=spec.serviceAccountName%3Dweb&limit=1")


def test_access_review(server, client):
    server.answer(201, {"status": {"allowed": False, "reason": "no rule"}})
    assert client.can_i("get", "", "secrets", "x", "istio.default") == (False, "no rule")
    attributes = {"verb": "get", "resource": "secrets", "namespace": "x", "name": "istio.default"}
    assert server.requests[0][3]["spec"] == {"resourceAttributes": attributes}


def test_a_server_that_does_not_answer(server, tmp_path):
    server.http.shutdown()
    server.http.server_close()
    client = connect(kubeconfig(tmp_path / "config", server.url))
    with pytest.raises(
        errors.KubeUnreachable, match=rf"the Kubernetes API at {server.url} does not answer .*Check the"
    ):
        client.get(SERVICES, "x", "y")


def test_a_key_in_the_kubeconfig_is_in_no_folder(tmp_path, monkeypatch):
    """Ansible's workers end without what Python does at its end, so nothing would take it away again."""
    folders = [tmp_path / name for name in ("disk", "memory")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folders[0]))
    monkeypatch.setattr(kubeconfig_module, "_MEMORY", str(folders[1]))
    path = Path(kubeconfig(tmp_path / "config", "https://127.0.0.1:1"))
    content = yaml.safe_load(path.read_text())
    held = {"client-certificate-data": b"a certificate", "client-key-data": b"a key"}
    content["users"][0]["user"] = {name: base64.b64encode(value).decode() for name, value in held.items()}
    path.write_text(yaml.safe_dump(content))
    # The library remembers the names of files that it has made.
    for _number in range(2):
        configuration = kubeconfig_module.load(str(path), None)
        assert Path(configuration.key_file).read_bytes() == b"a key"
        assert Path(configuration.cert_file).read_bytes() == b"a certificate"
    assert [os.listdir(folder) for folder in folders] == [[], []]


@pytest.mark.parametrize(
    ("user", "expected"),
    [({"token": "1"}, ["1", "1"]), ({"exec": 3600}, ["1", "1"]), ({"exec": -60}, ["2", "3"])],
    ids=["token", "program", "ended"],
)
def test_with_a_token_they_stay_in_memory_as_well(tmp_path, monkeypatch, user, expected):
    """Before each question the library makes sure of the token, and names its files again."""
    monkeypatch.setattr(kubeconfig_module, "_MEMORY", str(tmp_path / "memory"))
    (tmp_path / "memory").mkdir()
    if "exec" in user:
        program = tmp_path / "login"
        program.write_text(
            LOGIN.format(python=sys.executable, counter=str(tmp_path / "counter"), lifetime=user["exec"])
        )
        program.chmod(0o700)
        version = "client.authentication.k8s.io/v1"
        user = {"exec": {"apiVersion": version, "command": str(program), "interactiveMode": "Never"}}
    path = Path(kubeconfig(tmp_path / "config", "https://127.0.0.1:1"))
    content = yaml.safe_load(path.read_text())
    content["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(b"an authority").decode()
    content["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(content))
    configuration = kubeconfig_module.load(str(path), None)
    tokens = []
    for _number in range(2):
        tokens.append(configuration.get_api_key_with_prefix("BearerToken", alias="authorization"))
        assert Path(configuration.ssl_ca_cert).read_bytes() == b"an authority"
        assert os.listdir(tmp_path / "memory") == []
    # One that has ended is not used on.
    assert tokens == [f"Bearer {token}" for token in expected]


@pytest.mark.parametrize(("file", "context"), [("missing", None), ("config", "nope")])
def test_an_unusable_kubeconfig(tmp_path, file, context):
    kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    with pytest.raises(errors.KubeConfigError, match=r"Cannot load .*Set kubeconfig"):
        connect(str(tmp_path / file), context)


def test_the_wait_grows_is_bounded_and_random():
    assert backoff(1, lambda: 0.0) == pytest.approx(0.05)
    assert backoff(1, lambda: 1.0) == pytest.approx(0.1)
    assert backoff(2, lambda: 1.0) > backoff(1, lambda: 1.0)
    assert backoff(10**6, lambda: 1.0) == 2.0


def test_retries_are_bounded_and_only_for_races():
    calls, waits = [], []

    def conflict(number):
        calls.append(number)
        raise errors.KubeConflict("changed.")

    with pytest.raises(KubeRetriesExhausted, match="x was changed by somebody else during each of 30 attempts"):
        retry_on_conflict(conflict, "x", sleep=waits.append)
    assert calls == list(range(ATTEMPTS))
    assert len(waits) == ATTEMPTS - 1

    def broken(_number):
        raise errors.KubeForbidden("no")

    with pytest.raises(errors.KubeForbidden):
        retry_on_conflict(broken, "x", sleep=waits.append)
