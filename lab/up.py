"""Bring the whole lab up or down."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab import aptrepo, config, hosts, proc
from lab import shape as shapes
from lab.build import director, envoy, istio, kubernetes, rootfs, store, uml_shim
from lab.config import Host
from lab.errors import LabError
from lab.hosts import cgroups, leftovers, limits, network
from lab.hosts.remote import keys_up, lets_in, ssh
from lab.istio import deploy as istiod
from lab.istio import packages
from lab.kube import nodes
from lab.kube import up as kube
from lab.shape import Shape, Value
from lab.sidecar import build as sidecar
from lab.standins import deploy as standins
from lab.steps import Step, run_steps


def require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes network namespaces, mounts and containers; run it with sudo")


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """One `up`, `down` or `reboot` at a time."""
    config.state_dir().mkdir(parents=True, exist_ok=True)
    with open(config.state_dir() / "lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError(f"another lab command holds {lock.name}: wait until it has finished") from error
        yield


def _build_kubernetes() -> None:
    kubernetes.build(config.shape().kubernetes)


def _build_director() -> None:
    director.build()
    uml_shim.build()


def build_steps() -> list[Step]:
    """The caches; each step costs nothing when its entry exists. The small ones wait for network and disk as long as
    they work: one after another they are made beside the large compilations."""
    shape = config.shape()
    small = [
        Step("root file system of the hosts", rootfs.build),
        Step("director's disk image and kernel helper", _build_director),
        Step("package repository", aptrepo.build),
        Step("Envoy binary", envoy.build),
    ]
    if shape.has_standins:
        small.append(Step("sidecar package of 1.0.5", sidecar.build))
    large = [
        Step(f"Kubernetes {shape.kubernetes}", _build_kubernetes, 0 if kubernetes.cached(shape.kubernetes) else 420)
    ]
    last = []
    if shape.has_istiod:
        large.append(Step(f"Istio {istio.VERSION}", istio.build, 0 if istio.cached() else 330))
        last.append(Step("sidecar packages of today", packages.build, 0 if packages.cached() else 15))
    beside = Beside(small)
    return [*beside.started(), *large, *beside.ended(), *last]


class Beside:
    """Steps that run in the background, one after another, as soon as the first of them is asked for."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.results: list[Future[object]] = []

    def started(self) -> list[Step]:
        return [Step("small caches start in the background", self._start)]

    def _start(self) -> None:
        pool = ThreadPoolExecutor(max_workers=1)
        self.results = [pool.submit(step.action) for step in self.steps]
        pool.shutdown(wait=False)

    def ended(self) -> list[Step]:
        return [Step(step.title, functools.partial(self._result, number)) for number, step in enumerate(self.steps)]

    def _result(self, number: int) -> object:
        return self.results[number].result()


