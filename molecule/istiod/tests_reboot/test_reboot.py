"""After a reboot of the VM all rows hold again, without a playbook in between."""

from __future__ import annotations

from pathlib import Path

import lab_state
import trouble
import verified


def test_all_rows_hold_after_a_reboot(tmp_path: Path) -> None:
    trouble.reboot(lab_state.hosts("vms")[0])
    verified.all_rows(tmp_path / "verify.json", "-e", "@molecule/istiod/vars/site.yml", rows=verified.ISTIOD)
