"""The lab's command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from lab import config, deps, hosts, proc, up
from lab import shape as shapes
from lab.build import kubernetes
from lab.debian import RELEASES
from lab.errors import LabError
from lab.hosts.remote import quote
from lab.kube import pods
from lab.shape import FIELDS, GENERATIONS, POOLS, PROXY_MODES, Value


def _require_network() -> str:
    netns = config.topology().netns
    if not proc.netns_path(netns).exists():
        raise LabError("the lab is not up: `lab/lab up` brings it up")
    return netns


def _become(argv: Sequence[str], env: dict[str, str] | None = None) -> NoReturn:
    """Replace this process by the command, inside the lab's network:
    stdin, terminal and exit status are the command's."""
    up.require_root()
    command = proc.in_netns(argv, _require_network())
    sys.stdout.flush()
    os.execvpe(command[0], command, env or dict(os.environ))


def _words(argv: list[str]) -> list[str]:
    return argv[1:] if argv[:1] == ["--"] else argv


def _command(argv: list[str], example: str) -> list[str]:
    words = _words(argv)
    if not words:
        raise LabError(f"no command given; for example: lab/lab {example}")
    return words


def _shape_options(args: argparse.Namespace) -> dict[str, Value]:
    """What the command line says of the lab's shape."""
    return {name: value for name, value in vars(args).items() if name in FIELDS and value is not None}


def cmd_up(args: argparse.Namespace) -> None:
    deps.require()
    seconds = up.up(_shape_options(args))
    print(f"The lab is up ({seconds:.0f} s): {_software()}, Kubernetes {up.kube.version()}.")


def _software() -> str:
    return f"generation {config.shape().generation}, hosts of Debian {config.shape().debian}"


def cmd_down(_args: argparse.Namespace) -> None:
    print(f"The lab is down ({up.down():.0f} s); its logs stay in {config.log_dir()}.")


def cmd_build(args: argparse.Namespace) -> None:
    deps.require()
    print(f"All caches are ready ({up.build(_shape_options(args)):.0f} s) in {config.cache_dir()}.")


def cmd_deps(_args: argparse.Namespace) -> None:
    up.require_root()
    names = deps.install()
    print(f"Installed: {' '.join(names)}" if names else "Nothing to install.")


def cmd_status(args: argparse.Namespace) -> int:
    up.require_root()
    state = up.status()
    print(json.dumps(state, indent=2, default=str))
    return 0 if up.complete(state) else 1


def cmd_run(args: argparse.Namespace) -> NoReturn:
    words = _command(args.argv, "run ansible-playbook -i inventory/lab site.yml")
    env = {**os.environ, "PATH": f"{config.venv()}/bin:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}"}
    _become(words, env)


def cmd_exec(args: argparse.Namespace) -> NoReturn:
    host = config.topology().host(args.host)
    words = _command(args.argv, f"exec {host.name} uname -a")
    _become([*hosts.ssh_argv(host, tty=sys.stdin.isatty()), "--", quote(words)])


def cmd_kubectl(args: argparse.Namespace) -> NoReturn:
    kubectl = kubernetes.binary("kubectl", config.shape().kubernetes)
    _become([str(kubectl), f"--kubeconfig={config.admin_kubeconfig()}", *_words(args.argv)])


def cmd_pod_exec(args: argparse.Namespace) -> int:
    words = _command(args.argv, "pod-exec sleep curl -s http://deb-nginx01:9080")
    _require_network()
    return int(pods.exec_in_pod(args.pod, args.namespace, words))


def cmd_logs(args: argparse.Namespace) -> None:
    if args.name is None:
        for path in sorted(config.log_dir().glob("*.log")):
            print(path.stem)
        return
    path = proc.log_file(args.name)
    if not path.is_file():
        raise LabError(f"no log {path}; `lab/lab logs` lists all")
    os.execvp("tail", ["tail", "-n", "+1", *(["-f"] if args.follow else []), str(path)])


