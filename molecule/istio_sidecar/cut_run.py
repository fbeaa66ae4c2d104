"""Runs on a VM: what the module istio_sidecar_apply does for one more port, killed after one of its operations.

Usage: cut_run.py list|join OPTIONS.json [NUMBER]; NUMBER counts from 1, without it nothing is killed.
"""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
# The VM has no Ansible; what is imported below fetches nothing.
for name in ("ansible", "ansible.module_utils", "ansible.module_utils.urls"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["ansible.module_utils.urls"].open_url = None  # type: ignore[attr-defined]

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import apply  # noqa: E402
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings  # noqa: E402

KILLED = 9


def main(mode: str, options: dict[str, Any], number: int) -> None:
    done = 0

    def after(_operation: object) -> None:
        nonlocal done
        done += 1
        if done == number:
            # Nothing is cleaned up, as with SIGKILL.
            os._exit(KILLED)

    more = {"name": "cut", "port": 9443}
    settings = Settings.from_options({**options, "services": [*options["services"], more]})
    outcome = apply.present(settings, restart=False, upgraded_from="", check=mode == "list", after=after)
    json.dump(outcome.operations, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
