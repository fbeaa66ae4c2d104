"""What README.md has a newcomer type, as a script for a bare Debian: `make bare TARGETS=install`."""

from __future__ import annotations

import re
import shlex

USER = "newcomer"
# What the last line must say: the examples' hosts are nobody's.
FOUND = "findings; nothing has been changed"


def typed(readme: str) -> list[str]:
    """The lines of the block that installs the collection, and the first command on one's own hosts."""
    blocks = re.findall(r"^```shell\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    (install,) = (block for block in blocks if "ansible-galaxy collection install" in block)
    first = next(block for block in blocks if block.startswith("ansible-playbook"))
    return [*install.splitlines(), first.splitlines()[0]]


def script(readme: str, origin: str, other: str) -> str:
    """The lines as they stand, `sudo` by root itself, with the repository's address leading to `origin`.

    Every line must succeed but the last, which must find what is wrong with the example; so it must with `other`, the
    inventory of another generation.
    """
    *install, preflight = typed(readme)
    (address,) = (line.split()[2] for line in install if line.startswith("git clone "))
    own = preflight.split()[2]
    as_root = [line for line in install if line.startswith("sudo ")]
    as_user = [line for line in install if line not in as_root]
    return "\n".join(
        [
            "set -euo pipefail",
            *(f"{_shown(line)}\n{line.replace('sudo ', '')}" for line in as_root),
            f"useradd --create-home --shell /bin/bash {USER}",
            f"git config --system url.{origin}.insteadOf {address}",
            f"git config --system safe.directory {shlex.quote('*')}",
            "lines=$(cat <<'END'",
            "cd",
            *(f"{_shown(line)}\n{line}" for line in as_user),
            *_refused(preflight),
            *_refused(preflight.replace(f" {own} ", f" {other} ")),
            "END",
            ")",
            f'HOME=/home/{USER} USER={USER} exec runuser --user {USER} -- bash -euo pipefail -c "$lines"',
        ]
    )


def _shown(line: str) -> str:
    return f"echo {shlex.quote(f'$ {line}')}"


def _refused(line: str) -> list[str]:
    return [
        _shown(line),
        f"if {line} >said 2>&1 </dev/null; then cat said; echo 'the example passes'; exit 1; fi",
        "cat said",
        f"grep --quiet {shlex.quote(FOUND)} said",
        "! grep Traceback said || exit 1",
    ]
