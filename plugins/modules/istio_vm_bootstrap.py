# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_vm_bootstrap
short_description: Give a VM what its sidecar needs to join the mesh of an istiod
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Makes of a WorkloadGroup, of istiod's mesh document, of its installation's values and of its root certificates what
    C(istioctl x workload entry configure) makes, key for key, and puts it on the VM.
  - The files are C(/var/lib/istio/envoy/cluster.env), C(/etc/istio/config/mesh), C(/etc/certs/root-cert.pem), a line of
    C(/etc/hosts), and C(/var/run/secrets/tokens/istio-token).
  - The API is asked by the control node. A token is requested only for a VM that needs one, because it has no valid
    certificate of istiod or because the mesh's root was replaced; and not in check mode.
  - The token travels over the connection's standard input and is written by a small program on the VM, atomically and
    with its final owner and mode. It is never a module argument, a file on the control node, or part of a result,
    whatever the verbosity.
  - A VM whose certificate is valid keeps its root certificates when the mesh's do not include the one that its
    certificate is of, unless O(replace_root=true). Several root certificates, as while a root is being replaced, are as
    good as one.
  - A certificate that istiod would refuse is removed together with its key when a token takes its place.
  - A WorkloadGroup that does not exist is an error; but not in check mode, where what makes it has changed nothing. The
    result then has RV(reasons), and of RV(files) none.
options:
  workload_group:
    description:
      - Name of the WorkloadGroup that says what the VM is.
      - With O(workload), the name of the workload, which is all that is left of it.
    type: str
    required: true
  namespace:
    description: Namespace of the WorkloadGroup.
    type: str
    default: default
  vip:
    description: The address by which VMs reach istiod's port 15012.
    type: str
    required: true
  istio_namespace:
    description: Namespace of istiod.
    type: str
    default: istio-system
  revision:
    description:
      - Revision of istiod. It is empty where there is only one.
      - The mesh document is in the ConfigMap C(istio) or C(istio-<revision>).
    type: str
    default: ""
  cluster_id:
    description:
      - The name that istiod has for its cluster. Without it, that of the ConfigMap C(istio-sidecar-injector) or
        C(istio-sidecar-injector-<revision>) is taken.
      - When both are there they must be the same, for istiod refuses VMs of another cluster.
    type: str
    default: ""
  trust_domain:
    description: The trust domain that istiod must have. Without it, any will do.
    type: str
    default: ""
  address:
    description:
      - The VM's own address, as pods reach it.
      - Without an address, the sidecar takes the first one of the host.
    type: str
    default: ""
  external_address:
    description: The address by which pods reach the VM, when it is not the VM's own.
    type: str
    default: ""
  dns_capture:
    description: Whether the sidecar answers the VM's DNS queries for names of the mesh.
    type: bool
    default: true
  auto_register:
    description: Whether istiod makes the VM's WorkloadEntry when the sidecar connects.
    type: bool
    default: true
  workload:
    description:
      - What the VM is, where no WorkloadGroup says it because istiod does not register the VM itself
        (O(auto_register=false)). Then no WorkloadGroup is read.
      - Its labels are O(workload.labels), and for each service the labels by which M(mesh.expansion.istio_register)
        has its Service select VMs.
    type: dict
    suboptions:
      services:
        description:
          - What the VM offers, each with C(name), C(port) and C(protocol), and optionally C(port_name), C(namespace)
            and C(selector).
        type: list
        elements: dict
        default: []
      service_account:
        description: The VM's service account.
        type: str
        default: default
      network:
        description: Name of the VM's network.
        type: str
        default: ""
      labels:
        description: Labels of the workload.
        type: dict
        default: {}
  hosts_entry:
    description: Whether istiod's name gets a line in C(/etc/hosts). Without it, the VM must know the name otherwise.
    type: bool
    default: true
  management_ports:
    description: Ports whose incoming connections never go through the sidecar.
    type: list
    elements: int
    default: [22]
  extra_env:
    description: Further variables of C(cluster.env), such as C(SECRET_TTL). They win over others.
    type: dict
    default: {}
  token_lifetime:
    description:
      - How long a token is good, in seconds. The API server may give it another lifetime.
      - A token that is on the VM already is kept while half of this is left.
    type: int
    default: 3600
  min_validity:
    description: A certificate on the VM that expires within this number of seconds counts as expired.
    type: int
    default: 60
  replace_root:
    description:
      - Whether a valid certificate on the VM may be given up because the mesh has other root certificates now.
      - Connections between proxies of the old and of the new root break.
    type: bool
    default: false
  deliver:
    description:
      - With V(all), everything is written.
      - With V(token), only the token is. The other files are only returned, as RV(files), for somebody else to write,
        and are no change. What would be in the token's way is only named, as RV(removed), and has to be removed while
        the sidecar is stopped.
    type: str
    choices: [all, token]
    default: all
  root:
    description: The directory below which the VM's files are, for the file system of a VM that does not run.
    type: path
    default: /
  owner:
    description: The sidecar's account. It must exist when files are written.
    type: str
    default: istio-proxy
  group:
    description: The sidecar's group.
    type: str
    default: istio-proxy
  actual:
    description:
      - What the VM has, as this module returned it under RV(actual) in check mode or in an earlier run.
      - With it the VM is not looked at again.
    type: dict
