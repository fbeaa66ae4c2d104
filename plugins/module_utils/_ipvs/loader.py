# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-alone loader of saved IPVS tables, for the time of boot. Private to the collection.

Needs Python 3.9 and its standard library. Copy the directories `_netlink` and `_ipvs` side by side below a directory,
say /usr/local/lib/mesh-expansion/mesh_ipvs/, and with PYTHONPATH=/usr/local/lib/mesh-expansion (or as working
directory) run

  python3 -m mesh_ipvs._ipvs.loader --restore FILE
      reconcile the kernel's table with the file
  python3 -m mesh_ipvs._ipvs.loader --check FILE
      only validate the file (fits `validate:` of ansible.builtin.copy)
  python3 -m mesh_ipvs._ipvs.loader --diff FILE
      validate, and print what --restore would do; writes nothing
  python3 -m mesh_ipvs._ipvs.loader --dump [--vip A]...
      print the kernel's table, or the part on some addresses, in the file's form
  python3 -m mesh_ipvs._ipvs.loader --save FILE [--vip A]...
      write that to the file, atomically

The file is JSON: {"format": "mesh.expansion/ipvs-table", "version": 1, "vips": ["192.168.0.62"], "services": [...]},
where services has the form of the option `services` of mesh.expansion.ipvs_table. `vips` are the addresses that belong
to this table alone: --restore removes other services on them, and other real servers of the listed services, and
touches nothing else. It never flushes, so running it again is harmless, and so is running it on a table that serves
traffic.

The whole file is validated before the first write. Exit status: 0 done; 1 some operations failed (each is printed);
2 bad arguments, or a file that is not valid or cannot be read or written (nothing was changed);
3 IPVS is not available.
"""

from __future__ import annotations

import argparse
import sys
import typing as t

from . import save
from .client import Client
from .errors import ApplyError, IpvsError, SaveError, UnavailableError, ValidationError
from .plan import PURGE_SERVICES
from .reconcile import concerned, predict, reconcile

FAILED, INVALID, UNAVAILABLE = 1, 2, 3


def main(arguments: t.Sequence[str] | None = None, connect: t.Callable[[], Client] = Client.open) -> int:
    options = _parser().parse_args(arguments)
    try:
        _run(options, connect)
    except (ValidationError, SaveError) as exc:
        for problem in getattr(exc, "problems", [str(exc)]):
            _complain(problem)
        return INVALID
    except UnavailableError as exc:
        _complain(str(exc))
        return UNAVAILABLE
    except ApplyError as exc:
        _complain(str(exc))
        for operation, reason in exc.failed:
            _complain(f"failed: {operation}: {reason}")
        for operation in exc.not_applied + exc.unknown:
            _complain(f"not applied: {operation}")
        return FAILED
    except IpvsError as exc:
        _complain(str(exc))
        return FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mesh_ipvs._ipvs.loader", description="Restore, check and save IPVS tables.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--restore", metavar="FILE", help="reconcile the kernel's table with the file")
    action.add_argument("--check", metavar="FILE", help="only validate the file")
    action.add_argument("--diff", metavar="FILE", help="print what --restore would do")
    action.add_argument("--dump", action="store_true", help="print the kernel's table in the file's form")
    action.add_argument("--save", metavar="FILE", help="write the kernel's table to the file")
    parser.add_argument(
        "--vip",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="with --dump and --save: only services on this address",
    )
    return parser


def _run(options: argparse.Namespace, connect: t.Callable[[], Client]) -> None:
    if options.check:
        save.load(options.check)
    elif options.dump or options.save:
        with connect() as client:
            text = save.of_table(client.read(), options.vip)
        if options.save:
            save.store(options.save, text)
        else:
            sys.stdout.write(text)
    else:
        table = save.load(options.restore or options.diff)
        with connect() as client:
            if options.diff:
                actual = client.read(concerned(table.services, PURGE_SERVICES, table.vips))
                outcome = predict(actual, table.services, PURGE_SERVICES, table.vips)
            else:
                outcome = reconcile(client, table.services, PURGE_SERVICES, table.vips)
        for operation in outcome.operations:
            sys.stdout.write(f"{operation}\n")


def _complain(message: str) -> None:
    sys.stderr.write(f"ipvs loader: {message}\n")


if __name__ == "__main__":
    raise SystemExit(main())
