"""The check for Python 3.9 finds what 3.9 lacks, and lets annotations be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import python39

FUTURE = "from __future__ import annotations\n"


def vermin(*paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*python39.COMMAND, *paths], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("match x:\n    case 1:\n        pass\n", "pattern matching"),
        ("pairs = zip([1], [2], strict=True)\n", "zip(strict)"),
        ("import itertools\nitertools.pairwise([])\n", "itertools.pairwise"),
        ("from datetime import UTC\n", "datetime.UTC"),
        ("from dataclasses import dataclass\n@dataclass(slots=True)\nclass A:\n    x: int\n", "dataclass(slots)"),
        ("import tomllib\n", "tomllib"),
    ],
)
def test_what_the_library_of_3_9_lacks_is_found(tmp_path: Path, source: str, reason: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(FUTURE + source)
    result = vermin(path)
    assert result.returncode == 1
    assert reason in result.stdout


def test_what_3_9_has_passes(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(FUTURE + "merged = {'a': 1} | {'b': 2}\ndef f(x: int | None) -> list[int]: ...\n")
    assert vermin(path).returncode == 0


def test_no_files_are_no_pass(tmp_path: Path) -> None:
    assert vermin().returncode != 0
    assert vermin(tmp_path).returncode != 0


@pytest.mark.parametrize(
    "source",
    [
        "Maybe = int | None",
        "Maybe = None | dict[str, int]",
        "found = isinstance(x, int | str)",
        "found = cast(typing.Any | None, x)",
        "class A(Generic[ipaddress.IPv4Address | ipaddress.IPv6Address]): ...",
    ],
)
def test_a_union_at_run_time_is_found(source: str) -> None:
    assert python39.unions(FUTURE + source) == [2]


def test_an_annotation_may_be_a_union_unless_it_is_evaluated() -> None:
    source = """
def f(x: int | None, *rest: int | str, y: str | None = None) -> dict[str, int | None]:
    z: int | None = x
class A:
    x: int | None
    async def g(self) -> int | None: ...
"""
    assert python39.unions(FUTURE + source) == []
    assert python39.unions(source) == [2, 3, 5, 6]


def test_flags_sets_and_numbers_are_no_types() -> None:
    assert (
        python39.unions(
            "a = re.I | re.M\nb = x | 1\nc = set(a) | {1}\nd = {'a': 1} | other\ne = socket.SOCK_RAW | mode"
        )
        == []
    )
