# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""Options of istio_vm_certs, for its action plugin and its module."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from ... import _options

KINDS = {
    "service_account": _options.OBJECT,
    "namespace": _options.NAMESPACE,
    "trust_domain": _options.DOMAIN,
    "path": _options.PATH,
    "owner": _options.ACCOUNT,
    "group": _options.ACCOUNT,
    "min_validity": _options.SECONDS,
}


def argument_spec() -> dict[str, t.Any]:
    return {
        "service_account": {"type": "str", "default": "default"},
        "namespace": {"type": "str", "default": "default"},
        "trust_domain": {"type": "str", "default": "cluster.local"},
        "path": {"type": "path", "default": "/etc/certs"},
        "owner": {"type": "str", "default": "istio-proxy"},
        "group": {"type": "str", "default": "istio-proxy"},
        "min_validity": {"type": "int", "default": 3600},
        "actual": {"type": "dict"},
        "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG"])},
        "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
    }
