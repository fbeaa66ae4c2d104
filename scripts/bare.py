"""`make bare`: make targets where nothing was installed: a minimal Debian with git and make, as a container.

Names of targets as arguments run these instead; `install` is none of make's, but what README.md has a newcomer type.
`--debian 13` is another release than this machine's. What is tried is a fresh clone of HEAD. From this machine come
the kernel, the network and the way to the package registries (mirrors, proxies, certificates, pip's settings);
everything else the project's own files install. The Makefile starts this in mount and process namespaces of its own,
so that mounts and processes end with it, however it ends.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import install_lines  # noqa: E402 - a neighbour

from lab import config, proc  # noqa: E402 - found through the path above
from lab.build import apt, rootfs, store  # noqa: E402
from lab.debian import RELEASES  # noqa: E402
from lab.errors import LabError  # noqa: E402

TARGETS = ("deps", "lint", "importer", "sanity", "unit")
INCLUDE = ("git", "make")
CLONE = "srv/mesh.expansion"
INSTALL = "install"
OTHER_EXAMPLE = "mesh.expansion/inventory/example-citadel"
# How this machine reaches the package registries.
FILES = ("/etc/hosts", "/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")
TREES = ("/etc/ssl/certs", "/usr/local/share/ca-certificates")
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def inputs(release: str) -> dict[str, Any]:
    """Everything that decides what the root file system holds."""
    return {
        "release": release,
        "include": INCLUDE,
        "sources": apt.system_sources(release),
        "transport": rootfs.transport_settings(),
    }


def build(target: Path, release: str) -> None:
    """The root file system; its apt keeps the mirrors and settings that mmdebstrap was given."""
    print("bare: making a minimal Debian root file system, about half a minute", flush=True)
    sources = target / "system.sources"
    sources.write_text(apt.system_sources(release), encoding="utf-8")
    options = [f"--aptopt={line}" for line in rootfs.transport_settings()]
    options.append(f"--include={','.join(INCLUDE)}")
    proc.run(
        ["mmdebstrap", "--variant=minbase", "--mode=root", *options, release, target / "root", sources],
        timeout=900,
    )


def registry_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that tell pip and apt how to reach their registries from this machine."""
    found = (name for name in environ if name.startswith("PIP_") or name.lower().endswith("_proxy"))
    return {name: environ[name] for name in (*found, *VARIABLES) if name in environ}


def copy_settings(root: Path) -> None:
    """Put the machine's settings where the container looks for them; its home directory is /root."""
    for name in FILES:
        source = Path(name).expanduser()
        if source.is_file():
            target = root / name.replace("~", "/root").lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for name in TREES:
        if Path(name).is_dir():
            shutil.copytree(name, root / name.lstrip("/"), dirs_exist_ok=True, ignore_dangling_symlinks=True)


def prepare(root: Path, release: str) -> None:
    """A copy of the root file system with the machine's settings and a clone of HEAD."""
    made = store.entry("bare", inputs(release), lambda target: build(target, release))
    proc.run(["cp", "-a", "--reflink=auto", made / "root", root], timeout=300)
    copy_settings(root)
    proc.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, root / CLONE], timeout=300)
    if proc.run(["git", "-C", ROOT, "status", "--porcelain"]).stdout:
        print("bare: what is not committed is not part of this run", flush=True)
    # nspawn leaves a directory there for each container; here it goes with this mount namespace.
    Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
    proc.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd/nspawn"])


def command(root: Path, target: str, environ: Mapping[str, str]) -> list[str]:
    """One target in the container, with the host's network."""
    lines = install_lines.script((root / CLONE / "README.md").read_text(encoding="utf-8"), f"/{CLONE}", OTHER_EXAMPLE)
    what = ["bash", "-c", lines] if target == INSTALL else ["make", "--no-print-directory", target]
    variables = registry_environment(environ)
    folders = [word for word in variables.get("PIP_FIND_LINKS", "").split() if Path(word).is_dir()]
    return [
        *("systemd-nspawn", "--quiet", "--directory", str(root), "--register=no", "--keep-unit", "--as-pid2", "--pipe"),
        *("--resolv-conf=copy-host", f"--chdir=/{CLONE}"),
        *(f"--setenv={name}={value}" for name, value in variables.items()),
        *(f"--bind-ro={folder}" for folder in folders),
        *what,
    ]


def run(root: Path, target: str) -> tuple[bool, float]:
    print(f"\n==== bare: {target} ====", flush=True)
    start = time.monotonic()
    done = subprocess.run(command(root, target, os.environ), stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0, time.monotonic() - start


def summarise(release: str, results: Mapping[str, tuple[bool, float]]) -> int:
    """One line per target; the exit status."""
    head = proc.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).stdout.strip()
    print(f"\n==== bare: {release} with {' and '.join(INCLUDE)} alone, commit {head} ====")
    for target, (ok, seconds) in results.items():
        print(f"{'ok    ' if ok else 'FAILED'} {target:16} {seconds:5.0f} s")
    failed = sum(not ok for ok, _seconds in results.values())
    print(f"bare: {len(results) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bare.py")
    parser.add_argument("--debian", choices=RELEASES, help="its release, when it is not this machine's")
    parser.add_argument("targets", nargs="*", default=TARGETS)
    wanted = parser.parse_args(arguments)
    release = RELEASES[wanted.debian].codename if wanted.debian else apt.codename()
    directory = config.cache_dir() / "bare"
    directory.mkdir(parents=True, exist_ok=True)
    work = directory / "run"
    with open(directory / "run.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("bare: another run is under way", file=sys.stderr)
            return 1
        store.remove_tree(work)
        work.mkdir()
        try:
            prepare(work / "root", release)
            return summarise(release, {target: run(work / "root", target) for target in wanted.targets})
        except LabError as error:
            print(f"bare: {error}", file=sys.stderr)
            return 1
        finally:
            store.remove_tree(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
