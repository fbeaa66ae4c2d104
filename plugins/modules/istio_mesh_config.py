#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_mesh_config
short_description: Change keys of the Istio mesh configuration
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Changes single keys of the YAML document that Istio keeps as text inside a ConfigMap. Every other byte of the
    document, with its comments and order, and every other key of the ConfigMap stay as they are.
  - Nothing is written when the values are there already. A change that somebody else makes at the same time is kept.
  - With O(remember=true), the former values are recorded in the annotation C(mesh.expansion/mesh-settings) of the same
    ConfigMap, so that O(state=restored) puts them back.
  - Istio reads most of these settings at start. With O(deployment), it is restarted when its pods were started with
    others, and waited for.
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._kube_auth.in_process
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return the prediction without changing anything.
  diff_mode:
    support: full
    description: Returns the document before and after, and the fingerprint that its readers were started with.
options:
  state:
    description:
      - With V(present), O(settings) and O(absent) are carried out.
      - With V(restored), everything that was recorded under O(remember=true) is taken back and the record removed. A
        key that has another value by now than the recorded one is left alone, with a warning.
    type: str
    choices: [present, restored]
    default: present
  settings:
    description:
      - Keys and their values. Dots lead into nested mappings, as in C(defaultConfig.concurrency).
      - Missing keys are added at the end of their mapping.
    type: dict
    default: {}
  absent:
    description: Keys to remove.
    type: list
    elements: str
    default: []
  remember:
    description: Record the former values of what is changed.
    type: bool
    default: false
  name:
    description: Name of the ConfigMap.
    type: str
    default: istio
  namespace:
    description: Namespace of the ConfigMap.
    type: str
    default: istio-system
  key:
    description: The ConfigMap's key that holds the document.
    type: str
    default: mesh
  deployment:
    description:
      - The Deployment in the same namespace that reads the settings at start, such as V(istio-pilot).
      - Its pods get the annotation C(mesh.expansion/mesh-settings) with the fingerprint of the settings. It is
        restarted when they carry another one, so a run that was cut after the settings were written is completed by
        the next one, and settings that were there already cause no restart.
      - Needs O(remember=true) or O(state=restored). Without it, nothing is restarted.
    type: str
    version_added: "1.1.0"
  restart_timeout:
    description: Seconds that its rollout may take. What an earlier run did not wait for is waited for, too.
    type: int
    default: 300
    version_added: "1.1.0"
"""

EXAMPLES = r"""
- name: Let traffic pass when Mixer cannot be reached
  mesh.expansion.istio_mesh_config:
    kubeconfig: ~/.kube/config
    remember: true
    settings:
      disablePolicyChecks: true
      policyCheckFailOpen: true
      enableTracing: false
    deployment: istio-pilot
  delegate_to: localhost
  run_once: true

- name: Put back what was there before
  mesh.expansion.istio_mesh_config:
    state: restored
    deployment: istio-pilot
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
previous:
  description: The former value of each key that was changed; null for a key that was not there.
  returned: success
  type: dict
  sample: {"disablePolicyChecks": false}
remembered:
  description: The keys whose former values are recorded now.
  returned: success
  type: list
  elements: str
  sample: ["disablePolicyChecks", "enableTracing", "policyCheckFailOpen"]
settings_hash:
  description:
    - Fingerprint of the present values of the remembered keys and of the edit that set them, empty when there are none.
    - Kept as an annotation of the pods of O(deployment), it tells whether they were started since the last change.
  returned: success
  type: str
  sample: 1f0f6a3b5c52b0a7d9f5f1f5d6b1e2c33b9c9a6a2d6c4a8a7c0e0b1d2f3a4b5c
operations:
  description:
    - The writes, in order; in check mode those that would be made. After a failure those that were made before it.
  returned: always
  type: list
  elements: str
  sample: ["update ConfigMap istio-system/istio", "restart Deployment istio-system/istio-pilot"]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect, kube_auth_argument_spec
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.document import MeshConfigError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.work import Editor
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.yaml_text import YAML_IMPORT_ERROR


def argument_spec() -> dict[str, t.Any]:
    return {
        "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
        "settings": {"type": "dict", "default": {}},
        "absent": {"type": "list", "elements": "str", "default": []},
        "remember": {"type": "bool", "default": False},
        "name": {"type": "str", "default": "istio"},
        "namespace": {"type": "str", "default": "istio-system"},
        "key": {"type": "str", "default": "mesh", "no_log": False},
        "deployment": {"type": "str"},
        "restart_timeout": {"type": "int", "default": 300},
        **kube_auth_argument_spec(),
    }


_KINDS = {
    "name": _options.OBJECT,
    "namespace": _options.NAMESPACE,
    "key": _options.DATA_KEY,
    "deployment": _options.OBJECT,
    "restart_timeout": _options.SECONDS,
}


def run(module: t.Any) -> None:
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    if YAML_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_IMPORT_ERROR)
    written: list[str] = []
    try:
        client = connect(module.params["kubeconfig"], module.params["context"])
        editor = Editor(client, module.params, module.check_mode)
        written = editor.written
        planned = editor.run()
    except (MeshConfigError, KubeError) as exc:
        module.fail_json(msg=str(exc), operations=written, changed=bool(written))
    for text in [*planned.config.warnings, *client.warnings]:
        module.warn(text)
    module.exit_json(**planned.report())


def main() -> None:
    run(AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
