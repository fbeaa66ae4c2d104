# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a node: kube-proxy and the pod network, to be written before it boots."""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from lab.config import Host, Topology
from lab.errors import LabError

NODE_FILES = Path(__file__).with_name("node")
UNITS = ("pod-network.service", "kube-proxy.service")


def vtep(host: Host) -> tuple[str, str]:
    """Address and MAC of the node's end of the tunnel; the MAC follows from the address, so that peers know it."""
    address = ipaddress.IPv4Network(str(host.pod_cidr)).network_address
    return str(address), "0e:00:" + ":".join(f"{byte:02x}" for byte in address.packed)


def network_config(host: Host, nodes: Sequence[Host], site: Topology) -> str:
    """/etc/pod-network.conf."""
    peers = [",".join((n.address, str(n.pod_cidr), *vtep(n))) for n in nodes if n.name != host.name]
    return (
        f"NIC={host.nic}\nPOD_NETWORK={site.pod_cidr}\nPOD_CIDR={host.pod_cidr}\n"
        f'VTEP={",".join(vtep(host))}\nPEERS="{" ".join(peers)}"\n'
    )


def check_proxy_mode(mode: str, modules: Path = Path("/proc/net/ip_vs")) -> None:
    """Nodes are containers: what kube-proxy programs is this machine's kernel."""
    if mode == "ipvs" and not modules.exists():
        raise LabError(
            "kube-proxy mode ipvs: this machine's kernel has no ip_vs (no /proc/net/ip_vs), and nodes of the lab "
            "run on that kernel: load it with `modprobe ip_vs` if the machine has the module, else use iptables "
            "or nftables"
        )


def proxy_config(host: Host, site: Topology, mode: str) -> str:
    """kube-proxy's configuration. Conntrack sysctls are not writable in a container: all of them are left alone."""
    sync = {"minSyncPeriod": "100ms", "syncPeriod": "30s"}
    document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": mode,
        # Its own address, or it asks the API for the Node and waits long when that fails.
        "bindAddress": host.address,
        "hostnameOverride": host.name,
        "clusterCIDR": site.pod_cidr,
        "clientConnection": {"kubeconfig": "/var/lib/kube-proxy/kubeconfig", "qps": 50, "burst": 100},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        # With direct routing no node may answer for the VIP, which ipvs mode puts on an interface.
        mode: sync | ({"strictARP": True, "scheduler": "rr"} if mode == "ipvs" else {}),
    }
    return yaml.safe_dump(document, sort_keys=False)


def write_files(root: Path, host: Host, site: Topology, kube_proxy: Path, kubeconfig: str, mode: str) -> None:
    """Everything into the node's root file system; units are enabled."""
    _install(root / "usr/local/bin/kube-proxy", kube_proxy)
    script = root / "usr/local/sbin/pod-network"
    shutil.copyfile(NODE_FILES / "pod-network.sh", script)
    script.chmod(0o755)
    state = root / "var/lib/kube-proxy"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / "config.yaml").write_text(proxy_config(host, site, mode), encoding="utf-8")
    (state / "kubeconfig").touch(mode=0o600)
    (state / "kubeconfig").write_text(kubeconfig, encoding="utf-8")
    network = network_config(host, site.with_role("node"), site)
    (root / "etc/pod-network.conf").write_text(network, encoding="utf-8")
    units = root / "etc/systemd/system"
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for name in UNITS:
        text = (NODE_FILES / name).read_text(encoding="utf-8")
        (units / name).write_text(text.replace("@SERVER@", f"https://{site.gateway}:{site.api_port}"), encoding="utf-8")
        link = wants / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"/etc/systemd/system/{name}")


def _install(target: Path, source: Path) -> None:
    """Copy a program unless the same one is there."""
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)
