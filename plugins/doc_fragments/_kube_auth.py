# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that talks to the Kubernetes API. Private to the collection."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path to the kubeconfig file on the host where the module runs, which is normally the control node.
      - When it is not given, the environment variables E(K8S_AUTH_KUBECONFIG) and E(KUBECONFIG) and the file
        C(~/.kube/config) are tried, then the service account of the pod that the module runs in.
    type: path
  context:
    description:
      - Context of the kubeconfig file to use.
      - When it is not given, the environment variable E(K8S_AUTH_CONTEXT) is tried, then the file's current context
        is used.
    type: str
requirements:
  - python >= 3.9
  - kubernetes >= 24.2.0 (Python library, on the host where the module runs)
"""

    IN_PROCESS = r"""
notes:
  - On the control node, with Ansible's own interpreter, and neither as another user nor with an C(environment) or
    C(async), this runs in Ansible's process instead of one of its own.
options: {}
"""
