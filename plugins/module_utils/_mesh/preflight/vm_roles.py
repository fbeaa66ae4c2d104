# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's roles see when they begin. Private to the collection."""

from __future__ import annotations

import typing as t

from ..dns import settings as dns
from ..dns import work
from ..options import of_module
from ..sidecar import report


def resolver(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As the module dnsmasq_look returns it."""
    taken = of_module("resolver", dns.OPTIONS, options, required_if=dns.REQUIRED_IF)
    return work.report({**taken, "remember": False}, check=True)


def sidecar(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As the module istio_sidecar_look returns it."""
    return report.report(of_module("sidecar", report.look_spec(), options))
