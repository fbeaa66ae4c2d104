# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's IPVS table: reading it and applying operations to it. Private to the collection."""

from __future__ import annotations

import dataclasses
import errno
import functools
import typing as t

from .._netlink.channel import Channel
from .._netlink.errors import FamilyMissingError, KernelError, NetlinkError, NoReplyError, OverrunError, error_text
from . import codec, model
from .errors import ModuleMissingError, ReadError, UnavailableError
from .plan import ADD_SERVER, ADD_SERVICE, SET_SERVICE, Operation

# More than this many errors at once could overrun the receive buffer.
CHUNK_MESSAGES = 200
CHUNK_BYTES = 64 << 10
_MESSAGE_OVERHEAD = 20
_READ_ATTEMPTS = 3
_LIST_ATTEMPTS = 6

_NO_PERMISSION = (
    "no permission to use IPVS: the kernel wants CAP_NET_ADMIN in the initial user namespace, so run as root "
    "(become: true), not in an unprivileged container"
)

T = t.TypeVar("T")
Choice = t.Callable[[model.ServiceKey], bool]


def _all(_key: model.ServiceKey) -> bool:
    return True


@dataclasses.dataclass
class Report:
    """What became of operations: each of them is in exactly one list."""

    applied: list[Operation] = dataclasses.field(default_factory=list)
    # With the errno.
    failed: list[tuple[Operation, int]] = dataclasses.field(default_factory=list)
    not_applied: list[Operation] = dataclasses.field(default_factory=list)
    # Replies were lost: only another look at the table tells.
    unknown: list[Operation] = dataclasses.field(default_factory=list)
    # Why no more was sent, where trying again is of no use.
    broken: str | None = None


class Client:
    """Use `open`, and close it."""

    def __init__(self, channel: Channel, family: int) -> None:
        self._channel = channel
        self._family = family
        self._chunk_bytes = min(CHUNK_BYTES, channel.send_limit())

    @classmethod
    def open(cls, load: bool = True, channel: Channel | None = None) -> Client:
        """The kernel looks for the module itself when asked for the family;
        `load` adds modprobe, for kernels without that alias."""
        channel = channel or Channel()
        try:
            return cls(channel, channel.family(codec.FAMILY, codec.MODULE if load else None))
        except FamilyMissingError:
            channel.close()
            raise ModuleMissingError(
                f"the kernel has no IPVS: load the module {codec.MODULE} (it may be missing from this "
                "kernel's packages or be blacklisted)"
            ) from None
        except NetlinkError as exc:
            channel.close()
            raise UnavailableError(f"IPVS could not be reached: {exc}") from exc

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def read(self, wanted: Choice = _all) -> dict[model.ServiceKey, model.Entry]:
        """All services, each with its real servers.
        Those of services that are not wanted are not read and come out empty."""

        def attempt() -> dict[model.ServiceKey, model.Entry]:
            decoder = codec.ReplyDecoder()
            table = {}
            for service in self._services(decoder.service, lambda service: service.key):
                key = service.key
                servers: dict[model.ServerKey, model.RealServer] = {}
                if wanted(key):
                    decode = functools.partial(decoder.server, family=key.family)
                    servers = {
                        server[:2]: server
                        for server in self._dump(codec.get_servers(key), decode, "list the real servers of a service")
                    }
                table[key] = model.Entry(service, servers)
            return table

        return self._reading(attempt)

    def read_states(self, wanted: Choice = _all) -> list[model.ServiceState]:
        """All, or the wanted, services with counters, sorted."""

        def attempt() -> list[model.ServiceState]:
            decoder = codec.ReplyDecoder()
            states = []
            for service, statistics in self._services(decoder.service_state, lambda found: found[0].key):
                key = service.key
                if wanted(key):
                    decode = functools.partial(decoder.server_state, family=key.family)
                    servers = self._dump(codec.get_servers(key), decode, "list the real servers of a service")
                    servers.sort(key=lambda state: (len(state.server.address), state.server.address, state.server.port))
                    states.append(model.ServiceState(service, statistics, servers))
            return sorted(states, key=lambda state: state.service.key)

        return self._reading(attempt)

    def info(self) -> dict[str, t.Any]:
        """Version, size of the connection table, timeouts and sync daemons."""

        def attempt() -> dict[str, t.Any]:
            decoder = codec.ReplyDecoder()
            found: dict[str, t.Any] = {}
            for reply in self._channel.call(
                self._family, codec.command(codec.GET_INFO), decoder.info, "tell its version"
            ):
                found.update(reply)
            timeouts = self._channel.call(
                self._family, codec.command(codec.GET_CONFIG), decoder.timeouts, "tell its timeouts"
            )
            found["timeouts"] = timeouts[0] if timeouts else {}
            found["daemons"] = self._daemons(decoder)
            return found

        return self._reading(attempt)

    def daemons(self) -> list[dict[str, t.Any]]:
        """The sync daemons that run: master, backup, or both."""
        return self._reading(lambda: self._daemons(codec.ReplyDecoder()))

    def _daemons(self, decoder: codec.ReplyDecoder) -> list[dict[str, t.Any]]:
        return self._dump(codec.command(codec.GET_DAEMON), decoder.daemon, "list the sync daemons")

    def stop_daemons(self) -> None:
        """One that ended meanwhile is no failure."""
        running = [codec.stop_daemon(one["state"]) for one in self.daemons()]
        if running:
            self._channel.batch(self._family, running)

    def apply(self, operations: t.Sequence[Operation]) -> Report:
        """Applies operations in order, many per system call.

        After a failure the rest of its phase is still applied, but nothing is deleted:
        what the deletions rely on may be missing.
        """
        report = Report()
        chunks = list(self._chunks(operations))
        for number, (chunk, payloads) in enumerate(chunks):
            rest = [operation for later, _payloads in chunks[number + 1 :] for operation in later]
            if chunk[0].deletes and report.failed:
                report.not_applied += chunk + rest
                break
            try:
                results = self._channel.batch(self._family, payloads)
            except (OverrunError, NoReplyError):
                report.unknown += chunk
                report.not_applied += rest
                break
            except NetlinkError as exc:
                report.unknown += chunk
                report.not_applied += rest
                report.broken = f"{len(chunk)} operations, the first of them {chunk[0]}, went wrong: {exc}"
                break
            _sort_results(report, chunk, results)
            if errno.EPERM in results:
                report.not_applied += rest
                break
        return report

    def _chunks(self, operations: t.Sequence[Operation]) -> t.Iterator[tuple[list[Operation], list[bytes]]]:
        """Never with additions and deletions in one chunk, nor with a new service at the end, parted
        from its first real server."""
        chunk: list[Operation] = []
        payloads: list[bytes] = []
        size = 0
        for index, operation in enumerate(operations):
            payload = codec.encode(operation)
            length = len(payload) + _MESSAGE_OVERHEAD
            following = operations[index + 1] if index + 1 < len(operations) else None
            parts = operation.kind == ADD_SERVICE and following is not None and following.kind == ADD_SERVER
            room = 2 if parts else 1
            full = len(chunk) + room > CHUNK_MESSAGES or size + room * length > self._chunk_bytes
            if chunk and (full or chunk[-1].deletes != operation.deletes):
                yield chunk, payloads
                chunk, payloads, size = [], [], 0
            chunk.append(operation)
            payloads.append(payload)
            size += length
        if chunk:
            yield chunk, payloads

    def _services(
        self, decode: t.Callable[[bytearray, int, int], T], key: t.Callable[[T], model.ServiceKey]
    ) -> list[T]:
        """The kernel remembers how far a list is told by counting the services of all network namespaces.

        So it skips some if others go meanwhile, wherever they are. Two lists in a row have to agree;
        if somebody changes services all the time, the last one has to do.
        """
        found: list[T] = []
        told: set[model.ServiceKey] | None = None
        for _attempt in range(_LIST_ATTEMPTS):
            before = told
            found = self._dump(codec.command(codec.GET_SERVICE), decode, "list the virtual services")
            told = {key(one) for one in found}
            if told == before:
                break
        return found

    def _dump(self, payload: bytes, decode: t.Callable[[bytearray, int, int], T], attempt: str) -> list[T]:
        return self._channel.dump(self._family, payload, decode, attempt)

    def _reading(self, attempt: t.Callable[[], T]) -> T:
        """Reading is harmless, so lost replies only mean to read again."""
        for left in reversed(range(_READ_ATTEMPTS)):
            try:
                return attempt()
            except OverrunError as exc:
                if not left:
                    raise ReadError(f"{exc}, {_READ_ATTEMPTS} times in a row") from exc
            except KernelError as exc:
                if exc.errno == errno.EPERM:
                    raise UnavailableError(_NO_PERMISSION) from exc
                raise ReadError(str(exc)) from exc
            except NetlinkError as exc:
                raise ReadError(f"the IPVS table could not be read: {exc}") from exc
        raise ReadError("the IPVS table could not be read")


