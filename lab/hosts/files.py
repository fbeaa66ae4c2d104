"""Files of a host that differ from the common root file system, put in place before it boots."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab import config, proc
from lab.config import Host, Topology

NGINX_SITE = """server {
    listen 9080 default_server;
    root /var/www/html;
    index index.nginx-debian.html;
    server_name _;
}
"""


def host_dir(host: Host) -> Path:
    return config.state_dir() / "hosts" / host.name


def host_rootfs(host: Host) -> Path:
    """Where to put files for a host before it boots.

    For a container this is its mounted root; for the director a tree that is copied over its root at first boot.
    """
    return host_dir(host) / ("seed" if host.role == "director" else "root")


def machine_id(host: Host) -> str:
    return hashlib.md5(f"mesh-lab {host.name}".encode(), usedforsecurity=False).hexdigest()


def host_files(host: Host, site: Topology) -> dict[str, str]:
    """Path -> text of every host's own configuration."""
    files = {
        "etc/hostname": f"{host.name}\n",
        "etc/machine-id": f"{machine_id(host)}\n",
        "etc/hosts": f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{host.address} {host.name}\n",
        "etc/resolv.conf": f"nameserver {site.upstream_dns}\n",
        "etc/mesh-lab.conf": f"NIC={host.nic}\nADDRESS={host.address}/{site.prefix_length}\nGATEWAY={site.gateway}\n",
        "etc/apt/sources.list.d/lab.list": f"deb [trusted=yes] http://{site.gateway}:{site.http_port}/debian ./\n",
    }
    if host.role == "vm":
        files["etc/nginx/sites-available/default"] = NGINX_SITE
    return files


def write_host_files(host: Host, authorized_key: str, host_key: Path) -> None:
    """Write the files above and the SSH keys into a fresh root."""
    root = host_rootfs(host)
    for name, text in host_files(host, config.topology()).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    ssh = root / "root" / ".ssh"
    ssh.mkdir(mode=0o700, parents=True, exist_ok=True)
    (root / "root").chmod(0o700)
    (ssh / "authorized_keys").write_text(authorized_key, encoding="utf-8")
    (root / "etc" / "ssh").mkdir(exist_ok=True)
    for suffix in ("", ".pub"):
        proc.run(
            [
                "install",
                "-m",
                "0644" if suffix else "0600",
                f"{host_key}{suffix}",
                f"{root}/etc/ssh/ssh_host_ed25519_key{suffix}",
            ]
        )
    if host.role == "vm":
        wants = root / "etc/systemd/system/multi-user.target.wants"
        (wants / "nginx.service").symlink_to("/lib/systemd/system/nginx.service")
