"""Write docs/variables.md from docs/variables.yml and from where the code takes the site's variables to.

A variable goes to the parts of a site that are others with its example than without, and so to the role variables whose
defaults are made of these parts.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
SOURCE, PAGE = ROOT / "docs/variables.yml", ROOT / "docs/variables.md"
sys.path.insert(0, str(ROOT / "build/collections"))

from ansible_collections.mesh.expansion.plugins.module_utils._mesh import parts  # noqa: E402
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import site as sites  # noqa: E402

Json = dict[str, Any]
GENERATIONS = ("istiod", "citadel")
VM, HOSTS = "web1", {"lvs1": "192.0.2.61", "node1": "192.0.2.71", "web1": "192.0.2.81"}
GROUPS = {"director": ["lvs1"], "k8s_nodes": ["node1"], "vms": [VM]}
PART = re.compile(r"mesh_site\('(\w+)'[^)]*\)\)?(?:\.(\w+))?")
# What the API says of its nodes where it is asked: one has a host, the other has none.
CLUSTER = {
    "documents": [
        {
            "kind": "Node",
            "state": "ok",
            "items": [
                {"name": name, "node": {"ready": True, "addresses": [{"type": "InternalIP", "address": address}]}}
                for name, address in (("node1", HOSTS["node1"]), ("node2", "192.0.2.72"))
            ],
        }
    ]
}
HEAD = """# Variables of a site

Made by `python scripts/variables.py` from [variables.yml](variables.yml) and from the code: change these, not it.

They describe the site once, in the inventory; each role takes its own variables from them. Those of a VM are set for
the VM, all others for all hosts (`group_vars/all.yml`). A role's own variable, where it is set, wins for that role.
"""


def load() -> list[Json]:
    return yaml.safe_load(SOURCE.read_text())


@cache
def variables() -> dict[str, Json]:
    return {name: details for group in load() for name, details in group["variables"].items()}


def site(generation: str, common: Json, of_vm: Json) -> sites.Site:
    given: Json = {"mesh_vip": "192.0.2.1", "mesh_control_plane": generation, "mesh_sidecar_package": "/sidecar.deb"}
    given |= {"mesh_service_cidr": "10.233.0.0/16", "__preflight_cluster": CLUSTER, **common}

    def of_host(name: str) -> sites.Read:
        return {"ansible_host": HOSTS[name], **given, **(of_vm if name == VM else {})}.get

    return sites.parse(given.get, GROUPS, of_host)


def example(name: str) -> list[tuple[sites.Site, sites.Site]]:
    """A site without and with the example, in each generation that has it."""
    details = variables()[name]
    value, beside = {name: details["example"]}, details.get("with", {})
    of_vm = details.get("of") == "vm"
    return [
        (site(generation, beside, {}), site(generation, {**beside, **({} if of_vm else value)}, value if of_vm else {}))
        for generation in ([details["generation"]] if "generation" in details else GENERATIONS)
    ]


def changed(name: str) -> set[str]:
    """The parts that the variable changes; those of the host itself as self.KEY."""
    found = set()
    for before, after in example(name):
        found |= {part for part, made in parts.PARTS.items() if made.value(before) != made.value(after)}
        one, other = (_own(made) for made in (before, after))
        found |= {f"self.{key}" for key in {*one, *other} if one.get(key) != other.get(key)}
    return found


def _own(made: sites.Site) -> Json:
    """What the VM is to itself; of its workload, a role's default takes the group."""
    own = made.vms[VM].as_dict()
    workload = own.pop("workload", {})
    return {**own, "workload": workload.get("group")}


@cache
def uses() -> dict[str, set[str]]:
    """Each role variable, and the parts that its default is made of; and playbooks that read variables themselves."""
    found = {f"mesh.expansion.{path.stem}": read_directly(path.read_text()) for path in PLAYBOOKS}
    for path in sorted((ROOT / "roles").glob("*/defaults/main.yml")):
        for name, value in yaml.safe_load(path.read_text()).items():
            text = str(value)
            asked = PART.findall(text)
            found[name] = {f"self.{key}" if part == "self" else part for part, key in asked} | read_directly(text)
    return found


def read_directly(text: str) -> set[str]:
    """Variables that a template takes as they are."""
    return set(re.findall(r"(?<![\w.])mesh_(?!site)\w+(?= \|)", text))


def goes_to(name: str) -> list[str]:
    touched = {*changed(name), name}
    found = [variable for variable, made_of in uses().items() if touched & made_of]
    return sorted(found, key=lambda variable: variable.startswith("mesh.expansion."))


def page() -> str:
    lines = [HEAD]
    for group in load():
        lines += [f"## {group['title']}", "", "| variable | default | meaning | goes to |", "| --- | --- | --- | --- |"]
        for name, details in group["variables"].items():
            to = ", ".join(f"`{variable}`" for variable in goes_to(name)) or "preflight's findings"
            lines.append(f"| `{name}` | {details['default']} | {details['meaning']} | {to} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
