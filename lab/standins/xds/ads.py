"""Part of the Pilot stand-in: aggregated discovery, state of the world, one stream per proxy."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from lab.standins.xds.clusters import build_clusters, load_assignment, outbound_endpoints, packed
from lab.standins.xds.listeners import build_listeners
from lab.standins.xds.model import Mesh, Node, NodeError, Service, parse_node

log = logging.getLogger("pilot.ads")

CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
EDS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LDS = "type.googleapis.com/envoy.config.listener.v3.Listener"
RDS = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
PUSH_ORDER = (CDS, EDS, LDS, RDS)

CHANGED = object()
CLOSED = object()


@dataclass(frozen=True)
class World:
    services: tuple[Service, ...]
    mesh: Mesh


def resources(world: World, node: Node, type_url: str) -> dict[str, Any]:
    """All resources of one type for one proxy, by name. Routes are part of their listeners."""
    if type_url == CDS:
        return build_clusters(world.services, node, world.mesh)
    if type_url == EDS:
        return outbound_endpoints(world.services)
    if type_url == LDS:
        return build_listeners(world.services, node, world.mesh)
    return {}


@dataclass
class Subscription:
    """What one stream knows about one type."""

    names: frozenset[str] = frozenset()
    nonce: str = ""
    digest: str = ""


class Versions:
    """Version numbers that grow over the life of this process, and differ from those of the one before."""

    def __init__(self) -> None:
        self._start = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._counter = itertools.count(1)

    def next(self) -> str:
        return f"{self._start}/{next(self._counter)}"


class Stream:
    """The protocol's state for one connection; knows no gRPC."""

    def __init__(self, world: Callable[[], World], versions: Versions, peer: str) -> None:
        self._world = world
        self._versions = versions
        self._peer = peer
        self._node: Node | None = None
        self._subscriptions: dict[str, Subscription] = {}

    def on_request(self, request: Any) -> list[Any]:
        if self._node is None:
            self._node = parse_node(request.node.id)
            log.info("%s connected as %s", self._peer, request.node.id)
        url = request.type_url
        known = self._subscriptions.get(url)
        if known is None:
            known = self._subscriptions[url] = Subscription()
        elif request.response_nonce != known.nonce:
            log.info("%s: %s for an older answer, ignored", self._name, _short(url))
            return []
        if request.HasField("error_detail"):
            log.error("%s: NACK %s: %s", self._name, _short(url), request.error_detail.message)
            return []
        names = frozenset(request.resource_names)
        if known.nonce and names == known.names:
            log.info("%s: ACK %s %s", self._name, _short(url), request.version_info)
            return []
        known.names = names
        return [self._answer(url, known)]

    def on_change(self) -> list[Any]:
        """Push what differs from the last answer; clusters before the listeners that use them."""
        answers, clusters_sent = [], False
        for url in PUSH_ORDER:
            known = self._subscriptions.get(url)
            if known is None:
                continue
            content, digest = self._content(url, known)
            # A replaced cluster waits for its endpoints even when those are as before.
            if digest != known.digest or (url == EDS and clusters_sent and known.names):
                answers.append(self._response(url, known, content, digest))
                clusters_sent = clusters_sent or url == CDS
        return answers

    @property
    def _name(self) -> str:
        return self._node.ident if self._node else self._peer

    def _answer(self, url: str, known: Subscription) -> Any:
        content, digest = self._content(url, known)
        return self._response(url, known, content, digest)

    def _content(self, url: str, known: Subscription) -> tuple[list[Any], str]:
        if self._node is None:
            raise NodeError("a push before the first request")
        found = resources(self._world(), self._node, url)
        # Clusters and listeners are sent whole; endpoints by name, and none is an answer too.
        if url == EDS:
            found = {name: found.get(name) or load_assignment(name, ()) for name in known.names}
        content = [packed(found[name]) for name in sorted(found)]
        digest = hashlib.sha256(b"".join(item.SerializeToString(deterministic=True) for item in content)).hexdigest()
        return content, digest

    def _response(self, url: str, known: Subscription, content: list[Any], digest: str) -> Any:
        version = self._versions.next()
        known.nonce, known.digest = version, digest
        log.info("%s: push %s %s, %d resources", self._name, _short(url), version, len(content))
        return discovery_pb2.DiscoveryResponse(version_info=version, nonce=version, type_url=url, resources=content)


def _short(url: str) -> str:
    return url.rsplit(".", 1)[-1]


class Discovery(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    """The gRPC side: one thread per stream reads requests, the handler's thread writes answers."""

    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world
        self._versions = Versions()
        self._queues: set[queue.SimpleQueue[Any]] = set()
        self._lock = threading.Lock()

    def changed(self) -> None:
        with self._lock:
            for events in self._queues:
                events.put(CHANGED)

    @property
    def connections(self) -> int:
        with self._lock:
            return len(self._queues)

    def StreamAggregatedResources(
        self, request_iterator: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Any]:
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._lock:
            self._queues.add(events)
        context.add_callback(lambda: events.put(CLOSED))
        threading.Thread(target=_read, args=(request_iterator, events), daemon=True).start()
        stream = Stream(self._world, self._versions, context.peer())
        try:
            while (event := events.get()) is not CLOSED:
                yield from stream.on_change() if event is CHANGED else stream.on_request(event)
        except NodeError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        finally:
            with self._lock:
                self._queues.discard(events)
            log.info("%s disconnected", context.peer())


def _read(requests: Iterator[Any], events: queue.SimpleQueue[Any]) -> None:
    try:
        for request in requests:
            events.put(request)
    except grpc.RpcError:
        pass
    finally:
        events.put(CLOSED)
