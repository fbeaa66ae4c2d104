# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lab.pods import logs, probe, storage, tokens, volumes
from lab.pods.actions import Tcp
from lab.pods.api import ApiError
from lab.pods.errors import CannotStart, UnsupportedSpec
from lab.pods.objects import Found, Objects, Ref
from lab.pods.volumes import File

Json = dict[str, Any]
UTC = dt.UTC


def pod(volumes_: list[Json], **container: Any) -> Json:
    meta = {"name": "web-1", "namespace": "shop", "uid": "u-1", "labels": {"app": "web"}}
    mounts = [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes_]
    main = {"name": "main", "volumeMounts": mounts, **container}
    return {
        "metadata": meta,
        "spec": {"nodeName": "n", "serviceAccountName": "sa", "containers": [main], "volumes": volumes_},
    }


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 20))


# contents -------------------------------------------------------------------------------------------------------------

PROJECTED: Json = {
    "defaultMode": 0o640,
    "sources": [
        {"serviceAccountToken": {"path": "token", "audience": "istio-ca", "expirationSeconds": 600}},
        {"configMap": {"name": "root", "items": [{"key": "ca", "path": "ca.crt", "mode": 0o444}]}},
        {"secret": {"name": "extra", "optional": True}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {
            "downwardAPI": {
                "items": [{"path": "cpu", "resourceFieldRef": {"containerName": "main", "resource": "limits.cpu"}}]
            }
        },
    ],
}
TOKEN = tokens.Wanted("istio-ca", 600)
FOUND: Found = {("configmaps", "root"): {"data": {"ca": "PEM", "other": "x"}}, ("secrets", "extra"): None}


def test_a_projected_volume_joins_its_sources() -> None:
    item = pod([{"name": "p", "projected": PROJECTED}])
    assert volumes.references(item) == {Ref("configmaps", "root", False), Ref("secrets", "extra", True)}
    assert volumes.tokens_wanted(item) == {TOKEN}
    assert volumes.contents(item, "projected", PROJECTED, FOUND, {TOKEN: "jwt"}) == {
        "token": File(b"jwt", 0o640, private=True),
        "ca.crt": File(b"PEM", 0o444),
        "labels": File(b'app="web"', 0o640),
        "cpu": File(b"2", 0o640),
    }


def test_secrets_and_config_maps() -> None:
    found: Found = {
        ("secrets", "s"): {"data": {"t": "dA=="}},
        ("configmaps", "c"): {"data": {"k": "v"}, "binaryData": {"b": "AAE="}},
    }
    secret = {"secretName": "s", "defaultMode": 0o400}
    assert volumes.contents(pod([]), "secret", secret, found, {}) == {"t": File(b"t", 0o400)}
    assert volumes.contents(pod([]), "configMap", {"name": "c"}, found, {}) == {
        "k": File(b"v", 0o644),
        "b": File(b"\0\1", 0o644),
    }
    missing = {"name": "c", "items": [{"key": "no", "path": "x"}]}
    with pytest.raises(KeyError, match="no"):
        volumes.contents(pod([]), "configMap", missing, found, {})
    assert volumes.contents(pod([]), "configMap", missing | {"optional": True}, found, {}) == {}


def test_a_volume_that_is_not_supported_is_named() -> None:
    with pytest.raises(UnsupportedSpec, match="'v': type hostPath"):
        volumes.used(pod([{"name": "v", "hostPath": {"path": "/"}}]))
    unused = pod([{"name": "v", "hostPath": {"path": "/"}}], volumeMounts=[])
    assert volumes.used(unused) == {}


def test_mounts_are_made_from_the_outside_in() -> None:
    container = {
        "volumeMounts": [
            {"name": "c", "mountPath": "/a/b", "subPath": "x.yml"},
            {"name": "e", "mountPath": "/a", "subPathExpr": "$(N)"},
            {"name": "e", "mountPath": "/r", "readOnly": True},
        ]
    }
    kinds = {"c": "configMap", "e": "emptyDir"}
    assert volumes.mounts(container, kinds, {"N": "own"}) == [
        {"source": "e/own", "path": "/a", "read_only": False, "create": True},
        {"source": "e", "path": "/r", "read_only": True, "create": False},
        {"source": "c/x.yml", "path": "/a/b", "read_only": True, "create": False},
    ]
    with pytest.raises(UnsupportedSpec, match="leaves the volume"):
        volumes.mounts({"volumeMounts": [{"name": "e", "mountPath": "/a", "subPath": "../x"}]}, kinds, {})


# tokens ---------------------------------------------------------------------------------------------------------------


class FakeApi:
    """Answers every request from a script of answers and errors."""

    def __init__(self, *answers: Json | Exception) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._answers = list(answers)

    async def call(self, *args: Any) -> Json:
        self.asked.append(args)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def grant(token: str, seconds: float) -> Json:
    until = dt.datetime.now(UTC) + dt.timedelta(seconds=seconds)
    return {"status": {"token": token, "expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ")}}


