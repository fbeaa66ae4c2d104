# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-alone watcher of the nodes behind a saved table, for keepalived's FILE_CHECK. Private to the collection.

Installed as the loader is, and run by mesh-health.service:

  python3 -m mesh_ipvs._ipvs.watch --table FILE --files DIRECTORY --port 10256 --path /healthz --quorum 1

Asks each node once in a while, by HTTP or end to end, and writes for each of its places in the table a file with 1
(take it out) or 0. What is judged is each virtual service by itself: below the quorum nobody is taken out any more. So
a node that answers nobody because of the question, as all of them would, stays in service. It needs no rights, and when
it ends, everything stays as it was judged last.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from . import ask, model, save
from .ask import Asking, Question
from .errors import IpvsError
from .wanted import Wanted

# Between rounds; before those that gave no answer are asked again.
EVERY, PAUSE = 0.5, 0.3
ATONCE = 64
IN, OUT = "0\n", "1\n"


class Service(t.NamedTuple):
    """A virtual service, and what is asked of those that are to get connections; None of one that cannot be asked."""

    name: str
    questions: t.Mapping[str, Question | None]


def place(protocol: str, address: str, port: int | str, server: str) -> str:
    """What a real server of a service is called, in the configuration of keepalived too."""
    return f"{protocol}-{address}-{port}-{server}"


def place_of(key: model.ServiceKey, server: str) -> str:
    protocol = model.name_of(model.PROTOCOLS, key.protocol)
    return place(protocol, str(ipaddress.ip_address(key.address)), key.port, server)


def services(listed: t.Iterable[Wanted], asking: Asking) -> list[Service]:
    """Those with an address; without the servers whose weight is 0, which are out by themselves."""
    found = []
    for one in listed:
        key = one.service.key
        if not key.fwmark:
            protocol = model.name_of(model.PROTOCOLS, key.protocol)
            address = str(ipaddress.ip_address(key.address))
            taking = [server for server, _state in one.servers or () if server.weight]
            servers = dict.fromkeys(str(ipaddress.ip_address(server.address)) for server in taking)
            questions = {server: asking.question(protocol, address, key.port, server) for server in servers}
            found.append(Service(place_of(key, ""), questions))
    return found


def nodes(listed: t.Iterable[Wanted]) -> list[str]:
    """All real servers, also those that are out of service, in an order that does not change with the services."""
    addresses = {
        ipaddress.ip_address(server.address)
        for one in listed
        if not one.service.key.fwmark
        for server, _state in one.servers or ()
    }
    return [str(address) for address in sorted(addresses, key=lambda address: (address.version, address.packed))]


class Answers(t.NamedTuple):
    """What was not answered twice, and what not once of these two times."""

    bad: t.Collection[Question] = ()
    doubtful: t.Collection[Question] = ()


def judge(service: Service, answers: Answers, out: t.Collection[str], quorum: int) -> list[str]:
    """Who is to be out, where C(out) are out already: below the quorum, those of them that do not answer yet."""
    good = [server for server, question in service.questions.items() if question not in answers.doubtful]
    bad = [server for server, question in service.questions.items() if question in answers.bad]
    return [server for server in bad if len(good) >= quorum or server in out]


def failing(
    questions: t.Sequence[Question], asking: Asking, pool: ThreadPoolExecutor | None = None, namespace: str = ""
) -> list[Question]:
    """Those that are not answered as by a node that works, asked all at once; from another network namespace if that is
    given."""
    if not questions:
        return []
    if pool is None:
        way: dict[str, t.Any] = {"initializer": ask.enter, "initargs": (namespace,)} if namespace else {}
        with ThreadPoolExecutor(max_workers=ATONCE, **way) as own:
            return failing(questions, asking, own)
    answered = list(pool.map(lambda question: ask.answers(question, asking), questions))
    return [question for question, good in zip(questions, answered) if not good]


