# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role istio_sidecar decides on, looked at once. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host import guard
from ..bootstrap import look as bootstrap
from ..bootstrap.layout import Layout
from ..identity import files
from . import apply, layout, look, package, traces
from .settings import Settings, SettingsError, argument_spec


def look_spec() -> dict[str, t.Any]:
    """The options of the module istio_sidecar_look."""
    return {
        **argument_spec(),
        "package": {"type": "str", "default": ""},
        "checksum": {"type": "str", "default": ""},
        "allow_downgrade": {"type": "bool", "default": False},
        "offer": {"type": "dict"},
    }


def _offer(params: t.Mapping[str, t.Any]) -> package.Offer | None:
    source, known = params["package"], params["offer"]
    if not source:
        return None
    return package.Offer(**known) if known else package.url_offer(source, params["checksum"])


def _package(offer: package.Offer | None, architecture: str, installed: str, allow_downgrade: bool) -> dict[str, t.Any]:
    if offer is None:
        return {"file": "", "checksum": "", "version": "", "fetch": False, "install": False}
    offer, cached = package.complete(offer, package.read_fields)
    refusal = package.refusal(offer, architecture, installed, allow_downgrade)
    if refusal:
        raise SettingsError(refusal)
    return {
        "file": offer.file,
        "checksum": f"{offer.algorithm}:{offer.checksum}",
        "version": offer.version,
        "fetch": not cached,
        # What a run that was cut left behind goes back first, and then another package may be there.
        "install": guard.pending(layout.ROLE) or package.needs_install(installed, offer),
    }


def report(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    settings = Settings.from_options(params)
    offer = _offer(params)
    seen = look.look(settings)
    architecture = package.host_architecture()
    return {
        "joined": traces.known() is not None,
        "installed": seen.version,
        "architecture": architecture,
        "package": _package(offer, architecture, seen.version, params["allow_downgrade"]),
        "former": seen.former is not None,
        "moves": seen.former is not None and bool(traces.file_of(seen.version)),
        "account": seen.account,
        "identity": files.inspect(layout.CERTS),
        **({"bootstrap": bootstrap.look(Layout())} if settings.layout.bootstrapped else {}),
        "units": {name: {**unit.as_dict(), "state": unit.state} for name, unit in seen.units.items()},
        "newer": list(seen.newer),
        "envoy": seen.envoy,
        "operations": apply.steps_of(seen, settings),
    }