def _sort_results(report: Report, chunk: t.Sequence[Operation], results: t.Sequence[int]) -> None:
    missing = set()
    for operation, number in zip(chunk, results):
        key = operation.service.key
        if not number:
            report.applied.append(operation)
        elif number == errno.ESRCH and operation.kind == ADD_SERVER and key in missing:
            # Only a consequence of a failure that is reported.
            report.not_applied.append(operation)
        else:
            report.failed.append((operation, number))
            if operation.kind == ADD_SERVICE and number != errno.EEXIST:
                missing.add(key)


def is_race(operation: Operation, number: int) -> bool:
    """Whether the error says that someone else has changed the table since it was read."""
    if operation.kind in (ADD_SERVICE, ADD_SERVER) and number == errno.EEXIST:
        return True
    if number == errno.ESRCH:
        return operation.kind != ADD_SERVICE
    # For a service ENOENT means the scheduler.
    return number == errno.ENOENT and operation.server is not None


def explain(operation: Operation, number: int) -> str:
    """Why the kernel refused an operation, and what helps."""
    service = operation.service
    if number == errno.EPERM:
        return _NO_PERMISSION
    if number == errno.ENOENT and operation.kind in (ADD_SERVICE, SET_SERVICE):
        engine = (
            f" or the persistence engine {service.engine} (module ip_vs_pe_{service.engine})" if service.engine else ""
        )
        return (
            f"the kernel does not find the scheduler {service.scheduler} (module ip_vs_{service.scheduler}){engine}: "
            "load it, or choose another"
        )
    if number == errno.ENOPROTOOPT:
        return "the kernel module ip_vs is being unloaded"
    if number == errno.EAFNOSUPPORT:
        return "this kernel has no IPv6 in IPVS"
    if operation.server is not None and number == errno.EINVAL:
        mixed = model.family_of(operation.server.address) != service.key.family
        reason = (
            "a family other than the service's is impossible while a sync daemon runs"
            if mixed
            else "its address is no unicast address for this host"
        )
        return f"the kernel finds the real server invalid; possibly {reason}"
    return f"the kernel says {error_text(number)}"
