# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import SECRETS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity import certificates as ident
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity.spec import KINDS, argument_spec
from ansible_collections.mesh.expansion.plugins.plugin_utils._delivery import deliver

MODULE = "mesh.expansion.istio_vm_certs"
# What a look has to hold, for a decision to be possible.
LOOKED_AT = ("directory", "files", "chain", "root", "key_matches", "python")


def read_identity(options: t.Mapping[str, t.Any]) -> ident.Identity:
    """Read key, chain and root from the cluster."""
    namespace, service_account = options["namespace"], options["service_account"]
    name = ident.secret_name(service_account)
    secret = connect(options["kubeconfig"], options["context"]).get(SECRETS, namespace, name)
    if secret is None:
        raise ident.IdentityError(
            f"Secret {name} does not exist in namespace {namespace}: check that service account {service_account} "
            "exists there and that Citadel runs; it makes the Secret within seconds"
        )
    return ident.parse_secret(secret.get("data"), f"Secret {namespace}/{name}", str(secret.get("type")))


class ActionModule(ActionBase):
    """Validates on the control node, compares with what the VM has, delivers over the connection's standard input."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        dummy, options = self.validate_argument_spec(argument_spec=argument_spec())
        if not ident.HAS_CRYPTOGRAPHY:
            raise AnsibleActionFail("istio_vm_certs needs the Python library cryptography on the control node")
        wrong = _options.wrong(options, KINDS)
        if wrong:
            raise AnsibleActionFail(" ".join(wrong))
        expected = ident.spiffe_id(options["trust_domain"], options["namespace"], options["service_account"])
        now = datetime.datetime.now(datetime.timezone.utc)
        try:
            identity = read_identity(options)
            where = f"Secret {options['namespace']}/{ident.secret_name(options['service_account'])}"
            wanted = ident.validate(identity, expected, now, where)
        except (ident.IdentityError, KubeError) as exc:
            raise AnsibleActionFail(f"Cannot use the identity of {expected}: {exc}") from None

        actual = options["actual"]
        if actual is None:
            places = {name: options[name] for name in ("path", "owner", "group")}
            probe = self._execute_module(module_name=MODULE, module_args=places, task_vars=task_vars)
            if probe.get("failed") or "actual" not in probe:
                result.update(probe)
                return result
            actual = probe["actual"]
        elif not set(LOOKED_AT) <= set(actual):
            raise AnsibleActionFail(
                f"actual lacks {', '.join(sorted(set(LOOKED_AT) - set(actual)))}: pass the value identity that "
                "mesh.expansion.istio_sidecar_look returned, or leave actual out"
            )
        decision = ident.plan(
            actual, wanted, expected, now, (options["owner"], options["group"]), options["min_validity"]
        )
        if decision.files:
            try:
                ident.prove_key(identity, where)
            except ident.IdentityError as exc:
                raise AnsibleActionFail(f"Cannot use the identity of {expected}: {exc}") from None
        if decision.action != "keep" and not self._task.check_mode:
            self._write(options, decision, identity, actual["python"])

        before = self._summary_of(actual)
        after = wanted.as_dict() if decision.action == "deliver" else before
        result.update(
            changed=decision.action != "keep",
            action=decision.action,
            reason=decision.reason,
            **(after or {}),
            files=list(decision.files or decision.attributes),
            diff={
                "before_header": options["path"],
                "after_header": options["path"],
                "before": _shown(before, actual["files"]),
                "after": _shown(after, _files_after(actual["files"], decision, options)),
            },
        )
        return result

    @staticmethod
    def _summary_of(actual: dict[str, t.Any]) -> dict[str, t.Any] | None:
        try:
            return ident.summarise(actual["chain"].encode(), actual["root"].encode(), "the VM").as_dict()
        except ident.IdentityError:
            return None

    def _write(
        self, options: dict[str, t.Any], decision: ident.Decision, identity: ident.Identity, python: str
    ) -> None:
        own = {"owner": options["owner"], "group": options["group"]}
        names = decision.files + tuple(name for name in decision.attributes if name in ident.FILE_MODES)
        files = [{"path": os.path.join(options["path"], name), "mode": ident.FILE_MODES[name], **own} for name in names]
        for name, file in zip(decision.files, files):
            file["content"] = identity.content(name).decode()
        document = {"directories": [{"path": options["path"], **own}], "files": files}
        deliver(
            self,
            document,
            python,
            [identity.key.decode("ascii", "replace")],
            f"write the identity to {options['path']}",
        )


def _files_after(files: dict[str, t.Any], decision: ident.Decision, options: dict[str, t.Any]) -> dict[str, t.Any]:
    wanted = {
        name: {"exists": True, "owner": options["owner"], "group": options["group"], "mode": ident.FILE_MODES[name]}
        for name in decision.files + decision.attributes
        if name in ident.FILE_MODES
    }
    return {**files, **wanted}


def _shown(certificate: dict[str, t.Any] | None, files: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"certificate": certificate, "files": files}
