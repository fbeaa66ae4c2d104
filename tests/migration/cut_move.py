"""Runs on a VM, which has no Ansible: what istio_sidecar_apply does to move it, killed after one of its operations.

Usage: cut_move.py OPTIONS.json [NUMBER]; NUMBER counts from 1, without it the operations are listed.
"""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
# What is imported below fetches nothing.
for name in ("ansible", "ansible.module_utils", "ansible.module_utils.urls"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["ansible.module_utils.urls"].open_url = None  # type: ignore[attr-defined]

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import apply, move  # noqa: E402
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings  # noqa: E402

KILLED = 9


def main(options: dict[str, Any], number: int) -> None:
    done = 0

    def after(_operation: object) -> None:
        nonlocal done
        done += 1
        if done == number:
            # Nothing is cleaned up, as with SIGKILL.
            os._exit(KILLED)

    arrival = move.Arrival(options["package"], options["remove"])
    settings = Settings.from_options(options)
    outcome = apply.present(settings, True, options["upgraded_from"], not number, after, arrival)
    json.dump(outcome.operations, sys.stdout)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
