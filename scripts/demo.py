"""Sum up a demonstration: topology, each row of the procedure with its result, the page that a pod fetched.

Usage: demo.py VERIFY_REPORT PAGE SUMMARY
Reads the rows that the verify role wrote and the answer that a pod got, writes SUMMARY (JSON).
Exit status 0 only when every row holds.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "build/collections")]

# Both are found through the path above.
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations import generation  # noqa: E402
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.model import Generation  # noqa: E402

from lab import config  # noqa: E402

NOT_CHECKED = "not checked"
# What expires before long holds today.
HOLDS = ("ok", "warning")
# The path from the virtual IP on, by the generation.
BEHIND = {
    "citadel": ("externalIPs", "Pilot, Citadel, Mixer, kube-dns pods"),
    "istiod": ("load balancer address", "istiod, east-west gateway pods"),
}


def rows_of(wanted: Generation) -> dict[str, tuple[str, str]]:
    return {text.id: (text.what, text.how) for text in wanted.rows}


def used() -> Generation:
    """Which the lab has; where it has both, the VMs join the reference procedure's."""
    return generation("citadel" if config.shape().has_standins else "istiod")


def summarise(rows: Mapping[str, tuple[str, str]], results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One object per row of the procedure: a row holds when it was checked somewhere and every check of it holds."""
    summary = []
    for row, (what, check) in rows.items():
        found = [result for result in results if result["row"] == row]
        problems = [f"{result['host']}: {result['detail']}" for result in found if result["state"] not in HOLDS]
        summary.append(
            {
                "row": row,
                "what": what,
                "check": check,
                "ok": bool(found) and not problems,
                "problems": problems if found else [NOT_CHECKED],
            }
        )
    return summary


def topology_lines(site: config.Topology, behind: tuple[str, str]) -> list[str]:
    """The one-way overlay and the path of a VM's connection to the control plane."""

    def listed(role: str) -> str:
        return ", ".join(f"{host.name} {host.address}" for host in site.with_role(role))

    lines = [f"  pods {site.pod_cidr}, Services {site.service_cidr}: reachable from the nodes only; pods reach the VMs"]
    lines += [f"  VM {host.name} {host.address}{' (spare)' if host.spare else ''}" for host in site.with_role("vm")]
    lines += [
        f"    -> VIP {site.vip} on {listed('director')} (IPVS, direct routing)",
        f"    -> {listed('node')} (kube-proxy, {behind[0]})",
        f"    -> {behind[1]}; answers go straight back to the VM",
    ]
    return lines


def table_lines(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    width = max(len(row["what"]) for row in summary)
    lines = [f"  {'row':4} {'result':7} {'done':{width}}  checked by"]
    for row in summary:
        lines.append(f"  {row['row']:4} {'ok' if row['ok'] else 'FAILED':7} {row['what']:{width}}  {row['check']}")
        lines += [f"       {problem}" for problem in row["problems"]]
    return lines


def page_lines(page: str) -> list[str]:
    """The answer's head and the text of the page."""
    head, _blank, body = page.replace("\r", "").partition("\n\n")
    text = re.sub(r"<(style|script|head)\b.*?</\1>", "", body, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", "", text)
    return [
        *(f"  {line}" for line in head.splitlines()),
        "",
        *(f"  {line.strip()}" for line in text.splitlines() if line.strip()),
    ]


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    report, page, output = map(Path, arguments)
    results = json.loads(report.read_text()) if report.is_file() else []
    wanted = used()
    summary = summarise(rows_of(wanted), results)
    public = [{name: row[name] for name in ("row", "what", "check", "ok")} for row in summary]
    output.write_text(json.dumps(public, indent=2) + "\n")

    print("Topology")
    print("\n".join(topology_lines(config.topology(), BEHIND[wanted.name])))
    print("\nThe page, fetched from a pod: curl http://deb-nginx01:9080")
    print("\n".join(page_lines(page.read_text())) if page.is_file() and page.stat().st_size else f"  {NOT_CHECKED}")
    print(f"\nRows of the generation {wanted.name} ({wanted.releases})")
    print("\n".join(table_lines(summary)))
    good = sum(row["ok"] for row in summary)
    print(f"\n{good} of {len(summary)} rows hold. Written to {output}.")
    return 0 if good == len(summary) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
