# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import KubeClient, connect
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._kube.tokens import Token, request_token
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import (
    cluster,
    document,
    plan,
    report,
    token,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.errors import NoGroup
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.group import WorkloadGroup
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.options import Options, argument_spec
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity.certificates import HAS_CRYPTOGRAPHY
from ansible_collections.mesh.expansion.plugins.plugin_utils._delivery import deliver

MODULE = "mesh.expansion.istio_vm_bootstrap"


class ActionModule(ActionBase):
    """Asks the API on the control node, compares with what the VM has, delivers over standard input."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        dummy, params = self.validate_argument_spec(
            argument_spec=argument_spec(), mutually_exclusive=[("address", "external_address")]
        )
        if not HAS_CRYPTOGRAPHY:
            raise AnsibleActionFail("istio_vm_bootstrap needs the Python library cryptography on the control node")
        try:
            options = Options.from_options(params)
            client = connect(params["kubeconfig"], params["context"])
            control_plane, group = cluster.read(client, options)
            actual = params["actual"]
            if actual is None:
                seen = self._look(params, task_vars)
                if seen.get("failed") or "actual" not in seen:
                    result.update(seen)
                    return result
                actual = seen["actual"]
            now = datetime.datetime.now(datetime.timezone.utc)
            decision = plan.decide(actual, control_plane, group, options, now)
            decision = self._account_of_today(client, decision, actual, group)
            fresh = None
            if document.changes(decision, options) and not self._task.check_mode:
                fresh = self._write(client, decision, group, options, actual["identity"]["python"])
        except (MeshError, KubeError) as exc:
            if isinstance(exc, NoGroup) and self._task.check_mode:
                result.update(report.without_group(str(exc)))
                return result
            raise AnsibleActionFail(
                f"Cannot make the bootstrap files of {params['namespace']}/{params['workload_group']}: {exc}"
            ) from None
        result.update(report.of(decision, options, control_plane, actual, fresh.expires if fresh else ""))
        return result

    def _look(self, params: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        # What the module does not need does not go to the VM, least of all what is wanted there.
        places = {name: params[name] for name in ("workload_group", "vip", "root")}
        seen: dict[str, t.Any] = self._execute_module(module_name=MODULE, module_args=places, task_vars=task_vars)
        return seen

    def _account_of_today(
        self, client: KubeClient, decision: plan.Decision, actual: dict[str, t.Any], group: WorkloadGroup
    ) -> plan.Decision:
        """A token that is there is none any more when its account was made anew since."""
        if decision.token != plan.PRESENT:
            return decision
        uid = cluster.account_uid(client, group.namespace, group.service_account)
        if uid == actual["token"]["claims"]["uid"]:
            return decision
        return plan.without_present(decision, "the service account is not the one that the token on the VM is of")

    def _write(
        self,
        client: KubeClient,
        decision: plan.Decision,
        group: WorkloadGroup,
        options: Options,
        python: str,
    ) -> Token | None:
        fresh, account = None, (group.namespace, group.service_account)
        if decision.token == plan.REQUEST:
            fresh = request_token(client, *account, token.AUDIENCE, options.token_lifetime)
        secret = fresh.value if fresh else ""
        what = document.document(decision, options, secret)
        deliver(self, what, python, [secret], f"write the bootstrap files of {group}")
        return fresh
