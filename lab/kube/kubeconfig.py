# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfig documents, with the certificates inside them."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from lab.kube.pki import Pki

CLUSTER = "mesh-lab"


def _b64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def render(pki: Pki, file: str, server: str) -> str:
    """Kubeconfig of the identity whose certificate is `file`; the context is named like the cluster."""
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER, "cluster": {"server": server, "certificate-authority-data": _b64(pki.ca)}}],
        "users": [
            {
                "name": file,
                "user": {
                    "client-certificate-data": _b64(pki.cert(file)),
                    "client-key-data": _b64(pki.key(file)),
                },
            }
        ],
        "contexts": [{"name": CLUSTER, "context": {"cluster": CLUSTER, "user": file}}],
        "current-context": CLUSTER,
    }
    return yaml.safe_dump(document, sort_keys=False)


def write(path: Path, text: str) -> None:
    """Write a file that holds a key: readable by its owner only, from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    temporary.replace(path)
