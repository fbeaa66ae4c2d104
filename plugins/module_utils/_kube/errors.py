# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the Kubernetes access layer. Private to the collection."""

from __future__ import annotations

import typing as t


class KubeError(Exception):
    """Base of every error of this package; its text is fit for a user."""


class KubeLibraryMissing(KubeError):
    """The Python library ``kubernetes`` cannot be imported on this host."""


class KubeConfigError(KubeError):
    """No usable kubeconfig was found."""


class KubeUnreachable(KubeError):
    """The API server does not answer."""


class KubeForbidden(KubeError):
    """The user has not the right to do that (403)."""


class KubeUnauthorized(KubeForbidden):
    """The API server does not accept the credentials (401)."""


class KubeDenied(KubeError):
    """The user has the right, but an admission plugin, policy or webhook of the cluster refused the request."""


class KubeNotFound(KubeError):
    """The object does not exist (any more)."""


class KubeConflict(KubeError):
    """Somebody else changed, created or deleted the object in between."""


class FieldConflict(t.NamedTuple):
    """A field that another writer holds."""

    field: str
    manager: str


class KubeFieldConflict(KubeError):
    """A server-side apply wants other values for fields that belong to other field managers."""

    def __init__(self, text: str, conflicts: t.Sequence[FieldConflict]) -> None:
        super().__init__(text)
        self.conflicts = tuple(conflicts)


class KubeInvalid(KubeError):
    """The API server rejected the object's content."""


class KubeServerError(KubeError):
    """Any other answer that is not a success."""
