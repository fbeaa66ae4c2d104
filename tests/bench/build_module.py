# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the programs that Ansible sends to a host and starts there. In a process of its own:
Ansible's collection loader takes over imports.

Usage: python3 build_module.py MODULE. Reads a JSON object from standard input, with the module's arguments by the
path of the program to write.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar

INTERNAL = {
    "_ansible_check_mode": False,
    "_ansible_diff": False,
    "_ansible_remote_tmp": "/tmp",
    "_ansible_keep_remote_files": False,
}

init_plugin_loader()
found = module_loader.find_plugin_with_context(sys.argv[1])
for path, arguments in json.load(sys.stdin).items():
    built = modify_module(
        module_name=found.resolved_fqcn,
        module_path=found.plugin_resolved_path,
        module_args={**arguments, **INTERNAL},
        templar=Templar(DataLoader(), variables={}),
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
    )
    Path(path).write_bytes(built.b_module_data)
