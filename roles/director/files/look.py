# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in one go what the role has to know about a director before it changes anything. Writes nothing.

The request is a JSON object on the command line: vip, sysctls (names), and the paths before, saved, drained, keepalived
and ipvsadm. The answer is a JSON object on standard output.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import typing as t


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _json(path: str) -> dict[str, t.Any]:
    """A file that this role wrote; empty when there is none."""
    text = _read(path)
    try:
        value = json.loads(text) if text else {}
    except ValueError as exc:
        raise SystemExit(f"{path} is not JSON ({exc}): remove it, or restore it from a backup") from None
    return value if isinstance(value, dict) else {}


def _output(*arguments: str) -> str:
    program = shutil.which(arguments[0], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        return ""
    process = subprocess.run([program, *arguments[1:]], capture_output=True, text=True, timeout=20, check=False)
    return process.stdout if process.returncode == 0 else ""


def places(links: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, list[str]]:
    """All addresses of the host, each with where it is, as interface/prefix."""
    found: dict[str, list[str]] = {}
    for link in links:
        for info in link.get("addr_info", []):
            if "local" in info:
                address = str(ipaddress.ip_address(info["local"]))
                found.setdefault(address, []).append(f"{link['ifname']}/{info['prefixlen']}")
    return found


def facts(links: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The part of Ansible's network facts that says which subnets the interfaces are in; gathering all takes longer."""
    found: dict[str, t.Any] = {"interfaces": [link["ifname"] for link in links if "ifname" in link]}
    for name in found["interfaces"]:
        items = [info for link in links if link.get("ifname") == name for info in link.get("addr_info", []) if "local" in info]
        found[name] = {
            key: [{"address": info["local"], "prefix": str(info["prefixlen"])} for info in items if info["family"] == family]
            for key, family in (("ipv4_secondaries", "inet"), ("ipv6", "inet6"))
        }
    return found


def former(held: t.Mapping[str, t.Sequence[str]]) -> list[dict[str, str]]:
    """Where virtual addresses that an earlier run held are still: host addresses, as that run added them."""
    found = []
    for address, where in held.items():
        for interface, _slash, prefix in (place.partition("/") for place in where):
            if prefix == str(ipaddress.ip_address(address).max_prefixlen):
                found.append({"address": f"{address}/{prefix}", "interface": interface})
    return found


def names_address(text: str, address: str) -> bool:
    """Whether a configuration of keepalived names an address outside of comments."""
    pattern = re.compile(r"(?<![\w.:])" + re.escape(address) + r"(?![\w.:])")
    return any(pattern.search(re.split("[#!]", line, maxsplit=1)[0]) for line in text.splitlines())


def loads_at_boot(text: str) -> bool:
    """Whether /etc/default/ipvsadm lets the package load a table of its own; the last word counts."""
    values = re.findall(r"""^\s*AUTO\s*=\s*["']?(\w+)""", text, re.MULTILINE)
    return bool(values) and values[-1].lower() == "true"


def dropping(chains: str) -> list[str]:
    """The chains at the hook input that drop by default, from C(nft -j list chains)."""
    items = json.loads(chains).get("nftables", []) if chains else []
    found = [item["chain"] for item in items if "chain" in item]
    return [f"{chain['family']} {chain['table']} {chain['name']}" for chain in found if chain.get("hook") == "input" and chain.get("policy") == "drop"]


def _keepalived(folder: str, address: str) -> list[str]:
    paths = [os.path.join(base, name) for base, unused, names in os.walk(folder) for name in names]
    return [path for path in sorted(paths) if names_address(_read(path), address)]


def look(request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    saved = _read(request["saved"])
    values = {name: _read("/proc/sys/" + name.replace(".", "/")).strip() for name in request["sysctls"]}
    links = json.loads(_output("ip", "-j", "address", "show") or "[]")
    addresses = places(links)
    vip = str(ipaddress.ip_address(request["vip"]))
    table = _json(request["saved"]) if saved.startswith("{") else {}
    others = [str(ipaddress.ip_address(address)) for address in table.get("vips", [])]
    return {
        "facts": facts(links),
        "addresses": addresses,
        "places": addresses.get(vip, []),
        "former": former({address: addresses.get(address, []) for address in others if address != vip}),
        "before": _json(request["before"]),
        "drained": _json(request["drained"]),
        "saved": table,
        "keepalived": _keepalived(request["keepalived"], request["vip"]),
        "ipvsadm": loads_at_boot(_read(request["ipvsadm"])),
        "ipvsadm_file": os.path.isfile(request["ipvsadm"]),
        "sysctls": {name: value for name, value in values.items() if value},
        "dropping": dropping(_output("nft", "-j", "list", "chains")),
    }


if __name__ == "__main__":
    json.dump(look(json.loads(sys.argv[1])), sys.stdout)
