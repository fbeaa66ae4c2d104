"""Runs modules in this process with options of a user, and lets none of them touch the machine."""

from __future__ import annotations

import importlib
import sys
import time
import typing as t
from pathlib import Path
from unittest import mock

from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import options as bootstrap
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity import spec as identity

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("[!_]*.py"))
_PACKAGE = "ansible_collections.mesh.expansion.plugins.modules"
# Whatever changes the machine, or asks another one.
_TOUCHING = ("subprocess.", "socket.connect", "socket.bind", "socket.sendto", "shutil.", "os.system", "os.exec")
_ON_FILES = ("remove", "rename", "rmdir", "mkdir", "chmod", "chown", "symlink", "link", "truncate", "utime")
_WRITING = frozenset("wax+")


class Touched(BaseException):
    """The module began its work. No exception of its own kind, or it would be caught and explained."""


class Ended(BaseException):
    """The module's result."""


class _Guard:
    """An audit hook cannot be taken away, so there is one, and it is switched."""

    on = False
    installed = False

    def __call__(self, event: str, args: t.Any) -> None:
        if not self.on:
            return
        writes = event == "open" and isinstance(args[1], str) and _WRITING & set(args[1])
        if writes or event.startswith(_TOUCHING) or event in {f"os.{name}" for name in _ON_FILES}:
            raise Touched(f"{event} {args[0] if args else ''}")


_GUARD = _Guard()


def _module(name: str) -> t.Any:
    return importlib.import_module(f"{_PACKAGE}.{name}")


def spec_of(name: str) -> dict[str, t.Any]:
    """The argument spec of the module."""
    module = _module(name)

    def caught(argument_spec: dict[str, t.Any], **_more: t.Any) -> t.NoReturn:
        raise Ended(argument_spec)

    with mock.patch.object(module, "NestedModule" if hasattr(module, "NestedModule") else "AnsibleModule", caught):
        try:
            module.main()
        except Ended as ended:
            return t.cast("dict[str, t.Any]", ended.args[0])
    raise AssertionError(f"{name} makes no AnsibleModule")


def judge(name: str, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the action plugin of the module says of its options, on the control node, before it asks or looks."""
    found = ArgumentSpecValidator(spec_of(name)).validate(dict(options))
    if found.error_messages:
        return {"failed": True, "msg": found.error_messages[0]}
    said = _JUDGES[name](found.validated_parameters)
    return {"failed": True, "msg": said} if said else {}


def _bootstrap(parameters: t.Mapping[str, t.Any]) -> str:
    try:
        bootstrap.Options.from_options(parameters)
    except MeshError as exc:
        return str(exc)
    return ""


_JUDGES: dict[str, t.Callable[[t.Mapping[str, t.Any]], str]] = {
    "istio_vm_bootstrap": _bootstrap,
    "istio_vm_certs": lambda parameters: " ".join(_options.wrong(parameters, identity.KINDS)),
}
# Their modules only look; their action plugins judge the options.
ON_CONTROL_NODE = tuple(_JUDGES)


def run(name: str, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The module's result; C(touched) instead of it when it began to do something."""
    if name in _JUDGES:
        return judge(name, options)
    module = _module(name)
    if not _GUARD.installed:
        sys.addaudithook(_GUARD)
        _GUARD.installed = True

    def end(_module: t.Any, **result: t.Any) -> t.NoReturn:
        raise Ended(result)

    def fail(_module: t.Any, msg: str, **result: t.Any) -> t.NoReturn:
        raise Ended({"failed": True, "msg": msg, **result})

    def sleep(seconds: float) -> t.NoReturn:
        raise Touched(f"sleep {seconds}")

    methods = {"exit_json": end, "fail_json": fail, "_log_invocation": lambda _module: None}
    with (
        patch_module_args(dict(options)),
        mock.patch.multiple(basic.AnsibleModule, **methods),
        mock.patch.object(time, "sleep", sleep),
    ):
        _GUARD.on = True
        try:
            module.main()
        except Ended as ended:
            return t.cast("dict[str, t.Any]", ended.args[0])
        except Touched as touched:
            return {"touched": str(touched)}
        finally:
            _GUARD.on = False
    raise AssertionError(f"{name} ends without a result")
