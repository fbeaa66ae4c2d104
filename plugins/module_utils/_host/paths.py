# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, links and directories of a host as values: read them, compare them, put them in place.
Private to the collection."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import shutil
import stat
import typing as t

from . import accounts
from .errors import HostError

ABSENT, FILE, LINK, DIRECTORY = "absent", "file", "link", "directory"


@dataclasses.dataclass(frozen=True)
class PathState:
    """What is at a path. A file without content is one whose content is nobody's business, such as a key."""

    kind: str = ABSENT
    owner: str = ""
    group: str = ""
    mode: str = ""
    content: bytes | None = None
    target: str = ""
    # When it was changed, in ns: goes back with the rest, and makes no difference by itself.
    mtime: int = dataclasses.field(default=0, compare=False)

    def as_dict(self) -> dict[str, t.Any]:
        """For JSON: what is empty is left out, text stays readable."""
        shown: dict[str, t.Any] = {"kind": self.kind}
        for name in ("owner", "group", "mode", "target"):
            if getattr(self, name):
                shown[name] = getattr(self, name)
        if self.mtime:
            shown["mtime"] = self.mtime
        if self.content is not None:
            try:
                shown["text"] = self.content.decode()
            except UnicodeDecodeError:
                shown["base64"] = base64.b64encode(self.content).decode()
        return shown

    @classmethod
    def from_dict(cls, shown: t.Mapping[str, t.Any]) -> PathState:
        content = None
        if "text" in shown:
            content = str(shown["text"]).encode()
        elif "base64" in shown:
            content = base64.b64decode(shown["base64"])
        plain = {name: str(shown.get(name, "")) for name in ("owner", "group", "mode", "target")}
        return cls(kind=str(shown["kind"]), content=content, mtime=int(shown.get("mtime", 0)), **plain)


NOTHING = PathState()


def text_file(text: str, mode: str = "0644", owner: str = "root", group: str = "root") -> PathState:
    return PathState(FILE, owner, group, mode, text.encode("utf-8", "surrogateescape"))


def directory(mode: str = "0755", owner: str = "root", group: str = "root") -> PathState:
    return PathState(DIRECTORY, owner, group, mode)


def read(path: str, content: bool = True) -> PathState:
    """What is at a path, a link as a link."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return NOTHING
    except OSError as exc:
        raise HostError(f"Cannot look at {path}: {exc.strerror or exc}") from exc
    owner, group = accounts.user_of(found.st_uid), accounts.group_of(found.st_gid)
    if stat.S_ISLNK(found.st_mode):
        return PathState(LINK, owner, group, target=os.readlink(path), mtime=found.st_mtime_ns)
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    if stat.S_ISDIR(found.st_mode):
        return PathState(DIRECTORY, owner, group, mode)
    if not stat.S_ISREG(found.st_mode):
        raise HostError(f"{path} is neither a file nor a link nor a directory. Move it away, and run again.")
    return PathState(FILE, owner, group, mode, read_bytes(path) if content else None, mtime=found.st_mtime_ns)


def read_bytes(path: str) -> bytes | None:
    """The content of a file, also behind a link; None when there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise HostError(f"Cannot read {path}: {exc.strerror or exc}") from exc


def read_text(path: str) -> str | None:
    content = read_bytes(path)
    return None if content is None else content.decode("utf-8", "surrogateescape")


def beside(path: str, purpose: str = "") -> str:
    """Where the new file is made before it takes its place:
    hidden, so that programs which read a whole folder pass it over."""
    return f"{os.path.dirname(path)}/.{os.path.basename(path)}.mesh-expansion{purpose}"


def put(path: str, wanted: PathState) -> None:
    """Make the path what is wanted. Files and links are renamed into place:
    at every moment there is the old or the new one."""
    try:
        if wanted.kind == ABSENT:
            _remove(path)
        elif wanted.kind == DIRECTORY:
            _make_directory(path, wanted)
        elif wanted.kind == LINK:
            _rename_over(path, lambda temporary: os.symlink(wanted.target, temporary), wanted, link=True)
        elif wanted.content is None:
            _own(path, wanted)
        else:
            _rename_over(path, lambda temporary: _write(temporary, wanted), wanted)
    except OSError as exc:
        raise HostError(f"Cannot put {path} in place: {exc.strerror or exc}") from exc


def _remove(path: str) -> None:
    if os.path.islink(path) or not os.path.isdir(path):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
    else:
        shutil.rmtree(path)


def _make_directory(path: str, wanted: PathState) -> None:
    if not os.path.isdir(path):
        os.makedirs(path, 0o755)
    _own(path, wanted)


def _rename_over(path: str, make: t.Callable[[str], None], wanted: PathState, link: bool = False) -> None:
    temporary = beside(path)
    _remove(temporary)  # of a run that was killed
    try:
        make(temporary)
        if link:
            os.lchown(temporary, *_ids(wanted))
        if wanted.mtime:
            os.utime(temporary, ns=(wanted.mtime, wanted.mtime), follow_symlinks=False)
        if os.path.isdir(path) and not os.path.islink(path):
            raise HostError(f"{path} is a directory, where a {wanted.kind} belongs. Move it away, and run again.")
        os.replace(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


def _write(path: str, wanted: PathState) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(wanted.content or b"")
        os.fchown(stream.fileno(), *_ids(wanted))
        os.fchmod(stream.fileno(), int(wanted.mode or "0644", 8))
        stream.flush()
        os.fsync(stream.fileno())


def _own(path: str, wanted: PathState) -> None:
    os.chown(path, *_ids(wanted))
    if wanted.mode:
        os.chmod(path, int(wanted.mode, 8))


def _ids(wanted: PathState) -> tuple[int, int]:
    return accounts.uid_of(wanted.owner or "root"), accounts.gid_of(wanted.group or "root")
