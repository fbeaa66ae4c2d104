"""What the scenarios' tests share: the lab's hosts through SSH, its API as administrator, its
client pod, playbook runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import lab_state
import playbook_run
import pytest
import testinfra
from faults import CutRuns
from kubernetes import client
from kubernetes.stream import stream
from testinfra.host import Host

Pod = Callable[..., str]
Playbook = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure(config: pytest.Config) -> None:
    """Leave a JUnit file per verify step of a scenario, so that `make test` can count the test cases."""
    results = os.environ.get("MESH_EXPANSION_RESULTS")
    if results and not config.option.xmlpath and not hasattr(config, "workerinput"):
        folder = Path(config.args[0]).parent.name if config.args else "all"
        config.option.xmlpath = (
            f"{results}/{os.environ.get('MOLECULE_SCENARIO_NAME', 'none')}.{folder}.{os.getpid()}.xml"
        )


@pytest.fixture(scope="session")
def connect() -> Callable[[str], Host]:
    """Reach a host of the lab by name."""
    configuration = lab_state.ssh_config()
    return lambda name: testinfra.get_host(f"ssh://root@{name}", ssh_config=str(configuration))


@pytest.fixture(scope="session")
def director(connect: Callable[[str], Host]) -> Host:
    return connect(lab_state.hosts("director")[0])


@pytest.fixture(scope="session")
def vm(connect: Callable[[str], Host]) -> Host:
    return connect(lab_state.hosts("vms")[0])


@pytest.fixture(scope="session")
def spare_vm(connect: Callable[[str], Host]) -> Host:
    return connect(lab_state.hosts("vms_spare")[0])


@pytest.fixture(scope="session")
def core() -> client.CoreV1Api:
    """The cluster's API as administrator."""
    return client.CoreV1Api(lab_state.api())


@pytest.fixture(scope="session")
def pod(core: client.CoreV1Api) -> Pod:
    """Run a command in a pod, as a rule the client pod, and return all that it prints."""

    def run(*command: str, app: str = "sleep", container: str | None = None) -> str:
        pods = core.list_namespaced_pod(
            "default", label_selector=f"app={app}", field_selector="status.phase=Running"
        ).items
        assert pods, f"the lab has no running pod with the label app={app}"
        return stream(
            # An API client of its own: stream() replaces the client's request function while it runs.
            client.CoreV1Api(lab_state.api()).connect_get_namespaced_pod_exec,
            pods[0].metadata.name,
            "default",
            command=list(command),
            **({"container": container} if container else {}),
            stdin=False,
            stdout=True,
            stderr=True,
            tty=False,
            _request_timeout=60,
        )

    return run


@pytest.fixture(scope="session")
def playbook() -> Playbook:
    """Run ansible-playbook on the lab; the caller looks at the exit status."""
    return playbook_run.run


@pytest.fixture(scope="module")
def runs(spare_vm: Host) -> Iterator[CutRuns]:
    """Runs of the scenario's role on the spare VM that are cut; the role converges again at the end."""
    made = CutRuns(os.environ["MOLECULE_SCENARIO_NAME"], spare_vm)
    made.install()
    yield made
    made.converge()
    made.remove()


@pytest.fixture(scope="module")
def plan(runs: CutRuns) -> list[str]:
    """The operations of a run now."""
    return runs.plan()
