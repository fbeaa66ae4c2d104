# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-alone watcher of the nodes behind a saved table, for keepalived's FILE_CHECK. Private to the collection.

Installed as the loader is, and run by mesh-health.service:

  python3 -m mesh_ipvs._ipvs.watch --table FILE --files DIRECTORY --port 10256 --path /healthz --quorum 1

Asks each node once in a while by HTTP, and writes for each of its places in the table a file with 1 (take it out) or 0.
What is judged is each virtual service by itself: below the quorum nobody is taken out any more. So a node that answers
nobody because of the question, as all of them would, stays in service. It needs no rights, and when it ends, everything
stays as it was judged last.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import os
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from . import model, save
from .errors import IpvsError
from .wanted import Wanted

# Between rounds; for an answer; before those that gave none are asked again.
EVERY, PATIENCE, PAUSE = 0.5, 1.0, 0.3
ATONCE = 16
IN, OUT = "0\n", "1\n"


class Service(t.NamedTuple):
    """A virtual service, and the addresses of those that are to get connections."""

    name: str
    servers: t.Sequence[str]


def place(protocol: str, address: str, port: int | str, server: str) -> str:
    """What a real server of a service is called, in the configuration of keepalived too."""
    return f"{protocol}-{address}-{port}-{server}"


def services(listed: t.Iterable[Wanted]) -> list[Service]:
    """Those with an address; without the servers whose weight is 0, which are out by themselves."""
    protocols = {number: name for name, number in model.PROTOCOLS.items()}
    found = []
    for one in listed:
        key = one.service.key
        if not key.fwmark:
            name = place(protocols[key.protocol], str(ipaddress.ip_address(key.address)), key.port, "")
            taking = [server for server, _state in one.servers or () if server.weight]
            servers = dict.fromkeys(str(ipaddress.ip_address(server.address)) for server in taking)
            found.append(Service(name, list(servers)))
    return found


class Answers(t.NamedTuple):
    """Who did not answer twice, and who not once of these two times."""

    bad: t.Collection[str] = ()
    doubtful: t.Collection[str] = ()


def judge(service: Service, answers: Answers, out: t.Collection[str], quorum: int) -> list[str]:
    """Who is to be out, where C(out) are out already: below the quorum, those of them that do not answer yet."""
    good = [server for server in service.servers if server not in answers.doubtful]
    known = answers.bad if len(good) >= quorum else out
    return [server for server in service.servers if server in answers.bad and server in known]


def failing(addresses: t.Sequence[str], port: int, path: str, pool: ThreadPoolExecutor | None = None) -> list[str]:
    """Those that do not answer as a node that works, asked all at once."""
    if not addresses:
        return []
    if pool is None:
        with ThreadPoolExecutor(max_workers=ATONCE) as own:
            return failing(addresses, port, path, own)
    answers = list(pool.map(lambda address: _answers(address, port, path), addresses))
    return [address for address, answered in zip(addresses, answers) if not answered]


def _answers(address: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


Ask = t.Callable[[t.Sequence[str]], t.Sequence[str]]


def look_round(table: t.Sequence[Service], files: str, ask: Ask, quorum: int) -> list[str]:
    """Ask all, judge, and write what has changed; returns what is worth a line in the journal."""
    answers = _asked(list(dict.fromkeys(server for service in table for server in service.servers)), ask)
    return [line for service in table for line in _service(service, files, answers, quorum)]


def _asked(addresses: t.Sequence[str], ask: Ask) -> Answers:
    first = ask(addresses)
    if not first:
        return Answers()
    # One answer that was lost is none that failed. All are asked again: what made the first of them silent may reach
    # the others at this moment, and then they are not those that a service could rely on.
    time.sleep(PAUSE)
    second = ask(addresses)
    return Answers([one for one in first if one in second], {*first, *second})


def _service(service: Service, files: str, answers: Answers, quorum: int) -> list[str]:
    said = []
    before = {server: _read(f"{files}/{service.name}{server}") for server in service.servers}
    after = judge(service, answers, [server for server, text in before.items() if text == OUT], quorum)
    for server, text in before.items():
        wanted = OUT if server in after else IN
        if text != wanted:
            _write(f"{files}/{service.name}{server}", wanted)
        if wanted == OUT:
            said.append(f"{service.name}{server} is out: no answer")
        elif server in answers.bad:
            said.append(f"{service.name}{server} stays: no answer, but fewer than {quorum} do")
        elif text == OUT:
            said.append(f"{service.name}{server} is back")
    return said


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    # keepalived reads it when it is closed.
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def main(arguments: t.Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    table: list[Service] = []
    read = 0
    said: list[str] = []
    pool = ThreadPoolExecutor(max_workers=ATONCE)

    def ask(addresses: t.Sequence[str]) -> list[str]:
        return failing(addresses, options.port, options.path, pool)

    while True:
        begun = time.monotonic()
        try:
            changed = os.stat(options.table).st_mtime_ns
            if changed != read:
                table, read = services(save.load(options.table).services), changed
            lines = look_round(table, options.files, ask, options.quorum)
        except (OSError, IpvsError) as exc:
            # What was judged stays.
            lines = [str(exc)]
        for line in lines:
            if line not in said:
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
        said = lines
        time.sleep(max(0.0, begun + EVERY - time.monotonic()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mesh_ipvs._ipvs.watch", description="Watch the nodes of a saved table.")
    parser.add_argument("--table", required=True, help="the saved table")
    parser.add_argument("--files", required=True, help="directory of the files that keepalived follows")
    parser.add_argument("--port", type=int, required=True, help="what a node is asked at")
    parser.add_argument("--path", required=True, help="what it has to answer with the status 200")
    parser.add_argument("--quorum", type=int, required=True, help="how many that answer a service must keep")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
