# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets on their way to a VM: over the connection's standard input, and no other. Private to the collection."""

from __future__ import annotations

import inspect
import json
import shlex
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.mesh.expansion.plugins.plugin_utils import _stdin_writer


def deliver(
    action: ActionBase, document: t.Mapping[str, t.Any], python: str, secrets: t.Sequence[str], attempt: str
) -> None:
    """Have the writer's document carried out on the VM; ``attempt`` is what is tried, for the message of a failure."""
    connection, become = action._connection, action._connection.become
    if not connection.has_pipelining:
        raise AnsibleActionFail(
            f"The connection plugin {connection.transport} cannot pass data on standard input, and a key or a token "
            "goes no other way: use the ssh connection"
        )
    if become is not None and become.require_tty:
        raise AnsibleActionFail(
            f"The become method {become.name} needs a terminal, and then a key or a token cannot be passed: use sudo"
        )
    command = f"{shlex.quote(python)} -c {shlex.quote(inspect.getsource(_stdin_writer))}"
    done = action._low_level_execute_command(command, in_data=json.dumps(document).encode(), sudoable=True)
    if done["rc"] != 0:
        said = scrub(done["stderr"] + done["stdout"], secrets)
        raise AnsibleActionFail(
            f"Cannot {attempt}: {said}. The account of the sidecar comes with its package, and writing needs root: "
            "install the package first and run with become."
        )


def scrub(text: str, secrets: t.Sequence[str]) -> str:
    """Leave out a text that holds any line of a secret; the writer never prints one, a wrapper around it might."""
    lines = [line for secret in secrets for line in secret.splitlines() if line and not line.startswith("-----")]
    return "(left out: it holds a secret)" if any(line in text for line in lines) else text.strip()
