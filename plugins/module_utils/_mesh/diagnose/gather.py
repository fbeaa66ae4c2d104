# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a host for the parts of its bundle, within limits of time and size, and takes out what is secret. Changes
nothing. Private to the collection."""

from __future__ import annotations

import glob
import json
import os
import re
import stat
import time
import typing as t
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from ..._host import accounts, commands, footprint, systemd
from ..._host.errors import HostError
from ..._ipvs import model
from ..._ipvs.client import Client
from ..._ipvs.errors import IpvsError
from . import catalogue, redact

# Of one answer, before anything is taken out.
MOST_READ = 4 * 1024 * 1024
# What one program or page may take, and all of them.
SECONDS, ALL_SECONDS = 10.0, 120.0
_MOST_LISTED = 500
_LARGEST_SECRET = 64 * 1024


class Limits(t.NamedTuple):
    """What the user has a say in."""

    # Of a journal and of a log.
    lines: int = 500
    # Of one part, in bytes.
    size: int = 1024 * 1024


class Found(t.NamedTuple):
    """The parts by name, and what could not be read, in words."""

    parts: t.Dict[str, str]
    missing: t.List[str]


class Unread(Exception):
    """Why something has no answer."""


def look(kinds: t.Collection[str], limits: Limits) -> Found:
    redactor = redact.Redactor(text for secret in _secrets() for text in redact.forms(secret))
    folders = [os.path.basename(os.path.dirname(path)) for path in glob.glob(f"{footprint.ROOT}/*/footprint.json")]
    # They become names of files.
    roles = [name for name in folders if re.fullmatch("[a-z0-9_-]+", name)]
    end = time.monotonic() + ALL_SECONDS
    found = Found({}, [])
    for part in catalogue.parts(kinds, roles):
        if time.monotonic() > end:
            found.missing.append(f"{part.name}: {ALL_SECONDS:.0f} s had passed")
            continue
        text, problems = _part(part, limits, redactor)
        # A reason may repeat what a program said.
        found.missing.extend(f"{part.name}: {redactor.text(problem)}" for problem in problems)
        if text:
            found.parts[part.name] = text
    return found


def _secrets() -> t.Iterator[bytes]:
    for pattern in catalogue.SECRETS:
        for path in glob.glob(pattern):
            try:
                with open(path, "rb") as stream:
                    yield stream.read(_LARGEST_SECRET)
            except OSError:
                # Who cannot read it cannot show it either.
                continue


def _part(part: catalogue.Part, limits: Limits, redactor: redact.Redactor) -> tuple[str, list[str]]:
    texts, problems = [], []
    for step in part.steps:
        try:
            for title, text in answers(step, limits):
                if part.name.endswith(".json"):
                    texts.append(_document(text, redactor))
                else:
                    texts.append(f"### {redactor.text(title)}\n{redactor.text(text).rstrip()}\n")
        except (Unread, HostError, IpvsError, OSError) as exc:
            problems.append(str(exc))
    return cut("\n".join(texts), limits.size), problems


def cut(text: str, size: int) -> str:
    """The beginning, with a last line that says so."""
    data = text.encode("utf-8", "replace")
    if len(data) <= size:
        return data.decode("utf-8")
    kept = data[:size].decode("utf-8", "ignore").rpartition("\n")[0]
    return f"{kept}\n[cut: {len(data)} bytes, the first {size} are here]\n"


def _document(text: str, redactor: redact.Redactor) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        return redactor.text(text)
    return json.dumps(redactor.document(without_secrets(document)), indent=1) + "\n"


def without_secrets(document: t.Any) -> t.Any:
    """Envoy's own section of them has certificates and keys, in part redacted by itself."""
    if not isinstance(document, dict) or not isinstance(document.get("configs"), list):
        return document
    kept = [item for item in document["configs"] if not str(item.get("@type", "")).endswith("SecretsConfigDump")]
    return {**document, "configs": kept}


