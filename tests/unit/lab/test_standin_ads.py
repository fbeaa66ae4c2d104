"""The aggregated discovery service: first answers, ACK, NACK, pushes, order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from lab.standins import tls
from lab.standins.xds.ads import CDS, EDS, LDS, Discovery, Stream, Versions, World
from lab.standins.xds.model import Endpoint, Mesh, NodeError, Port, Service

NODE_ID = "sidecar~192.168.0.81~deb-nginx01.default~default.svc.cluster.local"
NAME = "outbound|9080||deb-nginx01.default.svc.cluster.local"
EMPTY = World((), Mesh(policy_checks=False))


def with_nginx(*addresses: str) -> World:
    port = Port(9080, "http", tuple(Endpoint(address, 9080) for address in addresses))
    nginx = Service("deb-nginx01", "default", "deb-nginx01.default.svc.cluster.local", "10.233.1.1", (port,))
    return replace(EMPTY, services=(nginx,))


class Client:
    """A proxy's side of a Stream."""

    def __init__(self) -> None:
        self.world = EMPTY
        self.stream = Stream(lambda: self.world, Versions(), "test")

    def ask(self, url: str, *names: str, nonce: str = "", error: str = "") -> list[Any]:
        request = discovery_pb2.DiscoveryRequest(type_url=url, resource_names=names, response_nonce=nonce)
        request.node.id = NODE_ID
        if error:
            request.error_detail.message = error
        return self.stream.on_request(request)

    def push(self, world: World) -> list[Any]:
        self.world = world
        return self.stream.on_change()


def test_first_request_is_answered_and_its_ack_is_not() -> None:
    client = Client()
    (answer,) = client.ask(CDS)
    assert answer.type_url == CDS
    assert client.ask(CDS, nonce=answer.nonce) == []


def test_a_change_is_pushed_clusters_first_and_nothing_twice() -> None:
    client = Client()
    for url in (LDS, CDS):
        (answer,) = client.ask(url)
        client.ask(url, nonce=answer.nonce)
    first = client.push(with_nginx("192.168.0.81"))
    assert [item.type_url for item in first] == [CDS, LDS]
    assert client.push(with_nginx("192.168.0.81")) == []


def test_unsubscribed_types_are_not_pushed() -> None:
    client = Client()
    client.ask(CDS)
    assert [item.type_url for item in client.push(with_nginx("192.168.0.81"))] == [CDS]


def test_endpoints_are_answered_by_name_even_when_there_are_none() -> None:
    client = Client()
    client.world = with_nginx("192.168.0.81", "192.168.0.82")
    (answer,) = client.ask(EDS, NAME, "outbound|1||gone")
    assert len(answer.resources) == 2
    assert [item.type_url for item in client.push(with_nginx("192.168.0.81"))] == [EDS]


def test_more_names_bring_a_new_answer() -> None:
    client = Client()
    (answer,) = client.ask(EDS, NAME)
    (again,) = client.ask(EDS, NAME, "outbound|1||other", nonce=answer.nonce)
    assert len(again.resources) == 2


def test_a_refused_answer_is_logged_and_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    (answer,) = client.ask(LDS)
    assert client.ask(LDS, nonce=answer.nonce, error="unknown cluster") == []
    assert "NACK Listener: unknown cluster" in caplog.text


def test_an_answer_to_an_older_push_is_ignored() -> None:
    client = Client()
    (old,) = client.ask(CDS)
    client.push(with_nginx("192.168.0.81"))
    assert client.ask(CDS, "something-else", nonce=old.nonce) == []


def test_versions_grow_and_a_wrong_node_is_refused() -> None:
    client = Client()
    (first,) = client.ask(CDS)
    (second,) = client.push(with_nginx("192.168.0.81"))
    assert first.version_info != second.version_info
    with pytest.raises(NodeError):
        Stream(lambda: EMPTY, Versions(), "test").on_request(discovery_pb2.DiscoveryRequest(type_url=CDS))


@pytest.fixture
def discovery() -> Iterator[tuple[Discovery, list[World], str]]:
    worlds = [EMPTY]
    service = Discovery(lambda: worlds[-1])
    server = tls.grpc_server()
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield service, worlds, f"127.0.0.1:{port}"
    server.stop(0).wait(5)


def test_over_grpc_a_change_reaches_the_proxy(discovery: tuple[Discovery, list[World], str]) -> None:
    service, worlds, address = discovery
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with grpc.insecure_channel(address) as channel:
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
        answers = stub.StreamAggregatedResources(iter(requests.get, None), timeout=20)
        first = discovery_pb2.DiscoveryRequest(type_url=CDS)
        first.node.id = NODE_ID
        requests.put(first)
        assert next(answers).type_url == CDS
        assert service.connections == 1
        worlds.append(with_nginx("192.168.0.81"))
        service.changed()
        pushed = next(answers)
        assert any(b"inbound|9080||deb-nginx01" in item.value for item in pushed.resources)
        requests.put(None)
    waited = threading.Event()
    for _attempt in range(100):
        if service.connections == 0:
            break
        waited.wait(0.05)
    assert service.connections == 0


def test_over_grpc_a_malformed_node_ends_the_stream(discovery: tuple[Discovery, list[World], str]) -> None:
    with grpc.insecure_channel(discovery[2]) as channel:
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
        answers = stub.StreamAggregatedResources(iter([discovery_pb2.DiscoveryRequest(type_url=CDS)]), timeout=20)
        with pytest.raises(grpc.RpcError) as error:
            next(answers)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
