# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a VM's sidecar may be from its istiod: not newer, and at most two minor versions older. Pure.

Private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from .. import generations
from ..exposure.istiod import REVISION_LABEL
from ..generations.model import TOKEN
from ..site import Site

Version = t.Tuple[int, int]
JsonObject = t.Mapping[str, t.Any]
OLDEST = 2

_VERSION = re.compile(r"(?:\d+:)?v?(\d+)\.(\d+)(?![\d])")


def findings(site: Site, looks: t.Mapping[str, JsonObject], documents: t.Sequence[JsonObject]) -> t.Iterator[str]:
    """Of the packages that VMs would get. An istiod whose image says no version is not judged."""
    istiod = control_plane(site, documents)
    if istiod is None:
        return
    for name, look in looks.items():
        package = look.get("package") or {}
        offered = parse(str(package.get("version") or ""))
        if name in site.vms and offered is not None:
            why = refusal(offered, istiod)
            if why:
                yield (
                    f"{name}: mesh_sidecar_package: {package.get('source')} is istio-sidecar {package['version']}, "
                    f"{why}."
                )


def control_plane(site: Site, documents: t.Sequence[JsonObject]) -> Version | None:
    """The lowest that its Deployments have: a sidecar may meet any of them."""
    if site.generation.identity != TOKEN:
        return None
    wanted = site.revision or "default"
    found = [
        parse(str(image).rpartition(":")[2])
        for document in documents
        if document["kind"] == "Deployment"
        for item in document["items"]
        if generations.of_pods(dict(item["template_labels"])) is site.generation
        and (item["template_labels"].get(REVISION_LABEL) or "default") == wanted
        for image in item.get("images") or []
        if "@" not in str(image)
    ]
    return min((version for version in found if version is not None), default=None)


def parse(text: str) -> Version | None:
    """Major and minor version, of a tag or of a Debian package."""
    found = _VERSION.match(text)
    return (int(found.group(1)), int(found.group(2))) if found else None


def refusal(proxy: Version, istiod: Version) -> str:
    there = f"istiod is {_text(istiod)}"
    if proxy > istiod:
        return f"newer than the control plane ({there}). Upgrade istiod first, or take the sidecar of its release"
    if proxy[0] != istiod[0] or istiod[1] - proxy[1] > OLDEST:
        return (
            f"too old for the control plane ({there}): a sidecar may be {OLDEST} minor versions older at most. Take "
            "that of istiod's release"
        )
    return ""


def _text(version: Version) -> str:
    return ".".join(map(str, version))
