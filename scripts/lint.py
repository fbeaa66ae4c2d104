"""Run every linter, report all of them, fail if one failed. Names as arguments run only these."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import junit
import python39

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build/results"
ARTIFACT_SOURCE = ROOT / "build/artifact"
COLLECTION = ARTIFACT_SOURCE / "ansible_collections/mesh/expansion"


class LintError(Exception):
    """A linter found something, or is missing."""


def tracked(*patterns: str) -> list[str]:
    """Return the files of the working tree that match, without ignored ones."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted({name for name in listed if (ROOT / name).is_file()})


def run(*command: str, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command and return its output, or raise with it."""
    if shutil.which(command[0]) is None:
        raise LintError(f"{command[0]} is not installed")
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LintError(f"$ {' '.join(command[:6])}\n{done.stdout}")
    return done.stdout


def ansible_lint() -> None:
    run("ansible-lint", "--offline", "--profile", "production", "--strict", "--nocolor", "-q")


def yamllint() -> None:
    run("yamllint", "--strict", ".")


def ruff() -> None:
    run("ruff", "check", "--quiet", ".")
    run("ruff", "format", "--check", "--quiet", ".")


def managed_python() -> None:
    names = tracked("plugins/*.py", "roles/*.py")
    run(*python39.COMMAND, *names)
    found = [(name, line) for name in names for line in python39.unions((ROOT / name).read_text())]
    if found:
        raise LintError("\n".join(f"{name}:{line}: `|` between types needs Python 3.10" for name, line in found))


def mypy_collection() -> None:
    run("mypy", "--no-error-summary", *_packages("plugins/*", "roles/*/files"))


def _packages(*folders: str) -> list[str]:
    prefix = "build/collections/ansible_collections/mesh/expansion"
    return [f"{prefix}/{name}" for name in tracked(*(f"{folder}/*.py" for folder in folders))]


def mypy_lab() -> None:
    run("mypy", "--no-error-summary", *tracked("lab/*.py"))


def mypy_scripts() -> None:
    run("mypy", "--no-error-summary", *tracked("scripts/*.py"), MYPYPATH="scripts")


def shellcheck() -> None:
    candidates = tracked()
    scripts = [name for name in candidates if name.endswith(".sh") or _has_shell_shebang(ROOT / name)]
    run("shellcheck", "--severity=warning", *scripts)


def _has_shell_shebang(path: Path) -> bool:
    with path.open("rb") as stream:
        first = stream.readline(80)
    return first.startswith(b"#!") and (b"bash" in first or b"/sh" in first)


def docs() -> None:
    run("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", ".")


def reference() -> None:
    run(sys.executable, "scripts/reference.py")


def changelog() -> None:
    run("antsibull-changelog", "lint")
    run("antsibull-changelog", "lint-changelog-yaml", "--strict", "changelogs/changelog.yaml")


def galaxy_importer() -> None:
    """Build the artifact from a clean copy and import it as a hub would, with the checks that certification adds."""
    run("scripts/clean_copy.sh", str(ARTIFACT_SOURCE))
    run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(ARTIFACT_SOURCE), cwd=COLLECTION)
    (artifact,) = ARTIFACT_SOURCE.glob("mesh-expansion-*.tar.gz")
    output = run(
        sys.executable,
        "-m",
        "galaxy_importer.main",
        str(artifact),
        cwd=ARTIFACT_SOURCE,
        GALAXY_IMPORTER_CHECK_REQUIRED_TAGS="true",
        GALAXY_IMPORTER_REQUIRE_V1_OR_GREATER="true",
    )
    complaints = [line for line in output.splitlines() if "ERROR" in line or "WARNING" in line]
    if complaints:
        raise LintError("\n".join(complaints))


# Has a target of its own: it gives ansible-lint three minutes, so nothing else may run first, or beside it.
IMPORTER = "galaxy-importer"
CHECKS: dict[str, Callable[[], None]] = {
    "ansible-lint": ansible_lint,
    "yamllint": yamllint,
    "ruff": ruff,
    "python39": managed_python,
    "mypy-collection": mypy_collection,
    "mypy-lab": mypy_lab,
    "mypy-scripts": mypy_scripts,
    "shellcheck": shellcheck,
    "docs": docs,
    "reference": reference,
    "changelog": changelog,
    IMPORTER: galaxy_importer,
}


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(CHECKS))
    if unknown:
        print(f"lint: no check named {', '.join(unknown)}; there are: {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    results = []
    chosen = names or [name for name in CHECKS if name != IMPORTER]
    for name in chosen:
        start = time.monotonic()
        try:
            CHECKS[name]()
            result = junit.Check(name, time.monotonic() - start, ok=True)
        except (LintError, subprocess.CalledProcessError) as error:
            result = junit.Check(name, time.monotonic() - start, ok=False, output=str(error))
        results.append(result)
        print(f"{'ok    ' if result.ok else 'FAILED'} {name:16} {result.seconds:5.1f} s", flush=True)
        if not result.ok:
            print(result.output, flush=True)
    stage = "importer" if chosen == [IMPORTER] else "lint"
    report = RESULTS / stage / f"{stage}.xml"
    junit.write(report, stage, results)
    counts = junit.count([report])
    print(f"lint: {counts}")
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
