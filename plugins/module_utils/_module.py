# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module whose options hold mappings with options of their own. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.errors import NoLogError


class NestedModule(AnsibleModule):
    """Where something else stands in the place of a mapping, AnsibleModule says first, and only, what its search for
    secrets stumbled over, which names no option. Here the other complaints are said, which do."""

    def fail_json(self, msg: str, **kwargs: t.Any) -> None:
        found = getattr(self, "validation_result", None)
        errors = list(found.errors) if found else []
        named = [str(error.msg) for error in errors if not isinstance(error, NoLogError)]
        if named and len(named) < len(errors):
            msg = ". ".join(named)
        super().fail_json(msg, **kwargs)
