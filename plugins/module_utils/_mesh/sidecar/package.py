# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package the sidecar comes from, and whether it has to be fetched and installed. Private to the collection."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import posixpath
import re
import typing as t
from urllib.error import URLError
from urllib.parse import urlsplit

from ..._host import commands, versions
from ..._host.deb_source import inspect
from . import layout
from .settings import SettingsError, refuse

SECONDS = 20
_READ = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Offer:
    """The package that the variables name. Fields that could not be read are empty."""

    source: str
    algorithm: str = ""
    checksum: str = ""
    package: str = ""
    version: str = ""
    architecture: str = ""

    @property
    def file(self) -> str:
        """Where it is kept on the VM."""
        return posixpath.join(layout.CACHE, posixpath.basename(urlsplit(self.source).path))

    def with_fields(self, fields: t.Mapping[str, t.Any]) -> Offer:
        names = ("package", "version", "architecture")
        return dataclasses.replace(self, **{name: str(fields.get(name, "")) for name in names})


def is_url(source: str) -> bool:
    return re.match(r"https?://", source) is not None


def split_checksum(source: str, checksum: str) -> tuple[str, str]:
    """Algorithm and value, or algorithm and URL."""
    if not checksum and is_url(source):
        raise SettingsError(
            f"The sidecar package {source} comes from a URL without a checksum: set mesh_sidecar_checksum "
            "(istio_sidecar_checksum) to sha256: and its value or the URL of a checksum file"
        )
    algorithm, colon, value = checksum.partition(":")
    if checksum and (not colon or algorithm not in hashlib.algorithms_available):
        remedy = "Set it (mesh_sidecar_checksum) to algorithm:value, such as sha256:5d1f0c"
        raise refuse("checksum", checksum, "it does not begin with an algorithm", remedy)
    return algorithm, value


def file_checksum(path: str, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(_READ), b""):
            digest.update(block)
    return digest.hexdigest()


def local_offer(source: str, checksum: str) -> Offer:
    """A package on the control node; it must be there, and be what the checksum says."""
    algorithm, value = split_checksum(source, checksum)
    path = os.path.expanduser(source)
    again = "check mesh_sidecar_package and mesh_sidecar_checksum"
    try:
        found = file_checksum(path, algorithm or "sha256")
    except OSError as exc:
        # Not that it does not exist: who may not look does not know.
        raise SettingsError(
            f"The sidecar package {source} on the control node cannot be read: {exc.strerror}. {again.capitalize()}, "
            "and who may read it"
        ) from exc
    if value and found != value.strip().lower():
        what = f"has the checksum {found}, not {checksum}"
        raise SettingsError(f"The sidecar package {source} on the control node {what}: {again}")
    return Offer(path, algorithm or "sha256", found).with_fields(inspect(path, SECONDS))


def url_offer(source: str, checksum: str, read: t.Callable[[str], str] | None = None) -> Offer:
    """A package at a URL, as far as its checksum; a file of checksums is read."""
    algorithm, value = split_checksum(source, checksum)
    if is_url(value):
        value = find_checksum((read or _read)(value), source, value)
    return Offer(source, algorithm, re.sub(r"\W+", "", value).lower())


def _read(url: str) -> str:
    try:
        # Here, since to load it takes a host a tenth of a second.
        from ansible.module_utils.urls import open_url

        with open_url(url, timeout=SECONDS) as answer:
            return str(answer.read(_READ).decode("utf-8", "replace"))
    except (URLError, OSError) as exc:
        raise SettingsError(
            f"Cannot read the checksum of the sidecar package from {url}: {getattr(exc, 'reason', exc)}. Check that "
            "this host reaches that server, or set mesh_sidecar_checksum (istio_sidecar_checksum) to sha256: "
            "and the value"
        ) from exc


def find_checksum(text: str, source: str, where: str) -> str:
    """The checksum of the package in a file of them, understood as the module get_url does."""
    name = posixpath.basename(urlsplit(source).path)
    lines = text.splitlines()
    if len(lines) == 1 and len(lines[0].split()) == 1:
        return lines[0].strip()
    for line in lines:
        words = line.split(None, 1)
        if len(words) == 2 and posixpath.basename(words[1].strip().lstrip("*")) == name:
            return words[0]
    raise SettingsError(f"{where} holds no checksum of {name}: check mesh_sidecar_package and mesh_sidecar_checksum")


def complete(offer: Offer, fields: t.Callable[[str], t.Mapping[str, t.Any]]) -> tuple[Offer, bool]:
    """The offer with what the package says about itself, and whether it is on this host already.

    ``fields`` reads a package's fields from a path or a URL.
    """
    cached = os.path.isfile(offer.file) and file_checksum(offer.file, offer.algorithm) == offer.checksum
    if not offer.version and (cached or is_url(offer.source)):
        offer = offer.with_fields(fields(offer.file if cached else offer.source))
    return offer, cached


def read_fields(source: str) -> dict[str, t.Any]:
    return inspect(source, SECONDS)


def host_architecture() -> str:
    return commands.must(["dpkg", "--print-architecture"]).strip()


def downgrade(installed: str, offered: str) -> bool:
    """Whether installing what is offered would go back to an older version."""
    return bool(installed and offered) and versions.compare(offered, installed) < 0


def needs_install(installed: str, offer: Offer) -> bool:
    """A package of the same version is not installed again; one that does not say its version is left to apt."""
    return not installed or not offer.version or versions.compare(installed, offer.version) != 0


def refusal(offer: Offer, architecture: str, installed: str, allow_downgrade: bool) -> str | None:
    """Why the package must not be installed on this host, or None."""
    if offer.package and (offer.package != layout.PACKAGE or offer.architecture not in ("all", architecture)):
        return (
            f"{offer.source} is the package {offer.package} for {offer.architecture}; this host needs "
            f"{layout.PACKAGE} for {architecture}. Set mesh_sidecar_package (istio_sidecar_package) to that."
        )
    if downgrade(installed, offer.version) and not allow_downgrade:
        return (
            f"{offer.source} is {layout.PACKAGE} {offer.version}, older than {installed}, which is installed. Set "
            "mesh_sidecar_package (istio_sidecar_package) to a newer one, or istio_sidecar_allow_downgrade to true."
        )
    return None
