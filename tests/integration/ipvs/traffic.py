# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the director in network and mount namespaces of its own:
a client, a balancer and three servers behind it by direct routing.

Usage: python3 traffic.py DIRECTORY, which holds the package mesh_ipvs. Changes the table while the client goes on
asking, and prints a JSON object with the steps, and how many requests the client made, how many failed, and who
answered.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t

sys.path.insert(0, sys.argv[1])

from mesh_ipvs._ipvs import options, reconcile  # type: ignore[import-not-found]
from mesh_ipvs._ipvs.client import Client  # type: ignore[import-not-found]

VIP = "10.9.0.100"
SERVERS = {"one": "10.9.0.11", "two": "10.9.0.12", "three": "10.9.0.13"}

SERVER = """
import socketserver, sys
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(sys.argv[1].encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
Server(("0.0.0.0", 80), Handler).serve_forever()
"""

# A new connection for each request; the numbers so far go to a file when it is told to end.
CLIENT = """
import collections, json, signal, socket, sys
seen, failures = collections.Counter(), []
def end(*_signal):
    print(json.dumps({"answers": seen, "failures": failures}))
    sys.exit()
signal.signal(signal.SIGTERM, end)
while True:
    try:
        with socket.create_connection((sys.argv[1], 80), timeout=5) as sock:
            sock.sendall(b"who is there?\\n")
            answer = b""
            while part := sock.recv(100):
                answer += part
        if answer.decode() not in sys.argv[2:]:
            raise OSError(f"answer {answer!r}")
        seen[answer.decode()] += 1
    except OSError as exc:
        failures.append(str(exc))
"""


def ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)


def host(name: str, address: str) -> None:
    """A namespace with one interface on the bridge."""
    ip(f"netns add {name}")
    ip(f"link add v-{name} type veth peer name eth0 netns {name}")
    ip(f"link set v-{name} master br0 up")
    ip(f"-n {name} link set lo up")
    ip(f"-n {name} address add {address}/24 dev eth0")
    ip(f"-n {name} link set eth0 up")


def build() -> None:
    os.makedirs("/run/netns", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)
    ip("link add br0 type bridge")
    ip("address add 10.9.0.1/24 dev br0")
    ip("link set br0 up")
    ip(f"address add {VIP}/32 dev br0")
    host("client", "10.9.0.50")
    for name, address in SERVERS.items():
        host(name, address)
        # The address is theirs too, but they do not answer for it.
        settings = "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore; echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce"
        subprocess.run(["ip", "netns", "exec", name, "sh", "-c", settings], check=True)
        ip(f"-n {name} address add {VIP}/32 dev lo")


def apply(scheduler: str, *servers: t.Mapping[str, t.Any], **values: t.Any) -> list[str]:
    entry = {"tcp_service": f"{VIP}:80", "scheduler": scheduler, "real_servers": list(servers)}
    with Client.open() as client:
        outcome = reconcile.converge(client, options.parse_services([entry]), **values)
    return [str(operation) for operation in outcome.operations]


def server(name: str, **values: t.Any) -> dict[str, t.Any]:
    return {"real_server": SERVERS[name], **values}


def change_everything() -> list[list[str]]:
    """One server is drained, removed and added back, the scheduler changes, weights change, servers are exchanged."""
    everyone = [server(name) for name in SERVERS]
    others = [server("two"), server("three")]
    steps = [lambda: apply("wrr", server("one", state="drained"), *others, drain_timeout=3)]
    steps.append(lambda: apply("wrr", server("one", state="drained"), *others, drain_timeout=150, drain_remove=True))
    steps.append(lambda: apply("wrr", *everyone))
    steps += [
        lambda name=name: apply(name, *everyone)  # type: ignore[misc]
        for name in ("rr", "wlc", "sh", "lc", "wrr")
    ]
    steps.append(lambda: apply("wrr", server("one", weight=5), server("two", weight=0), server("three")))
    steps.append(lambda: apply("wrr", *everyone))
    done = []
    for step in steps:
        done.append(step())
        time.sleep(1)
    return done


def main() -> None:
    build()
    # Closed connections are to be forgotten soon, so that draining does not take minutes.
    subprocess.run(["ipvsadm", "--set", "0", "5", "0"], check=True)
    apply("wrr", *[server(name) for name in SERVERS])
    started = [subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", SERVER, name]) for name in SERVERS]
    time.sleep(3)
    asking = subprocess.Popen(
        ["ip", "netns", "exec", "client", sys.executable, "-c", CLIENT, VIP, *SERVERS],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(2)
        steps = change_everything()
        asking.terminate()
        found = json.loads(asking.communicate(timeout=30)[0])
    finally:
        for process in [asking, *started]:
            process.kill()
            process.wait()
    print(json.dumps({"steps": steps, **found}))


main()
