# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs from one generation of Istio's control plane to the next, as data. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ..sidecar.layout import Layout

CLUSTER, DIRECTOR, VM = "cluster", "director", "vm"
SECRET, TOKEN = "secret", "token"
DNSMASQ, CAPTURE, HOSTS = "dnsmasq", "capture", "hosts"
# The check of an exposed Service, one row each.
EXPOSURE = "exposure"


class RowText(t.NamedTuple):
    """One row of verification, in the order of the table."""

    id: str
    # The check that judges it, and where it looks.
    check: str
    scope: str
    what: str
    how: str
    # Of the check C(exposure): the Service.
    service: str = ""


@dataclasses.dataclass(frozen=True)
class Generation:
    """One generation. Roles loop over this data; a name is compared in the registry only."""

    name: str
    # For messages, such as "Istio 1.0 to 1.4".
    releases: str
    # Lists of exposed Services to choose from, the default first.
    profiles: t.Sequence[str]
    # How the nodes are made to accept the virtual address, unless the site says otherwise.
    exposure_backend: str
    # What verification judges.
    rows: t.Sequence[RowText]
    # How the sidecar may talk to the control plane, the default first.
    control_plane_auth: t.Sequence[str]
    # Keys of the mesh document that let VMs take traffic, with their values.
    mesh_settings: t.Mapping[str, t.Any]
    # The ConfigMap with the mesh document, and the Deployment that reads it at start.
    mesh_configmap: str
    control_plane_deployment: str
    # Labels of its pods.
    control_plane_pods: t.Mapping[str, str]
    # The Service by whose short name a VM's resolver is tried, of a revision.
    probe_service: t.Callable[[str], str]
    # Names of its servers by the exposed port that answers with TLS and a certificate of the mesh's root: of a
    # revision, in a namespace.
    tls_names: t.Callable[[str, str], t.Mapping[int, str]]
    # Where a VM's key and certificate come from: SECRET, or TOKEN, for which the control plane signs.
    identity: str
    # SECRET: the name of a service account's Secret, and what to do when it is missing.
    identity_secret: t.Callable[[str], str]
    identity_remedy: str
    # How a VM resolves the mesh's names, the default first: DNSMASQ, CAPTURE by the sidecar, or HOSTS, the control
    # plane's own name only.
    dns_modes: t.Sequence[str]
    # How VMs are registered, the default first.
    registrations: t.Sequence[str]
    # The Debian package of the sidecar, and what it makes of a VM.
    package: str
    sidecar: Layout