def test_a_token_is_bound_to_its_pod() -> None:
    async def work() -> None:
        api = FakeApi(grant("one", 600))
        held = tokens.Tokens(api, pod([]))  # type: ignore[arg-type]
        assert [await held.get(TOKEN), await held.get(TOKEN)] == ["one", "one"]
        ((method, path, body),) = api.asked
        assert (method, path) == ("POST", "/api/v1/namespaces/shop/serviceaccounts/sa/token")
        assert body["spec"] == {
            "audiences": ["istio-ca"],
            "expirationSeconds": 600,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web-1", "uid": "u-1"},
        }

    run(work)


def test_a_token_is_renewed_at_four_fifths_of_its_life() -> None:
    start = dt.datetime(2026, 1, 1, tzinfo=UTC)
    held = tokens.Held("t", start, start + dt.timedelta(seconds=1000))
    assert not tokens.due(held, start + dt.timedelta(seconds=799))
    assert tokens.due(held, start + dt.timedelta(seconds=800))
    long = tokens.Held("t", start, start + dt.timedelta(days=365))
    assert tokens.due(long, start + dt.timedelta(hours=24))


def test_a_renewal_that_fails_leaves_the_old_token_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "RENEW_AT", 0.0)

    async def work() -> None:
        api = FakeApi(grant("one", 600), ApiError(500, "not now"), grant("two", 600))
        held = tokens.Tokens(api, pod([]))  # type: ignore[arg-type]
        assert [await held.get(TOKEN) for _time in range(3)] == ["one", "one", "two"]

    run(work)


def test_without_a_token_the_container_cannot_start() -> None:
    async def work() -> None:
        held = tokens.Tokens(FakeApi(ApiError(404, "no such account")), pod([]))  # type: ignore[arg-type]
        with pytest.raises(CannotStart, match="'sa'.*no such account"):
            await held.get(TOKEN)

    run(work)


# objects --------------------------------------------------------------------------------------------------------------


def test_objects_are_shared_for_a_while_and_may_be_optional() -> None:
    async def work() -> None:
        api = FakeApi({"data": {}}, ApiError(404, "gone"), ApiError(404, "gone"))
        found = Objects(api)  # type: ignore[arg-type]
        refs = {Ref("configmaps", "a"), Ref("secrets", "b", True)}
        assert await found.fetch("ns", refs) == {("configmaps", "a"): {"data": {}}, ("secrets", "b"): None}
        assert await found.fetch("ns", refs, 60) == {("configmaps", "a"): {"data": {}}, ("secrets", "b"): None}
        assert len(api.asked) == 2
        with pytest.raises(CannotStart, match="secrets 'b' not found in namespace ns"):
            await found.fetch("ns", {Ref("secrets", "b")})

    run(work)


# files ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(name="owners")
def fixture_owners(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: found.update({Path(path).name: (uid, gid)}))
    return found


def modes(directory: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mode & 0o777 for p in directory.iterdir() if not p.name.startswith("..")}


def test_files_are_exchanged_at_once(tmp_path: Path, owners: dict[str, tuple[int, int]]) -> None:
    storage.write(tmp_path, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o600)}, None, None)
    before = os.readlink(tmp_path / "..data")
    storage.write(tmp_path, {"a": File(b"3", 0o644)}, None, None)
    assert os.readlink(tmp_path / "..data") != before
    assert (tmp_path / "a").read_bytes() == b"3"
    assert {p.name for p in tmp_path.iterdir()} == {os.readlink(tmp_path / "..data"), "..data", "a"}


