"""The releases of Debian that the lab's hosts can be, by their numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    codename: str
    python: str
    """Version of its python3."""


RELEASES = {"12": Release("bookworm", python="3.11"), "13": Release("trixie", python="3.13")}
