# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a real server, for all decisions at once. Changes nothing. Private to the collection."""

from __future__ import annotations

import json
import os
import re
import typing as t
import urllib.error
import urllib.request

from ..._host import addresses, commands, footprint, kernel, paths
from ..._host.errors import HostError
from ..._host.footprint import Footprint
from ..._host.paths import PathState
from . import model
from .model import Seen, Wanted

_SECONDS = 5


def look(wanted: Wanted) -> Seen:
    """All of it."""
    interfaces, places = addresses.look()
    present = wanted.state == model.PRESENT
    files = {path: paths.read(path) for path in (model.SYSCTLS, model.OLD_FOOTPRINT)}
    known, old = remembered(files[model.OLD_FOOTPRINT])
    names = [model.key(one, name) for one in ("all", *model.devices(wanted, places)) for name in model.NAMES]
    return Seen(
        interfaces=interfaces,
        places=places,
        mode=_mode(wanted, interfaces) if present else "",
        settings=kernel.settings([*names, *(known.sysctls if known else ())]),
        routes=_routes(wanted) if present else {},
        files=files,
        listing=sorted(os.listdir(model.STATE)) if os.path.isdir(model.STATE) else None,
        footprint=known,
        old_footprint=old,
    )


def _mode(wanted: Wanted, interfaces: t.Sequence[str]) -> str:
    """kube-proxy's own word first. Its traces say less: in ipvs mode it makes chains too."""
    if wanted.proxy_mode != model.AUTO:
        return wanted.proxy_mode
    told = _ask(wanted.proxy_url)
    if told is not None:
        return told
    if model.IPVS_DEVICE in interfaces:
        return "ipvs"
    if _trace(["nft", "list", "table", "ip", "kube-proxy"]):
        return "nftables"
    return "iptables" if _trace(["iptables", "-w", "-t", "nat", "-S", "KUBE-SERVICES"]) else ""


def _ask(url: str) -> str | None:
    """What kube-proxy says; None when nobody answers."""
    try:
        # It is on this host: no proxy stands between.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=_SECONDS) as answer:
            return str(answer.read(1000).decode("utf-8", "replace")).strip()
    except urllib.error.HTTPError as exc:
        raise HostError(
            f"{url} answers with the status {exc.code}, not with kube-proxy's mode: "
            "correct real_server_proxy_url, or set real_server_proxy_mode."
        ) from exc
    except ValueError as exc:
        raise HostError(
            f"real_server_proxy_url: {url!r} cannot be asked ({exc}): give it as http://ADDRESS:PORT/PATH."
        ) from exc
    except OSError:
        return None


def _trace(argv: list[str]) -> bool:
    done = commands.run(argv)
    # 1 is no such table or chain, 2 and 127 no such program.
    if done.rc not in (0, 1, 2, 127):
        raise HostError(f"{' '.join(argv)} ended with {done.rc}: {done.stderr.strip()}. Set real_server_proxy_mode.")
    return done.rc == 0


def _routes(wanted: Wanted) -> dict[str, str]:
    if wanted.vip.version != 4:
        return {}
    found = {}
    for client in wanted.clients:
        if re.fullmatch(r"[0-9.]+", client):
            routes = json.loads(commands.must(["ip", "-j", "route", "get", client]) or "[]")
            found[client] = str(routes[0].get("dev", "")) if routes else ""
    return found


def remembered(old: PathState) -> tuple[Footprint | None, bool]:
    """The footprint, and whether an older release wrote it."""
    found = footprint.load(model.ROLE)
    if found is not None or old.kind == paths.ABSENT:
        return found, False
    try:
        before = dict(json.loads(old.content or b"{}"))
    except (ValueError, TypeError) as exc:
        raise HostError(f"{model.OLD_FOOTPRINT} is not JSON ({exc}): remove it, or restore it from a backup.") from None
    return Footprint(model.ROLE, sysctls=before), True