Ask = t.Callable[[t.Sequence[Question]], t.Sequence[Question]]


def look_round(table: t.Sequence[Service], files: str, unanswered: Ask, quorum: int) -> list[str]:
    """Ask all, judge, and write what has changed; returns what is worth a line in the journal."""
    questions = [question for service in table for question in service.questions.values() if question is not None]
    answers = _asked(list(dict.fromkeys(questions)), unanswered)
    return [line for service in table for line in _service(service, files, answers, quorum)]


def _asked(questions: t.Sequence[Question], unanswered: Ask) -> Answers:
    first = unanswered(questions)
    if not first:
        return Answers()
    # One answer that was lost is none that failed. All are asked again: what made the first of them silent may reach
    # the others at this moment, and then they are not those that a service could rely on.
    time.sleep(PAUSE)
    second = unanswered(questions)
    return Answers([one for one in first if one in second], {*first, *second})


def _service(service: Service, files: str, answers: Answers, quorum: int) -> list[str]:
    said = []
    before = {server: _read(f"{files}/{service.name}{server}") for server in service.questions}
    after = judge(service, answers, [server for server, text in before.items() if text == OUT], quorum)
    for server, text in before.items():
        wanted = OUT if server in after else IN
        if text != wanted:
            _write(f"{files}/{service.name}{server}", wanted)
        if wanted == OUT:
            said.append(f"{service.name}{server} is out: no answer")
        elif service.questions[server] in answers.bad:
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
    options = parser().parse_args(arguments)
    asking = asking_of(options)
    table: list[Service] = []
    read = 0
    said: list[str] = []
    pool = ThreadPoolExecutor(max_workers=ATONCE)

    def unanswered(questions: t.Sequence[Question]) -> list[Question]:
        return failing(questions, asking, pool)

    while True:
        begun = time.monotonic()
        try:
            changed = os.stat(options.table).st_mtime_ns
            if changed != read:
                table, read = services(save.load(options.table).services, asking), changed
            lines = look_round(table, options.files, unanswered, options.quorum)
        except (OSError, IpvsError) as exc:
            # What was judged stays.
            lines = [str(exc)]
        for line in lines:
            if line not in said:
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
        said = lines
        time.sleep(max(0.0, begun + EVERY - time.monotonic()))


def words(asking: Asking) -> list[str]:
    """How nodes are asked, on the command line of the watcher."""
    found = ["--port", str(asking.port), "--path", asking.path]
    if asking.source:
        found += ["--source", asking.source, "--dns-name", asking.dns_name]
        found += ["--roots", asking.roots] if asking.tls else []
        found += [word for port, name in sorted(asking.tls.items()) for word in ("--tls", f"{port}={name}")]
        found += ["--through", *asking.through]
    return found


def asking_of(options: argparse.Namespace) -> Asking:
    tls = {int(port): name for port, _equals, name in (word.partition("=") for word in options.tls)}
    return Asking(options.port, options.path, options.source, options.through, tls, options.roots, options.dns_name)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="mesh_ipvs._ipvs.watch", description="Watch the nodes of a saved table.")
    found.add_argument("--table", required=True, help="the saved table")
    found.add_argument("--files", required=True, help="directory of the files that keepalived follows")
    found.add_argument("--port", type=int, required=True, help="what a node is asked at")
    found.add_argument("--path", required=True, help="what it has to answer with the status 200")
    found.add_argument("--source", default="", help="the address that services are asked from, through their nodes")
    found.add_argument("--through", nargs="*", default=(), help="nodes in the order of their source ports")
    found.add_argument("--tls", action="append", default=[], help="PORT=NAME: a port with TLS, and the server's name")
    found.add_argument("--roots", default="", help="file with the root certificates of these servers")
    found.add_argument("--dns-name", default="", help="what name servers are asked for")
    found.add_argument("--quorum", type=int, required=True, help="how many that answer a service must keep")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
