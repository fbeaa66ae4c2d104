"""The command line: what is the lab's, and what goes unchanged to the command that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import cli, config, up


@pytest.fixture(name="become")
def fixture_become(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have replaced this process."""
    commands: list[list[str]] = []

    def become(argv: Any, _env: Any = None) -> None:
        commands.append(list(argv))

    monkeypatch.setattr(cli, "_become", become)
    monkeypatch.setattr(cli.kubernetes, "binary", lambda name, _version: Path("/bin") / name)
    return commands


@pytest.mark.parametrize(
    "words",
    [
        ["get", "pods", "-n", "istio-system"],
        ["-n", "istio-system", "get", "pods"],
        ["--namespace=istio-system", "get", "pods"],
        ["exec", "-n", "default", "sleep-0", "--", "ls", "-l"],
        ["--help"],
        ["-h"],
        [],
    ],
    ids=" ".join,
)
def test_kubectl_gets_every_word(words: list[str], become: list[list[str]]) -> None:
    cli.main(["kubectl", *words])
    assert become == [["/bin/kubectl", f"--kubeconfig={config.admin_kubeconfig()}", *words]]


@pytest.mark.parametrize(
    ("words", "handed_on"),
    [
        (["ls", "-l", "--help"], ["ls", "-l", "--help"]),
        (["--", "ls", "--", "-l"], ["ls", "--", "-l"]),
        (["-x", "ls"], ["-x", "ls"]),
        (["ls", "-h"], ["ls", "-h"]),
    ],
    ids=str,
)
def test_run_gets_every_word(words: list[str], handed_on: list[str], become: list[list[str]]) -> None:
    cli.main(["run", *words])
    assert become == [handed_on]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["k8s-node1", "ip", "-n", "x", "link"], "ip -n x link"),
        (["k8s-node1", "-n", "istio-system"], "-n istio-system"),
        (["k8s-node1", "--help"], "--help"),
        (["k8s-node1", "--", "ls", "-l"], "ls -l"),
        (["k8s-node1", "a; b"], "a; b"),
    ],
    ids=str,
)
def test_exec_gets_every_word_after_the_host(words: list[str], line: str, become: list[list[str]]) -> None:
    cli.main(["exec", *words])
    (command,) = become
    assert command[-3:] == ["k8s-node1", "--", line]


@pytest.mark.parametrize(
    ("words", "namespace", "command"),
    [
        (["sleep", "ls"], "default", ["ls"]),
        (["sleep", "-n", "web", "ls", "-n"], "web", ["ls", "-n"]),
        (["-n", "web", "sleep", "ls", "-n", "x"], "web", ["ls", "-n", "x"]),
        (["-nweb", "sleep", "ls"], "web", ["ls"]),
        (["--namespace=web", "sleep", "ls"], "web", ["ls"]),
        (["--namespace", "web", "sleep", "ls", "--help"], "web", ["ls", "--help"]),
        (["sleep", "--namespace=web", "--", "-n"], "web", ["-n"]),
        (["sleep", "--", "-n", "x"], "default", ["-n", "x"]),
        (["sleep", "ls", "--namespace", "x"], "default", ["ls", "--namespace", "x"]),
    ],
    ids=str,
)
def test_pod_exec_has_its_own_namespace(
    words: list[str],
    namespace: str,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(cli, "_require_network", lambda: "mesh-lab")
    monkeypatch.setattr(cli.pods, "exec_in_pod", lambda *arguments: called.append(arguments) or 7)
    assert cli.main(["pod-exec", *words]) == 7
    assert called == [("sleep", namespace, command)]


@pytest.mark.parametrize("command", ["up", "run", "exec", "pod-exec", "reboot"])
def test_help_of_the_lab(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([command, "--help"])
    assert f"usage: lab/lab {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "example"),
    [
        (["run"], "run ansible-playbook"),
        (["exec", "director"], "exec director uname"),
        (["pod-exec", "sleep"], "pod-exec sleep"),
    ],
)
def test_a_missing_command_is_named(words: list[str], example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 1
    assert f"lab: no command given; for example: lab/lab {example}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {}),
        (["istiod"], {"generation": "istiod"}),
        (["--vms", "16", "--directors=2"], {"vms": 16, "directors": 2}),
        (["both", "--spare", "0", "--nodes", "1"], {"generation": "both", "spare": 0, "nodes": 1}),
        (["--kubernetes", "1.34.4"], {"kubernetes": "1.34.4"}),
        (["--kube-proxy-mode", "nftables"], {"proxy_mode": "nftables"}),
    ],
    ids=str,
)
def test_shape_of_a_new_lab(words: list[str], options: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    monkeypatch.setattr(cli.deps, "require", lambda: None)
    monkeypatch.setattr(up, "up", lambda given: called.append(given) or 1.0)
    monkeypatch.setattr(up.kube, "version", lambda: "v1.36.3")
    assert cli.main(["up", *words]) == 0
    assert called == [options]


def test_build_takes_what_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    monkeypatch.setattr(cli.deps, "require", lambda: None)
    monkeypatch.setattr(up, "build", lambda given: called.append(given) or 1.0)
    assert cli.main(["build", "istiod", "--kubernetes", "1.34.4"]) == 0
    assert called == [{"generation": "istiod", "kubernetes": "1.34.4"}]


@pytest.mark.parametrize(
    "words",
    [
        ["up", "linkerd"],
        ["up", "--kube-proxy-mode", "userspace"],
        ["up", "--vms", "many"],
        ["build", "--vms", "2"],
    ],
    ids=" ".join,
)
def test_what_the_parser_refuses(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
