"""SSH to the hosts: keys of one run, strict host key checking."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import config, proc
from lab.config import Host


def private_key() -> Path:
    return config.ssh_dir() / "id_ed25519"


def host_key(host: Host) -> Path:
    return config.ssh_dir() / "hosts" / host.name


def _generate(path: Path, comment: str) -> None:
    if not path.exists():
        proc.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])


def keys_up() -> None:
    """Make the login key, every host's key, known_hosts and an SSH client configuration."""
    directory = config.ssh_dir()
    (directory / "hosts").mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    _generate(private_key(), "mesh-lab")
    known = []
    for host in config.topology().hosts:
        _generate(host_key(host), f"root@{host.name}")
        public = host_key(host).with_name(host.name + ".pub").read_text(encoding="utf-8").split()
        known.append(f"{host.name},{host.address} {public[0]} {public[1]}\n")
    (directory / "known_hosts").write_text("".join(known), encoding="utf-8")
    (directory / "config").write_text(client_config(), encoding="utf-8")


def client_config() -> str:
    """For `ssh -F S/ssh/config HOST` inside the lab's network namespace."""
    blocks = [f"Host {host.name}\n    HostName {host.address}\n" for host in config.topology().hosts]
    common = {
        "User": "root",
        "IdentityFile": private_key(),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": config.ssh_dir() / "known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "5",
        "ServerAliveInterval": "5",
        "LogLevel": "ERROR",
    }
    return "".join(blocks) + "Host *\n" + "".join(f"    {name} {value}\n" for name, value in common.items())


def public_key() -> str:
    return private_key().with_suffix(".pub").read_text(encoding="utf-8")


def ssh_argv(host: Host, tty: bool = False) -> list[str]:
    """The ssh command up to the host's name; run it in the lab's network namespace."""
    return ["ssh", "-F", str(config.ssh_dir() / "config"), *(["-t"] if tty else []), host.name]


def ssh(
    host: Host, argv: Sequence[str], *, timeout: float = 60, check: bool = True, input: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as root on a host. `argv` is quoted for the remote shell."""
    command = [*ssh_argv(host), "--", quote(argv)]
    return proc.run(command, netns=config.topology().netns, timeout=timeout, check=check, input=input)


def quote(argv: Sequence[str]) -> str:
    """One word is a shell line and passes as it is; several words are quoted one by one."""
    return argv[0] if len(argv) == 1 else shlex.join(argv)


host_exec = ssh


def lets_in(host: Host) -> bool:
    """Whether root can log in. A director takes its time on a busy machine; a host that is off says so soon."""
    return ssh(host, ["true"], timeout=60, check=False).returncode == 0
