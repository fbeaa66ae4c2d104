# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads a kubeconfig, and says what is wrong with it in words that the client library has not.
Private to the collection."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import typing as t

from .errors import KubeConfigError

try:
    import kubernetes
    import yaml
    from ansible.module_utils.common.yaml import yaml_load
except ImportError:
    # The client says so before anything of this is reached. kubernetes needs yaml too.
    pass

DEFAULT = "~/.kube/config"
# A folder that is on no disk.
_MEMORY = "/dev/shm"
_LISTS = ("clusters", "contexts", "users")
_SERVER = re.compile(r"https?://[^\s/:]+|https?://\[[0-9a-fA-F:.]+\]")
_PORT = re.compile(r":([0-9]+)")


def load(kubeconfig: str | None, context: str | None) -> t.Any:
    """The client library's configuration, or a KubeConfigError."""
    found = _files(kubeconfig)
    source = kubeconfig or os.pathsep.join(found) or "a kubeconfig"
    try:
        return _load(kubeconfig, context, found)
    except (kubernetes.config.ConfigException, KubeConfigError, OSError, ValueError, TypeError, KeyError) as exc:
        raise KubeConfigError(
            f"Cannot load {source}{f' (context {context})' if context else ''}: {str(exc).rstrip('.')}. "
            "Set kubeconfig (or the environment variable KUBECONFIG) to a file that this user can read, "
            "and context to one of its contexts."
        ) from exc


def _load(kubeconfig: str | None, context: str | None, found: t.Sequence[str]) -> t.Any:
    configuration = kubernetes.client.Configuration()
    if not (kubeconfig or context or any(map(os.path.exists, found))):
        try:
            kubernetes.config.load_incluster_config(client_configuration=configuration)
        except kubernetes.config.ConfigException:
            raise KubeConfigError(_nowhere()) from None
        return configuration
    if len(found) == 1:
        _check(found[0], context)
    with contextlib.ExitStack() as stack:
        folder = None
        # Linux has them.
        if hasattr(os, "memfd_create"):
            place = _MEMORY if os.path.isdir(_MEMORY) else None
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=place))
        kubernetes.config.load_kube_config(
            config_file=kubeconfig,
            context=context,
            client_configuration=configuration,
            persist_config=False,
            temp_file_path=folder,
        )
        if folder:
            _keep(configuration, folder)
    return configuration


def _keep(configuration: t.Any, folder: str) -> None:
    """Certificates and keys that a kubeconfig holds itself: the library writes them to files, as TLS takes nothing
    else, and removes these when Python ends. Ansible's workers end in another way, and the key would stay on the disk.
    So the files are in memory, without a name, and go with the process."""
    held: dict[str, str] = {}
    _hold(configuration, folder, held)
    of_library = configuration.refresh_api_key_hook

    def refresh(found: t.Any) -> None:
        """With a token the library names its files again before each question, and itself as what does so."""
        of_library(found)
        _hold(found, folder, held)
        found.refresh_api_key_hook = refresh

    if of_library is not None:
        configuration.refresh_api_key_hook = refresh


def _hold(configuration: t.Any, folder: str, held: dict[str, str]) -> None:
    for name in ("ssl_ca_cert", "cert_file", "key_file"):
        path = getattr(configuration, name)
        if path and path not in held and os.path.dirname(path) == folder:
            with open(path, "rb") as stream:
                content = stream.read()
            descriptor = os.memfd_create("kubeconfig")
            os.write(descriptor, content)
            held[path] = f"/proc/self/fd/{descriptor}"
        setattr(configuration, name, held.get(path, path))


def _files(kubeconfig: str | None) -> list[str]:
    """Those that are read; the library merges several."""
    named = kubeconfig or os.environ.get("KUBECONFIG") or DEFAULT
    paths = [os.path.expanduser(path) for path in named.split(os.pathsep) if path]
    # Of several those that are there, as the library does it.
    return paths if len(paths) == 1 else [path for path in paths if os.path.exists(path)]


def _nowhere() -> str:
    named = os.environ.get("KUBECONFIG")
    where = f"KUBECONFIG is {named!r}" if named else "none is given"
    return f"there is no such file ({where}), and this control node is no pod of a cluster"


def _check(path: str, context: str | None) -> None:
    """Raises a KubeConfigError with what is wrong, as far as it can be told without the API."""
    fault = _fault(_document(path), context)
    if fault:
        raise KubeConfigError(f"it {fault}")


def _document(path: str) -> t.Any:
    try:
        with open(path, encoding="utf-8") as stream:
            return yaml_load(stream)
    except OSError as exc:
        raise KubeConfigError(f"it cannot be read: {exc.strerror}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise KubeConfigError(f"it is not YAML{line}, so it is no kubeconfig") from exc


def _fault(document: t.Any, name: str | None) -> str:
    if not isinstance(document, dict):
        return "is no kubeconfig: it does not hold clusters, users and contexts"
    for key in _LISTS:
        if not isinstance(document.get(key) or [], list):
            return f"is no kubeconfig: its {key} are no list"
    clusters, contexts, users = (_named(document.get(key)) for key in _LISTS)
    chosen = name or document.get("current-context")
    if not chosen:
        return f"says no current-context: set context to one of {_those(contexts)}"
    if chosen not in contexts:
        return f"has no context {chosen!r}: there are {_those(contexts)}"
    context = contexts[chosen].get("context") or {}
    cluster = clusters.get(context.get("cluster"))
    if cluster is None:
        return f"has no cluster {context.get('cluster')!r}, which its context {chosen} names"
    if context.get("user") and context["user"] not in users:
        return f"has no user {context['user']!r}, which its context {chosen} names"
    return _server_fault(cluster, chosen) or _user_fault(users.get(context.get("user")) or {})


def _server_fault(cluster: t.Mapping[str, t.Any], context: str) -> str:
    server = str((cluster.get("cluster") or {}).get("server") or "")
    found = _SERVER.match(server)
    port = _PORT.match(server[found.end() :]) if found else None
    if not found or (port and not 1 <= int(port[1]) <= 65535):
        return f"gives {server!r} as the server of its context {context}: it must be as in https://ADDRESS:6443"
    return ""


def _user_fault(user: t.Mapping[str, t.Any]) -> str:
    command = str(((user.get("user") or {}).get("exec") or {}).get("command") or "")
    if command and "/" not in command and shutil.which(command) is None:
        return f"gets its credentials from the program {command!r}, which is not installed on this control node"
    return ""


def _named(items: t.Any) -> dict[t.Any, dict[str, t.Any]]:
    return {item.get("name"): item for item in items or [] if isinstance(item, dict)}


def _those(contexts: t.Iterable[t.Any]) -> str:
    return ", ".join(map(str, contexts)) or "none"
