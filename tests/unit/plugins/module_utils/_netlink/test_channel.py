# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket layer: whose and which replies count, and how each kind of trouble shows."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._netlink import channel as channel_module
from ansible_collections.mesh.expansion.plugins.module_utils._netlink import codec
from ansible_collections.mesh.expansion.plugins.module_utils._netlink.channel import Channel
from ansible_collections.mesh.expansion.plugins.module_utils._netlink.errors import (
    DecodeError,
    FamilyMissingError,
    KernelError,
    NetlinkError,
    NoReplyError,
    OverrunError,
    SystemCallError,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FAMILY = 28


def reply(kind: int, sequence: int, payload: bytes) -> bytes:
    return codec.message(kind, 0, sequence, payload)


def acknowledgement(sequence: int, number: int = 0) -> bytes:
    return reply(codec.NLMSG_ERROR, sequence, struct.pack("=i", -number))


def done(sequence: int) -> bytes:
    return reply(codec.NLMSG_DONE, sequence, struct.pack("=i", 0))


class ScriptedSocket:
    """Gives out datagrams, or raises errors, in order."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.sent: list[bytes] = []
        self.closed = False

    def send(self, data: bytes) -> int:
        self.sent.append(data)
        return len(data)

    def recvmsg_into(self, buffers: list[bytearray]) -> tuple[int, list[Any], int, tuple[int, int]]:
        if not self.script:
            raise BlockingIOError(errno.EAGAIN, "timeout")
        item = self.script.pop(0)
        if isinstance(item, OSError):
            raise item
        data, sender, flags = item if isinstance(item, tuple) else (item, 0, 0)
        size = min(len(data), len(buffers[0]))
        buffers[0][:size] = data[:size]
        return size, [], flags, (sender, 0)

    def getsockopt(self, _level: int, _option: int) -> int:
        return 1000

    def close(self) -> None:
        self.closed = True


def scripted(*script: Any) -> tuple[Channel, ScriptedSocket]:
    sock = ScriptedSocket(*script)
    return Channel(1.0, lambda _timeout: sock), sock  # type: ignore[arg-type, return-value]


def content(buffer: bytearray, start: int, end: int) -> bytes:
    return bytes(buffer[start:end])


def test_dump_collects_messages_up_to_the_end() -> None:
    channel, sock = scripted(reply(FAMILY, 1, b"hdr.one.") + reply(FAMILY, 1, b"hdr.two."), done(1))
    assert channel.dump(FAMILY, b"ask.", content, "ask") == [b"one.", b"two."]
    assert not sock.closed
    assert sock.sent == [codec.message(FAMILY, 0x301, 1, b"ask.")]


def test_other_senders_and_earlier_requests_do_not_count() -> None:
    forged = (reply(FAMILY, 1, b"hdr.evil") + done(1), 4711, 0)
    channel, _sock = scripted(
        forged, reply(FAMILY, 7, b"hdr.old."), reply(codec.NLMSG_NOOP, 1, b""), reply(FAMILY, 1, b"hdr.good"), done(1)
    )
    assert channel.dump(FAMILY, b"ask.", content, "ask") == [b"good"]


def test_errors_of_a_dump_are_raised() -> None:
    channel, sock = scripted(acknowledgement(1, errno.EPERM))
    with pytest.raises(KernelError, match=r"refused to list things: EPERM \(1, ") as caught:
        channel.dump(FAMILY, b"ask.", content, "list things")
    assert caught.value.errno == errno.EPERM
    assert not sock.closed


def test_a_call_is_over_with_its_acknowledgement() -> None:
    channel, sock = scripted(reply(FAMILY, 1, b"hdr.data"), acknowledgement(1), acknowledgement(2, errno.ESRCH))
    assert channel.call(FAMILY, b"ask.", content, "ask") == [b"data"]
    with pytest.raises(KernelError):
        channel.call(FAMILY, b"ask.", content, "ask")
    assert [codec.HEADER.unpack_from(data)[2:4] for data in sock.sent] == [(5, 1), (5, 2)]


def test_only_the_last_of_a_batch_is_acknowledged_and_errors_go_where_they_belong() -> None:
    channel, sock = scripted(acknowledgement(2, errno.EEXIST), acknowledgement(3, errno.ESRCH) + acknowledgement(4))
    assert channel.batch(FAMILY, [b"aaaa", b"bbbb", b"cccc", b"dddd"]) == [0, errno.EEXIST, errno.ESRCH, 0]
    assert [message.flags for message in codec.messages(sock.sent[0], len(sock.sent[0]))] == [1, 1, 1, 5]
    assert len(sock.sent) == 1


def test_a_batch_may_end_with_a_failure() -> None:
    assert scripted(acknowledgement(2, errno.ENOENT))[0].batch(FAMILY, [b"aaaa", b"bbbb"]) == [0, errno.ENOENT]


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (OSError(errno.ENOBUFS, "full"), OverrunError),
        (OSError(errno.ENOMEM, "none"), SystemCallError),
        (BlockingIOError(errno.EAGAIN, "late"), NoReplyError),
        (b"short", DecodeError),
        (acknowledgement(1)[:18], DecodeError),
        ((reply(FAMILY, 1, b"x" * 50), 0, 0x20), DecodeError),
    ],
)
def test_trouble_has_a_type_and_closes_the_socket(trouble: Any, expected: type[NetlinkError]) -> None:
    requests: list[Callable[[Channel], Any]] = [
        lambda channel: channel.dump(FAMILY, b"ask.", content, "ask"),
        lambda channel: channel.call(FAMILY, b"ask.", content, "ask"),
        lambda channel: channel.batch(FAMILY, [b"ask."]),
    ]
    for request in requests:
        channel, sock = scripted(trouble)
        with pytest.raises(expected):
            request(channel)
        assert sock.closed


def test_a_channel_goes_on_with_a_new_socket() -> None:
    sockets = [ScriptedSocket(OSError(errno.ENOBUFS, "full")), ScriptedSocket(done(1))]
    channel = Channel(1.0, lambda _timeout: sockets.pop(0))  # type: ignore[arg-type, return-value]
    with pytest.raises(OverrunError):
        channel.dump(FAMILY, b"ask.", content, "ask")
    assert channel.dump(FAMILY, b"ask.", content, "ask") == []


def test_nothing_is_sent_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    channel, sock = scripted()
    monkeypatch.setattr(sock, "send", lambda data: len(data) - 4)
    with pytest.raises(SystemCallError, match="EMSGSIZE"):
        channel.batch(FAMILY, [b"aaaa"])
    assert sock.closed


@pytest.mark.parametrize(
    "datagram",
    [(done(1), 4711, 0), reply(FAMILY, 7, b"head"), reply(FAMILY, 1, b"head")],
    ids=["foreign", "earlier", "without end"],
)
def test_traffic_does_not_keep_us_for_ever(monkeypatch: pytest.MonkeyPatch, datagram: Any) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr(channel_module.time, "monotonic", lambda: next(ticks) / 10)
    channel, sock = scripted(*[datagram] * 1000)
    with pytest.raises(NoReplyError):
        channel.dump(FAMILY, b"ask.", content, "ask")
    assert sock.script


def family_reply(sequence: int, number: int) -> bytes:
    return reply(
        16, sequence, b"\1\2\0\0" + codec.attribute(2, b"IPVS\0") + codec.attribute(1, struct.pack("=H", number))
    ) + acknowledgement(sequence)


def test_family_is_looked_up_with_the_final_nul() -> None:
    channel, sock = scripted(family_reply(1, 31))
    assert channel.family("IPVS") == 31
    assert sock.sent[0].endswith(bytes.fromhex("0900020049505653") + b"\0\0\0\0")


def test_a_missing_family_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[list[str]] = []

    def run(arguments: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        loaded.append(arguments)
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr(channel_module.subprocess, "run", run)
    monkeypatch.setattr(
        channel_module.shutil,
        "which",
        lambda _name, path: "/sbin/modprobe" if "/sbin" in path.split(os.pathsep) else None,
    )
    channel, _sock = scripted(acknowledgement(1, errno.ENOENT), family_reply(2, 31))
    assert channel.family("IPVS", "ip_vs") == 31
    assert loaded == [["/sbin/modprobe", "--", "ip_vs"]]


@pytest.mark.parametrize(
    "result",
    [OSError(errno.ENOENT, "gone"), subprocess.TimeoutExpired("modprobe", 1), subprocess.CompletedProcess([], 1)],
)
def test_a_family_that_cannot_be_loaded_is_missing(monkeypatch: pytest.MonkeyPatch, result: Any) -> None:
    def run(*_arguments: Any, **_options: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(channel_module.subprocess, "run", run)
    monkeypatch.setattr(channel_module.shutil, "which", lambda _name, path: "/sbin/modprobe")
    with pytest.raises(FamilyMissingError):
        scripted(acknowledgement(1, errno.ENOENT))[0].family("IPVS", "ip_vs")


def test_without_modprobe_a_family_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module.shutil, "which", lambda _name, path: None)
    with pytest.raises(FamilyMissingError):
        scripted(acknowledgement(1, errno.ENOENT))[0].family("IPVS", "ip_vs")


def test_family_errors() -> None:
    with pytest.raises(KernelError):
        scripted(acknowledgement(1, errno.EPERM))[0].family("IPVS")
    with pytest.raises(DecodeError):
        scripted(acknowledgement(1))[0].family("IPVS")
    with pytest.raises(DecodeError):
        scripted(family_reply(1, 3))[0].family("IPVS")


def test_a_real_socket_opens_and_answers() -> None:
    channel = Channel(5.0)
    try:
        # The controller is a family of every kernel.
        assert channel.family("nlctrl") == 16
        with pytest.raises(FamilyMissingError):
            channel.family("no such family")
        assert channel.send_limit() > 1000
    finally:
        channel.close()


@settings(max_examples=300)
@given(
    st.lists(
        st.binary(max_size=120)
        | st.builds(reply, st.sampled_from([2, 3, FAMILY]), st.integers(0, 4), st.binary(max_size=60)),
        max_size=6,
    )
)
def test_no_reply_leads_to_anything_but_a_result_or_a_netlink_error(script: list[bytes]) -> None:
    reader = codec.AttributeReader({1: "I", 2: "text", 3: "raw"})
    for request in (
        lambda channel: channel.dump(FAMILY, b"ask.", reader.read, "ask"),
        lambda channel: channel.call(FAMILY, b"ask.", reader.read, "ask"),
        lambda channel: channel.batch(FAMILY, [b"one.", b"two."]),
        lambda channel: channel.family("IPVS"),
    ):
        channel, _sock = scripted(*script)
        with contextlib.suppress(NetlinkError):
            request(channel)
