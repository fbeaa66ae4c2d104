"""The lab's site while something in it changes: playbooks with a test's variables, and requests from a pod meanwhile.
Needs a lab with a real istiod, root, and to be run on the lab's control node (`lab/lab run`)."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import playbook_run
import yaml
from lab_state import ROOT

Json = dict[str, Any]
GO = "/tmp/go"
SAID = "/tmp/said"
# 20 requests a second, as long as the file is there; of an answer that is not 200 also when it came, and what it says.
TRAFFIC = f"""
touch {GO}
while test -e {GO}; do
    code=$(curl -s -o {SAID} --max-time 5 -w '%{{http_code}}' URL)
    if test "$code" != 200; then
        code="$code@$(date +%T):$(head -c 200 {SAID} 2>/dev/null | tr -s ' \\n' _)"
    fi
    echo "$code"
    rm -f {SAID}
    sleep 0.05
done
"""


class Playbooks:
    """Runs playbooks; `groups` are what the inventory has beside the lab's own, `given` the variables of each run."""

    def __init__(
        self, folder: Path, groups: Json | None = None, given: Mapping[str, Any] | None = None, seconds: float = 900
    ) -> None:
        self.folder, self.given, self.seconds = folder, given or {}, seconds
        self.inventory(groups or {})

    def inventory(self, groups: Json) -> None:
        (self.folder / "more.yml").write_text(yaml.safe_dump(groups or {"all": {}}), encoding="utf-8")

    def run(self, playbook: str, *arguments: str, **variables: Any) -> tuple[bool, str]:
        """Whether it succeeded, and all that it said."""
        given = self.folder / "given.json"
        given.write_text(json.dumps({**self.given, **variables}), encoding="utf-8")
        more = ["-i", str(self.folder / "more.yml"), playbook, "-e", f"@{given}"]
        done = playbook_run.run(*more, *arguments, seconds=self.seconds)
        return done.returncode == 0, done.stdout

    def good(self, playbook: str, *arguments: str, **variables: Any) -> str:
        ok, said = self.run(playbook, *arguments, **variables)
        assert ok, said[-6000:]
        return said


def own_groups(names: list[str]) -> Json:
    """An inventory in which each VM is in a WorkloadGroup of its own, since each has an identity of its own."""
    return {"vms": {"hosts": {name: {"mesh_vm_group": name} for name in names}}}


def lab(*arguments: str, given: str | None = None, check: bool = False, seconds: float = 120) -> str:
    done = subprocess.run(
        ["lab/lab", *arguments], cwd=ROOT, input=given, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout


def eventually(what: str, check: Callable[[], Any], timeout: float = 60) -> Any:
    """The first true result, or a failure that names what was waited for and what was there last."""
    deadline = time.monotonic() + timeout
    while True:
        result = check()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what}: not so after {timeout:.0f} s; last: {result!r}"
        time.sleep(0.3)


CLIENT = ("pod-exec", "client")


class Traffic:
    """Requests, of the client or another (`where`: arguments of the lab's program before a command), while something is
    done; `failed` are the answers that were not 200."""

    def __init__(self, url: str, where: Sequence[str] = CLIENT) -> None:
        self.url, self.where = url, where
        self.sent = 0
        self.failed: list[str] = []

    def __enter__(self) -> Traffic:
        script = TRAFFIC.replace("URL", self.url)
        command = ["lab/lab", *self.where, "sh", "-c", script]
        self._sender = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        time.sleep(3)
        return self

    def __exit__(self, *_exception: object) -> None:
        # What the last change brings about is seen too.
        time.sleep(3)
        lab(*self.where, "rm", "-f", GO)
        codes = self._sender.communicate(timeout=30)[0].split()
        self.sent, self.failed = len(codes), [code for code in codes if code != "200"]

    def __str__(self) -> str:
        return f"{self.sent} requests, {len(self.failed)} failed {dict(Counter(self.failed)) or ''}".strip()
