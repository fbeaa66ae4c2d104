"""What tests of a changing site ask of the lab. Needs `lab/lab up istiod`, root, and to be run on the lab's control
node (`lab/lab run`)."""

from __future__ import annotations

import json
import re
from collections import Counter

from lab import config
from tests.live import Json, lab

SITE = config.topology()
VMS = SITE.with_role("vm")
NODES = SITE.with_role("node")
KINDS = "services,endpoints,endpointslices,workloadentries,workloadgroups,serviceaccounts"
# For what a busy machine may take long for.
PATIENCE = 180
_CHANGED = re.compile(r"^\S+\s+: ok=\d+ +changed=(\d+) ", re.MULTILINE)


def changes(said: str) -> int:
    """Of all hosts of a run."""
    return sum(int(number) for number in _CHANGED.findall(said.partition("PLAY RECAP")[2]))


def words(said: str) -> str:
    return " ".join(said.split())


def kubectl(*arguments: str, given: str | None = None) -> str:
    return lab("kubectl", *arguments, given=given, check=True, seconds=PATIENCE)


def apply(*documents: Json) -> None:
    kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)}))


def present() -> set[str]:
    """What a registration may write, as far as it is there."""
    return set(kubectl("get", KINDS, "-n", "default", "-o", "name").split())


def answers(url: str, count: int = 1) -> Counter[str]:
    """The pages that so many requests of the client get, by their first line."""
    script = f"for n in $(seq {count}); do curl -s --max-time 5 {url} | grep -m1 -o '<title>[^<]*\\|^from.*'; done"
    return Counter(lab("pod-exec", "client", "sh", "-c", script, seconds=PATIENCE).splitlines())
