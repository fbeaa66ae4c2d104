"""A second VM alone joins a mesh that runs, with all the output that Ansible can give. Nothing else is touched.
No key appears in it, and none ever was in a file on the control node."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import lab_state
import playbook_run
import pytest
from kubernetes import client

Playbook = Callable[..., CompletedProcess[str]]
BOTH = Path(__file__).with_name("second_vm.yml")
SERVICE = "deb-nginx02"


def key_material(core: client.CoreV1Api) -> list[bytes]:
    """The private key as the Secret has it and as PEM, in pieces that no other text holds by chance."""
    encoded = core.read_namespaced_secret("istio.default", "default").data["key.pem"]
    pem = base64.b64decode(encoded).decode()
    body = [line for line in pem.splitlines() if not line.startswith("-----")]
    pieces = body[1:-1]
    # The Secret's text is base64 of the PEM; any 40 characters of it are unmistakable, at whatever line length.
    pieces += [encoded[start : start + 40] for start in range(40, len(encoded) - 80, 40)]
    # The same in case somebody encodes the parsed body once more.
    pieces += [base64.b64encode(line.encode()).decode().rstrip("=")[:-2] for line in body[1:-1]]
    return [piece.encode() for piece in pieces]


@contextmanager
def watched_for(pieces: list[bytes], folders: list[Path]) -> Iterator[list[str]]:
    """Look at every file below the folders again and again, short-lived ones included; yield the list of findings."""
    findings: list[str] = []
    stop = threading.Event()
    seen: dict[Path, tuple[int, int]] = {}

    def look() -> None:
        for folder in folders:
            for path in folder.rglob("*"):
                try:
                    if not path.is_file() or path.is_symlink():
                        continue
                    status = path.stat()
                    if seen.get(path) == (status.st_mtime_ns, status.st_size) or status.st_size > 20_000_000:
                        continue
                    seen[path] = (status.st_mtime_ns, status.st_size)
                    content = path.read_bytes()
                except FileNotFoundError:
                    continue
                if any(piece in content for piece in pieces):
                    findings.append(str(path))

    def watch() -> None:
        while not stop.wait(0.05):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield findings
    finally:
        stop.set()
        thread.join()
        look()


@pytest.fixture(scope="module")
def joined(
    core: client.CoreV1Api, playbook: Playbook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[str]]]:
    """Output of the run that joins the second VM, and the files that held key material meanwhile."""
    temporary = tmp_path_factory.mktemp("control-node")
    cache = tmp_path_factory.mktemp("facts")
    folders = [temporary, cache, Path.home() / ".ansible", lab_state.ROOT / "build"]
    with watched_for(key_material(core), folders) as findings:
        done = playbook(
            "-i",
            str(BOTH),
            "-vvv",
            "--diff",
            "site.yml",
            "-l",
            SERVICE,
            TMPDIR=str(temporary),
            ANSIBLE_LOCAL_TEMP=str(temporary / "ansible"),
            ANSIBLE_CACHE_PLUGIN="ansible.builtin.jsonfile",
            ANSIBLE_CACHE_PLUGIN_CONNECTION=str(cache),
        )
    assert done.returncode == 0, done.stdout[-6000:]
    yield done.stdout, findings
    left = playbook("-i", str(BOTH), "-l", SERVICE, "playbooks/leave.yml")
    assert left.returncode == 0, left.stdout[-4000:]


def test_watching_finds_key_material(core: client.CoreV1Api, tmp_path: Path) -> None:
    """The search itself works: it finds the key in a file that is gone at once."""
    encoded = core.read_namespaced_secret("istio.default", "default").data["key.pem"]
    with watched_for(key_material(core), [tmp_path]) as findings:
        for name, content in (("encoded", encoded.encode()), ("decoded", base64.b64decode(encoded))):
            (tmp_path / name).write_bytes(content)
            threading.Event().wait(0.5)
            (tmp_path / name).unlink()
    assert {Path(name).name for name in findings} == {"encoded", "decoded"}


def test_no_key_in_the_output(joined: tuple[str, list[str]], core: client.CoreV1Api) -> None:
    output, _findings = joined
    assert "TASK [" in output
    assert "PRIVATE KEY-----" not in output
    assert [piece for piece in key_material(core) if piece.decode() in output] == []


def test_no_key_in_files_of_the_control_node(joined: tuple[str, list[str]]) -> None:
    _output, findings = joined
    assert findings == []


def test_no_token_in_the_output(joined: tuple[str, list[str]]) -> None:
    output, _findings = joined
    for name in ("kubeconfig", "admin.kubeconfig"):
        text = (lab_state.LAB / name).read_text()
        secrets = [
            line.split(": ", 1)[1].strip()
            for line in text.splitlines()
            if line.strip().startswith(("token:", "client-key-data:", "password:"))
        ]
        assert [secret[:20] for secret in secrets if secret[:60] in output] == []


def test_both_vms_are_registered_and_answer(
    joined: tuple[str, list[str]], core: client.CoreV1Api, pod: Callable[..., str]
) -> None:
    for name, address in (("deb-nginx01", "192.168.0.81"), (SERVICE, "192.168.0.82")):
        (subset,) = core.read_namespaced_endpoints(name, "default").subsets
        assert [item.ip for item in subset.addresses] == [address]
        assert "Welcome to nginx!" in pod("curl", "-sS", "--max-time", "15", f"http://{name}:9080")


def test_no_other_host_was_touched(joined: tuple[str, list[str]]) -> None:
    output, _findings = joined
    assert playbook_run.failures(output) == {SERVICE: 0}
