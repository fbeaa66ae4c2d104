# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that a template sees, as a site reads them. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._mesh import site as sites
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from jinja2.runtime import Undefined
from jinja2.utils import missing


def _of_context(context: t.Any) -> sites.Read:
    """Of the host that the template is for: also what a play, a task or the command line sets."""

    def read(name: str) -> t.Any:
        value = context.resolve_or_missing(name)
        return None if value is missing or isinstance(value, Undefined) else value

    return read


def _of_host(context: t.Any, host: str) -> sites.Read:
    if context.resolve_or_missing("inventory_hostname") == host:
        return _of_context(context)
    hostvars = context.resolve_or_missing("hostvars")
    if host not in hostvars:
        raise MeshError(
            f"there is no host {host!r} in the inventory: give the name of one, as a rule inventory_hostname"
        )
    found = hostvars[host]

    def read(name: str) -> t.Any:
        value = found.get(name)
        return None if isinstance(value, Undefined) else value

    return read


def of_hosts(context: t.Any, hosts: t.Iterable[str]) -> dict[str, t.Mapping[str, t.Any]]:
    """What the inventory, the facts and the command line say for each of these hosts; nothing is evaluated yet."""
    hostvars = context.resolve_or_missing("hostvars")
    return {host: hostvars[host] for host in hosts}


def own(context: t.Any, host: str) -> sites.Vm:
    """The host's own entry, as if it were a VM: others have a namespace and no services."""
    return sites.vm_of(_of_host(context, host), host)


def first(context: t.Any, host: str, names: t.Sequence[str]) -> t.Any:
    """The value of the first of these variables that is set for the host."""
    read = _of_host(context, host)
    return next((value for name in names for value in [read(name)] if value not in (None, "")), None)


def site(
    context: t.Any,
    host: str,
    hosts: bool = True,
    given: t.Mapping[str, t.Any] | None = None,
    unread: t.Collection[str] = (),
    other_vms: bool = True,
) -> sites.Site:
    """The site as this host sees it; without the other hosts, or the other VMs, where nobody asks for them, and without
    variables that need not be read."""
    groups = context.resolve_or_missing("groups") if hosts else {}
    wanted = {name: list(groups.get(name) or []) for name in sites.GROUPS}
    if not other_vms:
        wanted["vms"] = [name for name in wanted["vms"] if name == host]
    read = _of_host(context, host)

    def read_given(name: str) -> t.Any:
        if given and name in given:
            return given[name]
        return None if name in unread else read(name)

    return sites.parse(read_given, wanted, lambda name: _of_host(context, name))
