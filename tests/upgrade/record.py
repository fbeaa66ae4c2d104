"""Record what joining with the release changes on a new lab, as recorded/*.json.

Usage: lab/lab run python -m tests.upgrade.record, with PYTHONPATH=.:molecule/shared; the lab must be new.
"""

from __future__ import annotations

from tests.upgrade import footprint, playbooks


def main() -> None:
    before = footprint.current()
    playbooks.release_site()
    footprint.save(footprint.difference(before, footprint.current()))


if __name__ == "__main__":
    main()
