"""A private apt: the system's own mirrors, keyrings and proxies, but own lists and caches."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import proc
from lab.errors import LabError

_POCKETS = ("", "-updates", "-security")


def codename() -> str:
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def _wanted(suites: Sequence[str], components: Sequence[str], release: str) -> list[str]:
    """The suites of the distribution itself; third-party repositories are of no use here."""
    if "main" not in components:
        return []
    return [suite for suite in suites if suite in {release + pocket for pocket in _POCKETS}]


def _stanza(fields: dict[str, str], release: str) -> str | None:
    if fields.get("enabled", "yes").lower() in ("no", "false", "0") or "deb" not in fields.get("types", "").split():
        return None
    suites = _wanted(fields.get("suites", "").split(), fields.get("components", "").split(), release)
    if not suites:
        return None
    lines = ["Types: deb", f"URIs: {fields['uris']}", f"Suites: {' '.join(suites)}", "Components: main"]
    if "signed-by" in fields:
        lines.append(f"Signed-By: {fields['signed-by']}")
    return "\n".join(lines) + "\n"


def from_deb822(text: str, release: str) -> list[str]:
    """Stanzas for `release` out of a .sources file."""
    found = []
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0].isspace():
                fields[name] += "\n" + line
            else:
                name, _colon, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        stanza = _stanza(fields, release) if fields else None
        if stanza:
            found.append(stanza)
    return found


def from_one_line(text: str, release: str) -> list[str]:
    """The same out of a sources.list file."""
    found = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if not words or words[0] != "deb":
            continue
        fields = {"types": "deb"}
        rest = " ".join(words[1:])
        if rest.startswith("["):
            options, _bracket, rest = rest[1:].partition("]")
            for option in options.split():
                name, _equals, value = option.partition("=")
                fields[name.lower()] = value
        uri, suite, *components = rest.split()
        fields.update(uris=uri, suites=suite, components=" ".join(components))
        stanza = _stanza(fields, release)
        if stanza:
            found.append(stanza)
    return found


def of_release(stanza: str, own: str, wanted: str) -> str:
    """The same mirror's suites of another release of Debian."""
    suites = re.compile(r"^Suites: .*$", re.MULTILINE)
    return suites.sub(lambda line: re.sub(rf"\b{re.escape(own)}\b", wanted, line[0]), stanza)


def system_sources(wanted: str | None = None) -> str:
    """The machine's own Debian mirrors as one deb822 document, for its own release or for another."""
    etc = Path("/etc/apt")
    release = codename()
    stanzas: list[str] = []
    for file in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]:
        if file.is_file():
            stanzas += from_one_line(file.read_text(encoding="utf-8"), release)
    for file in sorted((etc / "sources.list.d").glob("*.sources")):
        stanzas += from_deb822(file.read_text(encoding="utf-8"), release)
    if not stanzas:
        raise LabError(
            f"no Debian mirror with component main for suite {release!r} in /etc/apt: "
            "add one to /etc/apt/sources.list.d"
        )
    return "\n".join(of_release(stanza, release, wanted or release) for stanza in stanzas)


@dataclass(frozen=True)
class Apt:
    """apt-get with lists and archives under `directory`; `status` says what counts as installed."""

    directory: Path
    status: Path

    def options(self) -> list[str]:
        pairs = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": self.directory / "sources.list.d",
            "Dir::State": self.directory / "state",
            "Dir::State::Lists": self.directory / "lists",
            "Dir::State::Status": self.status,
            "Dir::Cache": self.directory / "cache",
            "Dir::Cache::Archives": self.directory / "archives",
            "Debug::NoLocking": "1",
            "APT::Sandbox::User": "root",
            "Acquire::Retries": "3",
        }
        return [word for name, value in pairs.items() for word in ("-o", f"{name}={value}")]

    def get(self, *argv: str, cwd: Path | None = None, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        return proc.run(["apt-get", "-q", *self.options(), *argv], cwd=cwd, timeout=timeout)

    def update(self, release: str) -> None:
        for name in ("sources.list.d", "lists/partial", "cache", "state", "archives/partial"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        sources = self.directory / "sources.list.d" / "system.sources"
        sources.write_text(system_sources(release), encoding="utf-8")
        self.get("update", timeout=300)


def scratch(directory: Path, status: Path, release: str) -> Apt:
    """A private apt with fresh lists."""
    apt = Apt(directory=directory, status=status)
    apt.update(release)
    return apt
