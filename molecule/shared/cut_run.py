"""Runs on a VM, which has no Ansible: what a role's apply module does, killed after one of its operations.

Usage: cut_run.py ROLE list|join|leave OPTIONS.json [NUMBER]; NUMBER counts from 1, without it nothing is killed. The
role is dnsmasq, or istio_sidecar, which captures one more port here and does not leave.
"""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
# What is imported below fetches nothing.
for name in ("ansible", "ansible.module_utils", "ansible.module_utils.urls"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["ansible.module_utils.urls"].open_url = None  # type: ignore[attr-defined]

from ansible_collections.mesh.expansion.plugins.module_utils._host import commands, guard  # noqa: E402
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import files, settings, work  # noqa: E402
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import apply  # noqa: E402
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings  # noqa: E402

KILLED = 9
Json = dict[str, Any]
After = Callable[[object], None]


def dnsmasq(mode: str, options: Json, after: After) -> list[str]:
    given = {name: option.get("default") for name, option in settings.OPTIONS.items()} | options
    queries = {name: option.get("default") for name, option in settings.QUERY.items()}
    given["probe_names"] = [queries | query for query in given["probe_names"]]
    if mode == "list":
        return list(work.would_join(settings.parse(given)).texts)
    if mode == "join":
        return list(work.join(settings.parse(given), after).texts)
    left = work.leave(given["packages"], after)
    guard.confirm(files.ROLE)
    # As a package leaves it that was not started.
    commands.run(["systemctl", "stop", files.UNIT])
    return list(left.texts)


def istio_sidecar(mode: str, options: Json, after: After) -> list[str]:
    wanted = Settings.from_options({**options, "services": [*options["services"], {"name": "cut", "port": 9443}]})
    return apply.present(wanted, restart=False, upgraded_from="", check=mode == "list", after=after).operations


def main(role: str, mode: str, options: Json, number: int) -> None:
    done = 0

    def after(_operation: object) -> None:
        nonlocal done
        done += 1
        if done == number:
            # Nothing is cleaned up, as with SIGKILL.
            os._exit(KILLED)

    run = {"dnsmasq": dnsmasq, "istio_sidecar": istio_sidecar}[role]
    json.dump(run(mode, options, after), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:3], json.loads(Path(sys.argv[3]).read_text()), int(sys.argv[4]) if len(sys.argv) > 4 else 0)