def cmd_reboot(args: argparse.Namespace) -> None:
    up.require_root()
    host = config.topology().host(args.host)
    with up.exclusive():
        hosts.reboot(host, hard=args.hard)
    print(f"{host.name} is up again.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab/lab", description="The embedded test bed (docs/lab.md).")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, action: Callable[[argparse.Namespace], object], help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(action=action)
        return sub

    sub = add("up", cmd_up, "bring the lab up, or repair what is missing; to one that is up, only VMs can be added")
    _add_software(sub)
    _add_pools(sub)
    add("down", cmd_down, "end everything and check that nothing is left on the machine")
    add("status", cmd_status, "what runs, as JSON; exit status 0 when the lab is complete")
    _add_software(add("build", cmd_build, "fill the caches only"))
    add("deps", cmd_deps, "install the Debian packages that this machine needs")
    sub = add("run", cmd_run, "run a command on the control node: this machine, inside the lab's network")
    _add_command(sub, "CMD")
    sub = add("exec", cmd_exec, "run a command on a host, over SSH as root")
    sub.add_argument("host", metavar="HOST")
    _add_command(sub, "CMD")
    sub = add("kubectl", cmd_kubectl, "kubectl as the cluster's administrator; every option is kubectl's")
    _add_command(sub, "ARGS")
    sub = add("pod-exec", cmd_pod_exec, "run a command in a pod")
    sub.add_argument("pod", metavar="POD", help="name of a pod, or of its deployment")
    sub.add_argument("-n", "--namespace", default="default", help="the pod's; before or right after POD")
    _add_command(sub, "CMD")
    sub = add("logs", cmd_logs, "print a process's log; without a name, list them")
    sub.add_argument("-f", "--follow", action="store_true", help="wait for more")
    sub.add_argument("name", nargs="?", metavar="NAME")
    sub = add("reboot", cmd_reboot, "restart a host; its disk is kept")
    sub.add_argument("--hard", action="store_true", help="cut the power instead of shutting down")
    sub.add_argument("host", metavar="HOST")
    return parser


def _add_software(sub: argparse.ArgumentParser) -> None:
    default = config.default_shape()
    named = f"generation of the mesh: {', '.join(GENERATIONS)} (default: {default.generation})"
    sub.add_argument("generation", nargs="?", choices=GENERATIONS, metavar="GENERATION", help=named)
    sub.add_argument("--kubernetes", metavar="VERSION", help=f"default: {default.kubernetes}")
    systems = f"release of the hosts: {', '.join(RELEASES)} (default: {default.debian})"
    sub.add_argument("--debian", choices=RELEASES, metavar="RELEASE", help=systems)


def _add_pools(sub: argparse.ArgumentParser) -> None:
    default, most = config.default_shape(), shapes.largest(config.document())
    for name in POOLS.values():
        said = f"how many {name.replace('vms', 'VMs')}: 1 to {getattr(most, name)} (default: {getattr(default, name)})"
        sub.add_argument(f"--{name}", type=int, metavar="N", help=said)
    spare = f"how many of the VMs site.yml does not join (default: {default.spare})"
    sub.add_argument("--spare", type=int, metavar="N", help=spare)
    mode = f"{', '.join(PROXY_MODES)} (default: {default.proxy_mode})"
    sub.add_argument("--kube-proxy-mode", choices=PROXY_MODES, dest="proxy_mode", metavar="MODE", help=mode)


def _add_command(sub: argparse.ArgumentParser, metavar: str) -> None:
    """For the help text only: `split` keeps these words from the parser, which would take options for the lab's."""
    sub.add_argument("argv", nargs="*", metavar=metavar)


HANDS_ON = {"run": 0, "kubectl": 0, "exec": 1, "pod-exec": 1}
"""Commands that hand words on, with the number of their own before those."""


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words for the lab's own parser, and those that go unchanged to the command that they name."""
    words = list(argv)
    if not words or words[0] not in HANDS_ON:
        return words, []
    command, missing, end = words[0], HANDS_ON[words[0]], 1
    if words[1:2] in (["-h"], ["--help"]) and command != "kubectl":
        return words, []
    while end < len(words):
        word = words[end]
        if command == "pod-exec" and word in ("-n", "--namespace"):
            end += 2
        elif command == "pod-exec" and word.startswith(("-n", "--namespace=")):
            end += 1
        elif missing:
            missing -= not word.startswith("-")
            end += 1
        else:
            break
    return words[:end], words[end:]


def main(argv: Sequence[str] | None = None) -> int:
    own, handed_on = split(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(own)
    if args.command in HANDS_ON:
        args.argv = handed_on
    try:
        return args.action(args) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; `lab/lab up` continues, `lab/lab down` cleans up", file=sys.stderr)
        return 130
    except PermissionError as error:
        if os.geteuid() != 0:
            print(f"lab: {error}: the lab needs root; run it with sudo", file=sys.stderr)
            return 1
        raise