extends_documentation_fragment:
  - mesh.expansion._kube_auth
attributes:
  check_mode:
    description: Can run in check mode and predict changes. No token is requested.
    support: full
  diff_mode:
    description: Returns the texts of the files, the fingerprints of root certificates, and whether there is a new
      token. Never a token or a key.
    support: full
notes:
  - O(kubeconfig) and O(context) are used on the control node. Their user needs C(get) on the three ConfigMaps, without
    O(workload) on C(workloadgroups), and for a VM that needs a token C(create) on C(serviceaccounts/token) and C(get)
    on C(serviceaccounts).
  - The connection plugin must be able to pass data on standard input, as V(ssh) and V(local) do; with privilege
    escalation, the method must not need a terminal, as V(sudo) does not.
  - A C(sudo) that is configured to log the input of commands (C(log_input)) records the token on the VM.
    Switch it off for Ansible's user.
  - "What is wanted to be other than with istioctl: ports are in order and each one once; files are private; the hosts
    entry is never empty; a cluster without a name is C(Kubernetes), as it is to istiod; the address of an istiod in
    another namespace than C(istio-system) is always said; a probe has no values of zero, while all else stands as the
    mesh document or the annotation has it; a WorkloadGroup with a management port, a variable with a line break and one
    whose name is none to a shell are refused."
requirements:
  - cryptography >= 40 (Python library, on the control node; Ansible itself depends on it)
  - kubernetes (Python library, on the control node)
seealso:
  - module: mesh.expansion.istio_vm_certs
"""

EXAMPLES = r"""
- name: Give the VM its bootstrap files
  mesh.expansion.istio_vm_bootstrap:
    kubeconfig: ~/.kube/config
    workload_group: deb-nginx01
    vip: 192.0.2.62
    address: 192.0.2.81

- name: Write the token only, and make the other files
  mesh.expansion.istio_vm_bootstrap:
    kubeconfig: ~/.kube/config
    workload_group: billing
    namespace: shop
    revision: 1-31
    vip: 192.0.2.62
    extra_env:
      SECRET_TTL: 72h
    deliver: token
  register: bootstrap
"""

RETURN = r"""
files:
  description: The files that hold no secret, in order, as they are to be. Directories are among them.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is on the VM.
      type: str
      returned: success
      sample: /var/lib/istio/envoy/cluster.env
    kind:
      description: V(file) or V(directory).
      type: str
      returned: success
    owner:
      description: Its owner.
      type: str
      returned: success
    group:
      description: Its group.
      type: str
      returned: success
    mode:
      description: Its mode.
      type: str
      returned: success
      sample: "0640"
    text:
      description: Its content.
      type: str
      returned: for a file
outdated:
  description: Paths of those that are not so yet, or were not before this run.
  returned: success
  type: list
  elements: str
token:
  description: What became of the token.
  returned: success
  type: dict
  contains:
    action:
      description: V(none) when no token is needed, V(present) when the one on the VM will do, V(request) when there is
        a new one, or would be in check mode.
      type: str
      returned: success
    attributes:
      description: Whether the token on the VM gets its owner and mode back, or would in check mode.
      type: bool
      returned: success
    expires:
      description: Until when the token is good that this run has requested.
      type: str
      returned: when a token was requested
      sample: "2026-11-27T22:15:04Z"
removed:
  description: The certificate and key that istiod would have refused, and that are gone or would be in check mode; with
    O(deliver=token), that are to be removed.
  returned: success
  type: list
  elements: str
reasons:
  description: Why root certificates and token are treated as they are.
  returned: success
  type: list
  elements: str
  sample: [the VM has the mesh's root certificates, cert-chain.pem and key.pem missing on the VM]
certificate:
  description: The certificate that was on the VM, without its key; empty when there was none that could be read.
  returned: success
  type: dict
  contains:
    identity:
      description: Its SPIFFE identity.
      type: str
      returned: when there is one
    not_after:
      description: End of its validity, UTC.
      type: str
      returned: when there is one
root_fingerprints:
  description: SHA-256 fingerprints of the mesh's root certificates.
  returned: success
  type: list
  elements: str
host:
  description: istiod's name, which leads to O(vip).
  returned: success
  type: str
  sample: istiod.istio-system.svc
actual:
  description: What the VM had. No key and no token.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.layout import Layout
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.look import look
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.options import argument_spec


# The part that runs on the VM: it reports what is there. The action plugin of the same name does the rest.
def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        report = look(Layout(module.params["root"]))
    except HostError as exc:
        module.fail_json(msg=f"{exc} Run with become, as root.")
    except OSError as exc:
        module.fail_json(msg=f"Cannot read {exc.filename}: {exc.strerror}. Run with become, as root.")
    module.exit_json(changed=False, actual=report)


if __name__ == "__main__":
    main()
