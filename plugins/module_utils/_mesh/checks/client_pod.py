# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod that requests to VMs are sent from. Pure. Private to the collection."""

from __future__ import annotations

NAMESPACE = "default"
LABEL = "app=sleep"


def no_client(namespace: str, selector: str, variable: str = "verify_client") -> str:
    """Why no request can be sent, and what to do."""
    return (
        f"no pod with the label {selector} runs in namespace {namespace}, from which a request could be sent. Name one "
        f"that has curl in mesh_{variable} ({variable}), or start one: "
        f"kubectl -n {namespace} run mesh-client --labels {selector} --image curlimages/curl -- sleep infinity"
    )