def answers(step: catalogue.Step, limits: Limits) -> t.Iterator[tuple[str, str]]:
    """Each with its title."""
    if isinstance(step, catalogue.Command):
        yield _command(step.argv)
    elif isinstance(step, catalogue.File):
        for path in sorted(glob.glob(step.pattern)):
            if os.path.isfile(path):
                yield _file(path, limits.lines if step.log else 0)
    elif isinstance(step, catalogue.Listing):
        yield step.top, "\n".join(listing(step.top))
    elif isinstance(step, catalogue.Unit):
        yield from _unit(step.name, limits.lines)
    elif isinstance(step, catalogue.Page):
        yield step.url, page(step.url)
    else:
        yield "kernel's table", ipvs()


def _command(argv: t.Sequence[str]) -> tuple[str, str]:
    done = commands.run(argv, seconds=SECONDS)
    title = " ".join(argv)
    if done.rc != 0 and not done.stdout:
        raise Unread(f"{title}: {' '.join(done.stderr.split())[:300] or f'it ended with {done.rc}'}")
    said = f"\n(it ended with {done.rc}: {done.stderr.strip()})" if done.rc else ""
    return title, done.stdout[:MOST_READ] + said


def _file(path: str, lines: int) -> tuple[str, str]:
    title = f"{path} -> {os.path.realpath(path)}" if os.path.islink(path) else path
    with open(path, "rb") as stream:
        if lines:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - MOST_READ))
        content = stream.read(MOST_READ).decode("utf-8", "replace")
    return title, "\n".join(content.splitlines()[-lines:]) if lines else content


def listing(top: str) -> list[str]:
    found = []
    for folder, _folders, names in os.walk(top):
        for path in [folder, *(os.path.join(folder, name) for name in sorted(names))]:
            found.append(_line(path))
            if len(found) >= _MOST_LISTED:
                return [*found, "and more"]
    return found


def _line(path: str) -> str:
    try:
        state = os.lstat(path)
    except OSError as exc:
        return f"{path}  {exc.strerror}"
    owner = f"{accounts.user_of(state.st_uid)}:{accounts.group_of(state.st_gid)}"
    changed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(state.st_mtime))
    return f"{stat.filemode(state.st_mode)} {owner} {state.st_size} {changed} {path}"


def _unit(name: str, lines: int) -> t.Iterator[tuple[str, str]]:
    if not systemd.look([name])[name].loaded:
        return
    yield _command(("systemctl", "--no-pager", "--full", "--lines=0", "status", name))
    yield _command(("systemctl", "cat", "--no-pager", name))
    yield _command(("journalctl", "--no-pager", "--output=short-iso", f"--lines={lines}", f"--unit={name}"))


def page(url: str) -> str:
    """What a program of this host answers; no proxy of the environment comes between."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=SECONDS) as answer:
            return t.cast(bytes, answer.read(MOST_READ)).decode("utf-8", "replace")
    except (URLError, OSError) as exc:
        raise Unread(f"{url}: {getattr(exc, 'reason', exc)}") from exc


def ipvs() -> str:
    with Client.open(load=False) as client:
        return "\n".join(table(client.read_states(), client.info()))


def table(states: t.Sequence[model.ServiceState], info: t.Mapping[str, t.Any]) -> list[str]:
    """As ipvsadm writes commands, with the counters after each."""
    lines = [json.dumps(info, sort_keys=True)]
    for state in states:
        lines.append(f"-A {state.service.arguments}  # {_numbers(state.statistics)}")
        for server in state.servers:
            counts = " ".join(f"{name}={number}" for name, number in server.connections._asdict().items())
            lines.append(
                f"-a {state.service.key} -r {server.server.arguments}  # {counts}, {_numbers(server.statistics)}"
            )
    return lines


def _numbers(statistics: t.Mapping[str, int]) -> str:
    return " ".join(f"{name}={number}" for name, number in statistics.items() if not name.endswith("_per_second"))
