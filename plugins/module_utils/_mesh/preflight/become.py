# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the run is root on its hosts: one line for all of them, whatever would fail later. Pure.

Private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ..unseen import Look, unreachable

# As Ansible's connection plugins say it.
_PASSWORD = re.compile(r"\b(?P<how>Missing|Incorrect) (?P<method>\S+) password")


def password(look: Look) -> tuple[str, str] | None:
    """How and of what the password was wrong that should have made root of the user; None when it was not that."""
    said = None if unreachable(look) else _PASSWORD.search(str(look.get("msg") or ""))
    return (said["how"], said["method"]) if said else None


def findings(looks: t.Mapping[str, Look]) -> t.Iterator[str]:
    ordinary: dict[str, list[str]] = {}
    refused: dict[tuple[str, str], list[str]] = {}
    for name, look in looks.items():
        if look.get("root") is False:
            ordinary.setdefault(str(look.get("user")), []).append(name)
        wrong = password(look)
        if wrong:
            refused.setdefault(wrong, []).append(name)
    for user, hosts in ordinary.items():
        yield (
            f"ansible_become: the roles need root, and the run is user {user} on {', '.join(hosts)}. Set "
            "ansible_become: true for these hosts, or run with --become (-b); the user needs sudo for all commands."
        )
    for (how, method), hosts in refused.items():
        what = "asks for a password, and none was given" if how == "Missing" else "refuses the password that was given"
        yield (
            f"ansible_become_password: {method} {what}, on {', '.join(hosts)}. Run with --ask-become-pass (-K), keep "
            "ansible_become_password in Ansible Vault, or let the user become root without a password there (NOPASSWD)."
        )
