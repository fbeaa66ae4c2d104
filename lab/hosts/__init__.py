"""The lab's hosts: one network, a virtual machine (director), containers with systemd (nodes, VMs)."""

from __future__ import annotations

from lab.hosts.files import host_rootfs
from lab.hosts.lifecycle import host_down, host_up, leader, prepare, reboot, running, start, wait_ready
from lab.hosts.network import network_down, network_up
from lab.hosts.remote import host_exec, ssh, ssh_argv

__all__ = [
    "host_down",
    "host_exec",
    "host_rootfs",
    "host_up",
    "leader",
    "network_down",
    "network_up",
    "prepare",
    "reboot",
    "running",
    "ssh",
    "ssh_argv",
    "start",
    "wait_ready",
]
