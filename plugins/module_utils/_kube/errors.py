# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the Kubernetes access layer. Private to the collection."""

from __future__ import annotations


class KubeError(Exception):
    """Base of every error of this package; its text is fit for a user."""


class KubeLibraryMissing(KubeError):
    """The Python library ``kubernetes`` cannot be imported on this host."""


class KubeConfigError(KubeError):
    """No usable kubeconfig was found."""


class KubeUnreachable(KubeError):
    """The API server does not answer."""


class KubeForbidden(KubeError):
    """The API server refused the request (401 or 403)."""


class KubeNotFound(KubeError):
    """The object does not exist (any more)."""


class KubeConflict(KubeError):
    """Somebody else changed, created or deleted the object in between."""


class KubeInvalid(KubeError):
    """The API server rejected the object's content."""


class KubeServerError(KubeError):
    """Any other answer that is not a success."""