@pytest.mark.parametrize(
    ("user", "group", "token", "plain"),
    [
        (None, None, ((0, 0), 0o644), ((0, 0), 0o644)),
        (5, None, ((5, 0), 0o600), ((0, 0), 0o644)),
        (None, 7, ((0, 7), 0o640), ((0, 7), 0o644)),
    ],
)
def test_a_token_belongs_to_the_pods_user(
    tmp_path: Path, owners: dict[str, tuple[int, int]], user: int | None, group: int | None, token: Any, plain: Any
) -> None:
    storage.write(tmp_path, {"token": File(b"t", 0o644, private=True), "ca": File(b"c", 0o644)}, user, group)
    assert (owners["token"], modes(tmp_path)["token"]) == token
    assert (owners["ca"], modes(tmp_path)["ca"]) == plain


def test_an_empty_dir_is_for_everybody(tmp_path: Path, owners: dict[str, tuple[int, int]]) -> None:
    storage.make_empty(tmp_path / "e", None)
    storage.make_empty(tmp_path / "g", 7)
    assert modes(tmp_path) == {"e": 0o777, "g": 0o777}
    assert (tmp_path / "g").stat().st_mode & 0o2000
    assert owners == {"g": (0, 7)}


# logs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "wanted", "text"),
    [
        (logs.LogPart(4), logs.Options(), b"two\nthree\nfour"),
        (logs.LogPart(4), logs.Options(tail=2), b"three\nfour"),
        (logs.LogPart(4), logs.Options(tail=9), b"two\nthree\nfour"),
        (logs.LogPart(4), logs.Options(tail=0), b""),
        (logs.LogPart(0, 8), logs.Options(), b"one\ntwo\n"),
        (logs.LogPart(0, 8), logs.Options(tail=1), b"two\n"),
        (logs.LogPart(4), logs.Options(limit=5), b"two\nt"),
        (logs.LogPart(18), logs.Options(tail=1), b""),
    ],
)
def test_a_client_sees_its_runs_part_of_the_log(
    tmp_path: Path, part: logs.LogPart, wanted: logs.Options, text: bytes
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthree\nfour")

    async def work() -> None:
        chunks = [chunk async for chunk in logs.read(path, part, wanted, lambda: False)]
        assert b"".join(chunks) == text

    run(work)


def test_following_ends_with_the_run(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    rounds = iter(["", "", "last\n"])

    def live() -> bool:
        text = next(rounds, "")
        with open(path, "a") as handle:
            handle.write(text)
        return text == "" and path.stat().st_size == 4

    async def work() -> None:
        chunks = [chunk async for chunk in logs.read(path, logs.LogPart(0), logs.Options(follow=True), live)]
        assert chunks == [b"one\n", b"last\n"]

    run(work)


def test_log_options_are_read_or_refused() -> None:
    query = {"follow": "true", "tailLines": "3", "limitBytes": "9", "timestamps": "false"}
    assert logs.options(query) == logs.Options(True, False, 3, 9)
    with pytest.raises(UnsupportedSpec, match="sinceSeconds, timestamps"):
        logs.options({"timestamps": "true", "sinceSeconds": "5"})


# verdicts of probes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "successes", "failures", "expected"),
    [("1", 1, 3, [True]), ("0001", 1, 3, [False, True]), ("1011", 2, 3, [True]), ("00", 1, 1, [False, False])],
)
def test_verdicts_wait_for_their_thresholds(answers: str, successes: int, failures: int, expected: list[bool]) -> None:
    left = list(answers)

    async def attempt() -> bool:
        if not left:
            await asyncio.sleep(3600)
        return left.pop(0) == "1"

    async def collect(found: list[bool]) -> None:
        async for verdict in probe.verdicts(probe.Probe(Tcp(1), 0, 0.01, 1, failures, successes), attempt, eager=True):
            found.append(verdict)

    async def work() -> None:
        found: list[bool] = []
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collect(found), 0.3)
        assert found == expected

    run(work)
