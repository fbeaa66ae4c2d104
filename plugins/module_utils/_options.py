# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of options that an argument spec lets pass and that cannot be meant. Pure. Private to the collection."""

from __future__ import annotations

import ipaddress
import re
import typing as t


class Kind(t.NamedTuple):
    """What an option may be, beyond its type."""

    fits: t.Callable[[t.Any], bool]
    text: str


def number(least: float, most: float, what: str = "a number") -> Kind:
    return Kind(lambda value: least <= value <= most, f"{what} from {least} to {most}")


def _matching(pattern: str, text: str) -> Kind:
    # Compiled where it is needed: each module loads all kinds, and most need few.
    return Kind(lambda value: re.fullmatch(pattern, str(value)) is not None, text)


def _is_address(value: t.Any) -> bool:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST_LABEL = r"\w([-\w]{0,61}\w)?"
_VALUE = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DAY = 86400

PORT = number(1, 65535, "a port number")
# A wait that may be none, one that must be some, and how long something is good.
SECONDS = number(0, 31 * _DAY, "a number of seconds")
TIMEOUT = number(0.01, _DAY, "a number of seconds")
# Of a clock, since 1970.
SINCE = number(0, 2**40, "a number of seconds since 1970")
LIFETIME = number(1, 100 * 366 * _DAY, "a number of seconds")
LIFETIME_OR_NONE = number(0, 100 * 366 * _DAY, "a number of seconds")
ATTEMPTS = number(1, 1000)

ADDRESS = Kind(_is_address, "an IP address")
HOST = _matching(
    rf"{_HOST_LABEL}(\.{_HOST_LABEL})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*",
    "an address, or a name whose parts have at most 63 letters, digits and '-'",
)
DOMAIN = _matching(rf"{_LABEL}(\.{_LABEL})*", "a domain name, such as cluster.local")
# What Kubernetes takes for names of namespaces, of most objects, of a key of a ConfigMap and for a label's value.
NAMESPACE = _matching(_LABEL, "the name of a namespace: at most 63 lower-case letters, digits and '-'")
OBJECT = _matching(rf"{_LABEL}(\.{_LABEL})*", "the name of an object: lower-case letters, digits, '-' and '.'")
DATA_KEY = _matching(r"[-._A-Za-z0-9]{1,253}", "the key of a ConfigMap: letters, digits, '-', '_' and '.'")
LABEL_VALUE = _matching(_VALUE, "a label's value: at most 63 letters, digits, '-', '_' and '.'")

PEM = _matching(
    r"\s*-----BEGIN CERTIFICATE-----\s[\s\S]+\s-----END CERTIFICATE-----\s*",
    "certificates in PEM, with their first lines",
)
PATH = _matching(r"/[^\0\n]*", "an absolute path")
FILE_NAME = _matching(r"[-._A-Za-z0-9]+\.prom", "the name of a file that ends in .prom, without a directory")
URL_PATH = _matching(r"/[!-~]*", "a path that begins with '/' and has no space in it")
URL = _matching(r"http://[A-Za-z0-9\[][-A-Za-z0-9.:\[\]]*(/[!-~]*)?", "a URL, such as http://ADDRESS:PORT/PATH")
INTERFACE = _matching(r"[^\s/]{1,15}", "the name of a network interface")
PACKAGE = _matching(r"[a-z0-9][-+.a-z0-9]+", "the name of a Debian package")
ACCOUNT = _matching(r"[A-Za-z0-9_][-.A-Za-z0-9_]*\$?", "the name of an account or group, or its number")


def wrong(options: t.Mapping[str, t.Any], kinds: t.Mapping[str, Kind], where: str = "") -> list[str]:
    """A sentence for each value that cannot be used. What is not set is no value."""
    found = []
    for name, kind in kinds.items():
        given = options.get(name)
        for value in given if isinstance(given, (list, tuple)) else [given]:
            if value not in (None, "") and not kind.fits(value):
                found.append(f"{where}{name} is {value!r}; it must be {kind.text}.")
    return found


def refuse(module: t.Any, problems: t.Sequence[str]) -> None:
    """End a module whose options cannot be used, before anything is done."""
    if problems:
        module.fail_json(msg=" ".join(problems))
