"""Runs on a VM: what the module dnsmasq_apply does, killed after one of its operations.

Usage: cut_run.py list|join|leave OPTIONS.json [NUMBER]; NUMBER counts from 1, without it nothing is killed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ansible_collections.mesh.expansion.plugins.module_utils._host import commands, guard
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import files, settings, work

KILLED = 9


def main(mode: str, options: dict[str, Any], number: int) -> None:
    done = 0

    def after(_operation: object) -> None:
        nonlocal done
        done += 1
        if done == number:
            # Nothing is cleaned up, as with SIGKILL.
            os._exit(KILLED)

    given = {name: option.get("default") for name, option in settings.OPTIONS.items()} | options
    queries = {name: option.get("default") for name, option in settings.QUERY.items()}
    given["probe_names"] = [queries | query for query in given["probe_names"]]
    if mode == "list":
        json.dump(list(work.would_join(settings.parse(given)).texts), sys.stdout)
    elif mode == "join":
        work.join(settings.parse(given), after)
    else:
        work.leave(given["packages"], after)
        guard.confirm(files.ROLE)
        # As a package leaves it that was not started.
        commands.run(["systemctl", "stop", files.UNIT])


if __name__ == "__main__":
    main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
