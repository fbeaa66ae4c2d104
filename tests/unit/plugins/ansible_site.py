# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugins through ansible-playbook: hosts over the local connection, and a small API server."""

from __future__ import annotations

import getpass
import grp
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import typing as t

import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
ME = getpass.getuser()
MY_GROUP = grp.getgrgid(os.getgid()).gr_name


class Api:
    """Answers GET with the objects that it has and POST as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, t.Any] = {}
        self.post: t.Callable[[str, t.Any], tuple[int, t.Any]] = lambda _path, _body: (404, {"message": "not found"})
        self.requests: list[str] = []
        self.posts: list[tuple[str, t.Any]] = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.requests.append(self.path)
                found = api.objects.get(self.path)
                self.say(200 if found else 404, found or {"kind": "Status", "message": "not found"})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.posts.append((self.path, body))
                self.say(*api.post(self.path, body))

            def say(self, status: int, document: t.Any) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *dummy: t.Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Site:
    """A scratch directory with inventory, kubeconfig, and a directory per VM, which is C(folder) to its tasks."""

    def __init__(self, folder: pathlib.Path, api: Api, module: str, options: dict[str, t.Any]) -> None:
        self.folder, self.module = folder, module
        self.options = {**options, "owner": ME, "group": MY_GROUP, "kubeconfig": str(folder / "kubeconfig")}
        # Not in the folder: the path of a socket in it would be too long.
        self._temporary = tempfile.TemporaryDirectory(prefix="site-")
        self.temporary = pathlib.Path(self._temporary.name)
        (folder / "kubeconfig").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.server.server_port}"}}],
                    "users": [{"name": "u", "user": {}}],
                }
            )
        )

    def vm(self, number: int) -> pathlib.Path:
        return self.folder / f"vm{number}"

    def run(self, vms: int = 1, args: tuple[str, ...] = (), **options: t.Any) -> subprocess.CompletedProcess[str]:
        hosts = {f"vm{number}": {"folder": str(self.vm(number))} for number in range(vms)}
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_remote_tmp": str(self.temporary),
        }
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))
        play = {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {self.module: {**self.options, **options}, "register": "seen"},
                {"ansible.builtin.debug": {"var": "seen"}},
            ],
        }
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "build" / "collections"),
            "ANSIBLE_LOCAL_TEMP": str(self.temporary / "local"),
            "ANSIBLE_KEEP_REMOTE_FILES": "1",
            "ANSIBLE_PIPELINING": "0",
            "ANSIBLE_FORKS": "5",
            "ANSIBLE_STDOUT_CALLBACK": "default",
            "ANSIBLE_NOCOLOR": "1",
            "TMPDIR": str(self.temporary),
        }
        return subprocess.run(
            ["ansible-playbook", "-i", str(self.folder / "hosts.yml"), str(self.folder / "play.yml"), *args],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def written(self) -> list[str]:
        """All texts that the run left in temporary directories, modules and their arguments included."""
        return [path.read_text(errors="replace") for path in self.temporary.rglob("*") if path.is_file()]
