# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters say that take results of modules, and get something else. Private to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError


@contextlib.contextmanager
def errors_of(name: str, otherwise: str) -> t.Iterator[None]:
    """An error of the filter: in our own words where there are such, else C(otherwise) and Python's."""
    try:
        yield
    except MeshError as exc:
        raise AnsibleFilterError(f"mesh.expansion.{name}: {exc}") from exc
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.{name}: {otherwise}: {exc!r}") from exc
