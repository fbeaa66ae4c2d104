# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_vm_certs
short_description: Give a VM the mesh identity of a service account
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Reads key, certificate chain and root certificate that Citadel keeps in the Secret C(istio.<service account>),
    validates them, and delivers them to the VM.
  - The Secret is read by the control node. It is used only if its key matches the certificate, the chain leads to the
    root, the SPIFFE identity is the expected one, and the certificate is valid now.
  - A valid certificate of the same identity and root that is on the VM already stays, also if it is not the one of the
    Secret, because the node agent rotates it. It is replaced if it has expired, or belongs to another root or identity,
    or does not match its key.
  - The key travels over the connection's standard input and is written by a small program on the VM, atomically and
    with its final owner and mode. It is never a module argument, a file on the control node, or part of a result,
    whatever the verbosity.
options:
  service_account:
    description: The service account whose identity the VM gets.
    type: str
    default: default
  namespace:
    description: The namespace of the service account.
    type: str
    default: default
  trust_domain:
    description: The trust domain of the mesh, first part of the SPIFFE identity.
    type: str
    default: cluster.local
  path:
    description: The directory on the VM for C(root-cert.pem), C(cert-chain.pem) and C(key.pem).
      It is created if needed.
    type: path
    default: /etc/certs
  owner:
    description: Owner of the directory and the files. The user must exist when files are written.
    type: str
    default: istio-proxy
  group:
    description: Group of the directory and the files.
    type: str
    default: istio-proxy
  min_validity:
    description: A certificate on the VM that expires within this number of seconds counts as expired.
    type: int
    default: 3600
  actual:
    description:
      - What the VM has, as M(mesh.expansion.istio_sidecar_look) returned it under C(identity).
      - With it the VM is not looked at again.
    type: dict
    version_added: "1.1.0"
extends_documentation_fragment:
  - mesh.expansion._kube_auth
attributes:
  check_mode:
    description: Can run in check mode and predict changes.
    support: full
  diff_mode:
    description: Returns what has changed. Fingerprints, serial number, dates and identity,
      never key or certificate text.
    support: full
notes:
  - O(kubeconfig) and O(context) are used on the control node.
  - The connection plugin must be able to pass data on standard input, as V(ssh) and V(local) do; with privilege
    escalation, the method must not need a terminal, as V(sudo) does not.
  - A C(sudo) that is configured to log the input of commands (C(log_input)) records the key on the VM.
    Switch it off for Ansible's user.
requirements:
  - cryptography >= 40 (Python library, on the control node; Ansible itself depends on it)
  - kubernetes (Python library, on the control node)
"""

EXAMPLES = r"""
- name: Deliver the identity of the default service account
  mesh.expansion.istio_vm_certs:
    kubeconfig: ~/.kube/config

- name: Deliver the identity of another service account
  mesh.expansion.istio_vm_certs:
    kubeconfig: ~/.kube/config
    service_account: billing
    namespace: shop
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode.
  returned: success
  type: str
  sample: keep
reason:
  description: Why.
  returned: success
  type: str
  sample: the VM has a valid certificate that node_agent rotated
identity:
  description: SPIFFE identity of the certificate that is on the VM now, or would be.
  returned: success
  type: str
  sample: spiffe://cluster.local/ns/default/sa/default
fingerprint:
  description: Its SHA-256 fingerprint.
  returned: success
  type: str
  sample: 5d1f0c1c9c2f0f5b2b1c7a7d2f1c2a4e6b8d0f2a4c6e8f0a1b3c5d7e9f1a3b5c
serial:
  description: Its serial number, in hexadecimal.
  returned: success
  type: str
  sample: 3a94c3
not_before:
  description: Start of its validity, UTC.
  returned: success
  type: str
  sample: "2026-11-22T08:00:00Z"
not_after:
  description: End of its validity, UTC.
  returned: success
  type: str
  sample: "2027-02-20T08:00:00Z"
root_fingerprints:
  description: SHA-256 fingerprints of the root certificates.
  returned: success
  type: list
  elements: str
files:
  description: Names of the files that were written or whose owner or mode was put right.
  returned: success
  type: list
  elements: str
  sample: [root-cert.pem, cert-chain.pem, key.pem]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity.files import inspect
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity.spec import argument_spec


# The part that runs on the VM: it reports what is there. The action plugin of the same name does the rest.
def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        report = inspect(module.params["path"])
    except OSError as exc:
        module.fail_json(msg=f"Cannot read {exc.filename}: {exc.strerror}. Run with become, as root.")
    module.exit_json(changed=False, actual=report)


if __name__ == "__main__":
    main()