class Bringup:
    """One run of `up`: the directors boot in the background while everything else is made."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(max_workers=8)
        self.directors: list[Future[None]] = []
        self.containers = config.topology().with_role("node", "vm")

    def steps(self) -> list[Step]:
        return [
            *build_steps(),
            Step("network", self._network),
            Step("package repository and upstream DNS", self._services),
            Step("directors start in the background", self._start_directors),
            Step("Kubernetes API server starts in the background", kube.start),
            Step("nodes and VMs boot", self._containers, 4),
            *kube.steps(),
            *istiod.steps(),
            *kube.last_steps(),
            Step("directors answer", self._directors_answer, 2),
            *([Step("Istio stand-ins", standins.up, 10)] if config.shape().has_standins else []),
            Step("package lists of the VMs", self._package_lists, 1),
        ]

    def _network(self) -> None:
        if not any(hosts.running(host) for host in config.topology().hosts):
            leftovers.end_processes()  # of a lab that crashed
        limits.make_room(len(self.containers))
        hosts.network_up()
        keys_up()

    def _services(self) -> None:
        www = config.www_dir()
        www.mkdir(parents=True, exist_ok=True)
        _link(www / "debian", aptrepo.build())
        if config.shape().has_standins:
            sidecar.publish(sidecar.build(), www)
        if config.shape().has_istiod:
            _link(www / "istio", packages.build())
        site = config.topology()
        python = config.venv_python()
        server = [python, "-m", "http.server", "--bind", site.gateway, "--directory", str(www), str(site.http_port)]
        proc.start("http", server, netns=site.netns)
        proc.start("upstream-dns", [python, "-m", "lab.upstream_dns", site.upstream_dns], netns=site.netns)

    def _start_directors(self) -> None:
        self.directors = [self.pool.submit(hosts.host_up, host) for host in config.topology().with_role("director")]

    def _containers(self) -> None:
        missing = [host for host in self.containers if not hosts.running(host)]
        for host in missing:
            hosts.prepare(host)
        nodes = [host for host in missing if host.role == "node"]
        if nodes:
            kube.prepare_hosts(nodes)
        for host in missing:
            hosts.start(host)
        self._all(hosts.wait_ready, self.containers)

    def _directors_answer(self) -> None:
        for booting in self.directors:
            booting.result()

    def _package_lists(self) -> None:
        self._all(
            lambda host: ssh(host, ["apt-get -q update"]), [host for host in self.containers if host.role == "vm"]
        )

    def _all(self, action: Callable[[Host], object], wanted: list[Host]) -> None:
        for future in [self.pool.submit(action, host) for host in wanted]:
            future.result()


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def wanted_shape(options: Mapping[str, Value]) -> Shape:
    """What `up` is to make. A lab that has hosts keeps its shape; one that came not so far may still become another."""
    site = config.document()
    exists = network.namespaces() or (config.state_dir() / "hosts").is_dir()
    wanted = (shapes.grown if exists else shapes.changed)(config.shape(), options, site)
    if kubernetes.assets() is None:
        kubernetes.check(wanted.kubernetes)
    nodes.check_proxy_mode(wanted.proxy_mode)
    return wanted


def up(options: Mapping[str, Value]) -> float:
    """Make what is missing. May be called at any time; what runs is left alone."""
    require_root()
    with exclusive():
        config.record(wanted_shape(options))
        fresh_logs()
        bringup = Bringup()
        try:
            return run_steps(bringup.steps())
        finally:
            bringup.pool.shutdown(wait=False, cancel_futures=True)


def build(options: Mapping[str, Value]) -> float:
    require_root()
    config.use(shapes.changed(config.shape(), options, config.document()))
    return run_steps(build_steps())


def down() -> float:
    """End everything and prove that nothing is left."""
    require_root()
    with exclusive():
        return run_steps(
            [
                Step("Kubernetes ends", _kubernetes_down),
                Step("hosts end", _hosts_down),
                Step("other processes end", leftovers.end_processes),
                Step("mounts, namespaces and control groups go", _remove_traces),
                Step("state of the run goes", _remove_state),
                Step("nothing is left", _check_nothing_left),
            ]
        )


def _kubernetes_down() -> None:
    try:
        kube.down()
    except (LabError, OSError) as error:
        # Its processes are found by other means below; the last step judges.
        print(f"({error}) ", end="", flush=True)


def _hosts_down() -> None:
    for host in config.largest_topology().hosts:  # also those of a lab whose record was lost
        hosts.host_down(host, hard=True)


def _remove_traces() -> None:
    leftovers.unmount_all()
    hosts.network_down()
    cgroups.remove_all()
    limits.restore()


def _remove_state() -> None:
    """Everything of the run but its logs; the next `up` starts them afresh."""
    if leftovers.mounts():
        raise LabError(f"still mounted: {', '.join(leftovers.mounts())}; nothing was deleted")
    for entry in config.state_dir().iterdir():
        if entry.name not in ("log", "lock"):
            store.remove_tree(entry)


def _check_nothing_left() -> None:
    left = leftovers.leftovers()
    if left:
        raise LabError("the lab left behind:\n  " + "\n  ".join(left))


def fresh_logs() -> None:
    """Before the first process of a run starts."""
    if not network.namespaces() and config.log_dir().is_dir():
        shutil.rmtree(config.log_dir())


def complete(state: dict[str, Any]) -> bool:
    """Whether a status says that all of the lab works."""
    cluster = state.get("kubernetes", {})
    return bool(
        state["network"]
        and all(host["ssh"] for host in state["hosts"].values())
        and all(state["services"].values())
        and all(cluster.get("processes", {}).values())
        and cluster.get("ready")
        and not cluster.get("unavailable")
    )


def _answers(host: Host) -> bool:
    return hosts.running(host) and lets_in(host)


def status() -> dict[str, Any]:
    """What runs, as plain data."""
    site = config.topology()
    state: dict[str, Any] = {"shape": dataclasses.asdict(config.shape())}
    state |= {"network": proc.netns_path(site.netns).exists(), "hosts": {}}
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(_answers, site.hosts))
    for host, answer in zip(site.hosts, answers, strict=True):
        state["hosts"][host.name] = {"address": host.address, "running": hosts.running(host), "ssh": answer}
    state["services"] = {name: proc.alive(name) for name in ("http", "upstream-dns")}
    if state["network"]:
        state["kubernetes"] = kube.status()
    return state
