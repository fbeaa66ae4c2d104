# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM has of an identity: public parts only, the key is looked at and stays. Private to the collection."""

from __future__ import annotations

import os
import ssl
import stat
import sys
import typing as t

from ..._host import accounts

FILES = ("root-cert.pem", "cert-chain.pem", "key.pem")


def describe(path: str) -> dict[str, t.Any]:
    """Existence, owner, group and mode of a path."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return {"exists": False, "owner": None, "group": None, "mode": None}
    return {
        "exists": True,
        "owner": accounts.user_of(found.st_uid),
        "group": accounts.group_of(found.st_gid),
        "mode": format(stat.S_IMODE(found.st_mode), "04o"),
    }


def key_matches(chain: str, key: str) -> bool:
    """Whether OpenSSL takes the key for the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # A short key is not a mismatching one.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        context.load_cert_chain(chain, key, password=lambda: "")
    except (ssl.SSLError, ValueError):
        return False
    return True


def inspect(directory: str) -> dict[str, t.Any]:
    """What is on the VM; the private key is looked at, not returned."""
    paths = {name: os.path.join(directory, name) for name in FILES}
    files = {name: describe(path) for name, path in paths.items()}
    report: dict[str, t.Any] = {"directory": describe(directory), "files": files}
    texts = {}
    for name in ("cert-chain.pem", "root-cert.pem"):
        texts[name] = ""
        if files[name]["exists"]:
            with open(paths[name], encoding="ascii", errors="replace") as stream:
                texts[name] = stream.read()
    report["chain"], report["root"] = texts["cert-chain.pem"], texts["root-cert.pem"]
    present = files["cert-chain.pem"]["exists"] and files["key.pem"]["exists"]
    report["key_matches"] = key_matches(paths["cert-chain.pem"], paths["key.pem"]) if present else None
    # The writer runs with the interpreter that Ansible found.
    report["python"] = sys.executable
    return report
