# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: removal_summary
short_description: Say at the end of a removal who is as before, what is left over, and what to run next
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - For the playbooks C(leave) and C(teardown), which go on when a host or the Kubernetes API does not answer.
positional: _input
options:
  _input:
    description:
      - A mapping with what the run came to. C(seen) is required.
      - C(seen) has for each host what it answered first, a module's result; C(done) lists the hosts whose part was
        done, C(failed) has the reason for each host where it failed, C(lost) lists those that dropped out on the way,
        C(out) those that are not registered any more.
      - C(api) has the failed results of the work on the Kubernetes API, by C(registration), C(mesh_policy) or
        C(exposure); C(notes) are lines to add.
      - C(command) is what to run when something is left over, C(limit) the hosts that the run was limited to, C(then)
        the line for when nothing is, and C(check_mode) whether nothing was changed.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Sum up
  ansible.builtin.debug:
    msg: "{{ (outcome | mesh.expansion.removal_summary).lines }}"
  vars:
    outcome:
      seen: {web1: {ping: pong}, web2: {unreachable: true, msg: No route to host}}
      done: [web1]
      command: ansible-playbook mesh.expansion.leave
"""

RETURN = r"""
_value:
  description: C(lines) to show, C(left) with the names of what is left over, and C(next) with the line that names the
    next command.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError


def removal_summary(outcome: t.Any) -> dict[str, t.Any]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.removal import Outcome

    try:
        found = Outcome(**outcome)
        return {"lines": found.lines(), "left": found.left(), "next": found.next()}
    except (KeyError, TypeError, AttributeError) as exc:
        raise AnsibleFilterError(
            f"mesh.expansion.removal_summary: needs a mapping with what a removal came to: {exc}"
        ) from exc


class FilterModule:
    """The filter mesh.expansion.removal_summary."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"removal_summary": removal_summary}
