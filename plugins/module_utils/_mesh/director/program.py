# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed on the director: parts of this collection that need nothing but Python. Private to the collection.

A module comes to the host with the sources of all that it imports. So what it imports here is what it can install.
"""

from __future__ import annotations

import types

from ..._host import vip
from ..._ipvs import ask, client, drain, errors, loader, model, options, plan, reconcile, save, wanted, watch
from ..._ipvs import codec as ipvs_codec
from ..._netlink import channel
from ..._netlink import codec as netlink_codec
from ..._netlink import errors as netlink_errors

_IPVS = (ask, client, ipvs_codec, drain, errors, loader, model, options, plan, reconcile, save, wanted, watch)
_NETLINK = (channel, netlink_codec, netlink_errors)


def _source(module: types.ModuleType) -> bytes:
    # Also out of the archive that a module runs from.
    return module.__spec__.loader.get_data(module.__file__)  # type: ignore[union-attr]


def files() -> dict[str, bytes]:
    """Content by path below the package's directory."""
    found = {"_ipvs/__init__.py": b"", "_netlink/__init__.py": b"", "vip.py": _source(vip)}
    for folder, modules in (("_ipvs", _IPVS), ("_netlink", _NETLINK)):
        for module in modules:
            found[f"{folder}/{module.__name__.rpartition('.')[2]}.py"] = _source(module)
    return dict(sorted(found.items()))
