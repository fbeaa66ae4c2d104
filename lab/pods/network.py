# Part of the lab's stand-in for the kubelet: the network of pods, as a CNI plugin would make it.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod network namespaces on the nodes' cni0 bridges, and sockets opened inside another namespace."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import ipaddress
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab import config

NETNS_DIR = Path("/run/netns")
PREFIX = f"{config.topology().netns}-p-"
BRIDGE = "cni0"
CLONE_NEWNET = 0x40000000
COMMAND_TIMEOUT = 20

_libc = ctypes.CDLL(None, use_errno=True)


class NetworkError(Exception):
    """A pod's network could not be made."""


def netns_path(name: str) -> Path:
    return NETNS_DIR / name


def pod_netns(uid: str) -> str:
    """Name of a pod's network namespace; the same for the same pod, short enough to be read."""
    return PREFIX + hashlib.sha256(uid.encode()).hexdigest()[:10]


def veth_name(netns: str) -> str:
    return "veth" + netns.removeprefix(PREFIX)


class AddressPool:
    """Addresses of one node's pod network. The first is the bridge's."""

    def __init__(self, cidr: str) -> None:
        self._network = ipaddress.IPv4Network(cidr)
        self._used: set[ipaddress.IPv4Address] = {self.gateway}

    @property
    def gateway(self) -> ipaddress.IPv4Address:
        return self._network[1]

    def take(self) -> str:
        for address in self._network.hosts():
            if address not in self._used:
                self._used.add(address)
                return str(address)
        raise NetworkError(f"all addresses of {self._network} are in use")

    def give_back(self, address: str) -> None:
        self._used.discard(ipaddress.IPv4Address(address))


def mac(address: str) -> str:
    """Hardware address made of the pod's address: a node may remember that of an earlier pod for most of a minute."""
    return "0a:58:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def node_commands(netns: str, address: str) -> str:
    """What `ip -batch` does in the node: one end of a veth pair on the bridge, the other in the pod.

    Hairpin lets a pod reach itself through its own Service."""
    veth = veth_name(netns)
    lines = (
        f"link add {veth} type veth peer name eth0 address {mac(address)} netns {netns}",
        f"link set {veth} master {BRIDGE} up",
        f"link set {veth} type bridge_slave hairpin on",
    )
    return "".join(f"{line}\n" for line in lines)


def pod_commands(address: str, gateway: str) -> str:
    """What `ip -batch` does in the pod. With a /32, neighbours are reached through the node too, so that the node
    sees both directions of a connection that kube-proxy redirected to a pod on the same bridge."""
    return (
        f"link set lo up\naddr add {address}/32 dev eth0\nlink set eth0 up\n"
        f"route add {gateway} dev eth0 scope link\nroute add default via {gateway}\n"
    )


async def _ip(*args: str, script: str | None = None) -> None:
    process = await asyncio.create_subprocess_exec(
        "ip",
        *args,
        stdin=subprocess.PIPE if script else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _output, errors = await asyncio.wait_for(process.communicate(script.encode() if script else None), COMMAND_TIMEOUT)
    if process.returncode:
        raise NetworkError(f"ip {' '.join(args)}: {errors.decode().strip()}")


async def attach(netns: str, node_netns: str, address: str, gateway: str, sysctls: Mapping[str, str]) -> None:
    await _ip("netns", "add", netns)
    own = [f"{name}={value}" for name, value in sysctls.items() if name.startswith("net.")]
    if own:
        await _ip("netns", "exec", netns, "sysctl", "-q", "-w", *own)
    await _ip("-n", node_netns, "-batch", "-", script=node_commands(netns, address))
    await _ip("-n", netns, "-batch", "-", script=pod_commands(address, gateway))


async def detach(netns: str, node_netns: str) -> None:
    """Remove the veth pair, and the namespace: with the namespace alone, the pair would go only some time later."""
    with contextlib.suppress(NetworkError):  # there is none, or the node has gone
        await _ip("-n", node_netns, "link", "del", veth_name(netns))
    if netns_path(netns).exists():
        await _ip("netns", "del", netns)


def remove_all_pods() -> list[str]:
    """End what still runs in pod namespaces and remove them; returns their names."""
    names = sorted(p.name for p in NETNS_DIR.glob(f"{PREFIX}*"))
    for name in names:
        listing = subprocess.run(
            ["ip", "netns", "pids", name], capture_output=True, text=True, timeout=COMMAND_TIMEOUT, check=False
        )
        for pid in listing.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
        subprocess.run(["ip", "netns", "del", name], timeout=COMMAND_TIMEOUT, check=True)
    return names


@contextmanager
def inside(netns: str) -> Iterator[None]:
    """Be in a network namespace for the length of the block, which must not await: only this thread moves."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        target = os.open(netns_path(netns), os.O_RDONLY)
        try:
            _setns(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns to a network namespace failed")


def socket_in(netns: str) -> socket.socket:
    """A TCP socket that belongs to a network namespace: it stays there, whatever uses it."""
    with inside(netns):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock
