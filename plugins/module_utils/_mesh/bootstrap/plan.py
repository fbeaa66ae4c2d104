# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's bootstrap files need: pure, from what the VM has and what the cluster says. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..._host import paths
from ..._host.paths import PathState
from ..identity import certificates as ident
from . import control_plane as istiod
from . import hosts, texts, token, trust
from .control_plane import ControlPlane
from .errors import BootstrapError
from .group import WorkloadGroup
from .options import Options
from .proxy_config import default_config

# None of them is for everybody: the mesh's settings may hold what is private to the mesh.
SETTINGS_MODE, ROOT_MODE, TOKEN_MODE = "0640", "0644", "0600"
# What a look has to hold, for a decision to be possible.
LOOKED_AT = ("identity", "files", "token")

NONE, PRESENT, REQUEST = token.NONE, token.PRESENT, token.REQUEST


@dataclasses.dataclass(frozen=True)
class File:
    """One that holds no secret: where, what it is to be, and what is there."""

    path: str
    wanted: PathState
    actual: PathState

    @property
    def differs(self) -> bool:
        return self.wanted != self.actual


@dataclasses.dataclass(frozen=True)
class Decision:
    files: tuple[File, ...]
    token: str
    reasons: tuple[str, ...]
    certificate: trust.Certificate
    root_fingerprints: tuple[str, ...]
    # Whose certificate and key the agent would use in vain.
    remove: tuple[str, ...] = ()
    # Whether the token that is there has another owner or mode.
    token_attributes: bool = False

    @property
    def outdated(self) -> list[File]:
        return [file for file in self.files if file.differs]


def decide(
    actual: t.Mapping[str, t.Any],
    control_plane: ControlPlane,
    group: WorkloadGroup,
    options: Options,
    now: datetime.datetime,
) -> Decision:
    where = f"ConfigMap {group.namespace}/{istiod.ROOT_CONFIGMAP}"
    check_look(actual)
    fingerprints = trust.check_roots(control_plane.root, where)
    domain = control_plane.trust_domain or istiod.DEFAULT_TRUST_DOMAIN
    expected = ident.spiffe_id(domain, group.namespace, group.service_account)
    seen = actual["identity"]
    certificate = trust.judge_certificate(seen, control_plane.root, expected, now, options.min_validity)
    roots = trust.judge_roots(seen, certificate, control_plane.root, now, options.replace_root)
    wanted, why = _token(actual["token"], certificate, roots, group, options, now)
    in_the_way = certificate.in_the_way or roots.replaced
    return Decision(
        files=(
            *_settings(actual["files"], control_plane, group, options),
            _certs(seen["directory"], options),
            _root(seen, control_plane, options, roots),
        ),
        token=wanted,
        reasons=(roots.reason, why),
        certificate=certificate,
        root_fingerprints=fingerprints,
        remove=_present(seen, options) if in_the_way else (),
        token_attributes=_has_other_attributes(actual["token"], options),
    )


def check_look(actual: t.Mapping[str, t.Any]) -> None:
    if not set(LOOKED_AT) <= set(actual):
        raise BootstrapError(
            f"actual lacks {', '.join(sorted(set(LOOKED_AT) - set(actual)))}: pass the value actual that "
            "mesh.expansion.istio_vm_bootstrap returned, or leave it out"
        )


def _present(seen: t.Mapping[str, t.Any], options: Options) -> tuple[str, ...]:
    names = zip((ident.CHAIN, ident.KEY), options.layout.certificate)
    return tuple(path for name, path in names if seen["files"][name]["exists"])


def _token(
    seen: t.Mapping[str, t.Any],
    certificate: trust.Certificate,
    roots: trust.Roots,
    group: WorkloadGroup,
    options: Options,
    now: datetime.datetime,
) -> tuple[str, str]:
    if roots.replaced:
        return REQUEST, "the certificate on the VM is of a root that the mesh no longer has"
    if not certificate.fault:
        return NONE, "the VM has a valid certificate, with which it gets the next one"
    spare = options.token_lifetime // 2
    good = token.still_good(seen["claims"], group.namespace, group.service_account, now.timestamp(), spare)
    if good:
        return PRESENT, f"{certificate.fault}, but a token that is good for a while"
    return REQUEST, certificate.fault


def _settings(
    seen: t.Mapping[str, t.Mapping[str, t.Any]], control_plane: ControlPlane, group: WorkloadGroup, options: Options
) -> t.Iterator[File]:
    config = default_config(control_plane, group, options)
    variables = texts.cluster_env(control_plane, group, config, options)
    for name, path, text in (
        ("cluster_env", options.layout.cluster_env, texts.env_text(variables)),
        ("mesh", options.layout.mesh, texts.mesh_text(config)),
    ):
        wanted = paths.text_file(text, SETTINGS_MODE, options.owner, options.group)
        yield File(path, wanted, PathState.from_dict(seen[name]))
    if options.hosts_entry:
        path, found = seen["hosts"]["path"], PathState.from_dict(seen["hosts"])
        there = found.kind == paths.FILE
        text = (found.content or b"").decode("utf-8", "surrogateescape")
        edited = paths.text_file(hosts.with_line(text, options.vip, control_plane.host, path))
        # The file is the host's: owner and mode stay.
        yield File(path, dataclasses.replace(found, content=edited.content, mtime=0) if there else edited, found)


def _certs(seen: t.Mapping[str, t.Any], options: Options) -> File:
    """The agent writes its certificate there."""
    actual = paths.directory(seen["mode"], seen["owner"], seen["group"]) if seen["exists"] else paths.NOTHING
    return File(options.layout.certs, paths.directory(seen["mode"] or "0755", options.owner, options.group), actual)


def _root(seen: t.Mapping[str, t.Any], control_plane: ControlPlane, options: Options, roots: trust.Roots) -> File:
    """The agent writes this file as well, with a group and a mode of its own: what it has made of it stays as long as
    the roots are the same."""
    there = seen["files"][ident.ROOT]
    actual = paths.NOTHING
    if there["exists"]:
        actual = paths.text_file(seen["root"], there["mode"], there["owner"], there["group"])
    if roots.write:
        wanted = paths.text_file(control_plane.root, ROOT_MODE, options.owner, options.group)
    else:
        wanted = dataclasses.replace(actual, owner=options.owner)
    return File(options.layout.root_cert, wanted, actual)


def _has_other_attributes(seen: t.Mapping[str, t.Any], options: Options) -> bool:
    attributes = (seen["owner"], seen["group"], seen["mode"])
    return bool(seen["exists"]) and attributes != (options.owner, options.group, TOKEN_MODE)


def without_present(decision: Decision, reason: str) -> Decision:
    """The token that is there will not do after all."""
    return dataclasses.replace(decision, token=REQUEST, reasons=(*decision.reasons, reason))
