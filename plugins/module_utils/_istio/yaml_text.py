# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that imports PyYAML, which comes with the kubernetes library. Private to the collection."""

from __future__ import annotations

import json
import traceback
import typing as t

try:
    import yaml

    YAML_IMPORT_ERROR: str | None = None
except ImportError:
    YAML_IMPORT_ERROR = traceback.format_exc()


def dump(content: t.Any) -> str:
    """Block style for people to read, in the given order; nothing at all for an empty value."""
    if not content:
        return ""
    if YAML_IMPORT_ERROR is not None:
        return json.dumps(content, indent=2) + "\n"
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=False, width=1000)


def dump_inline(content: t.Any) -> str:
    """One line that is valid at any place of a YAML document where a value may stand."""
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text[: -len("\n...\n")] if text.endswith("\n...\n") else text.rstrip("\n")
