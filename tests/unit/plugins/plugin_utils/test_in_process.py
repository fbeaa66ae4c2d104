# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module of the Kubernetes API says the same in Ansible's own process and in one of its own."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml

from tests.unit.plugins import ansible_site

NAMESPACE = "/api/v1/namespaces/istio-system"
DEPLOYMENTS = "/apis/apps/v1/namespaces/istio-system/deployments"
MODULES = pathlib.Path(__file__).resolve().parents[4] / "plugins/modules"
Json = t.Dict[str, t.Any]
GATEWAY = {
    "metadata": {"name": "gateway", "resourceVersion": "2"},
    "spec": {"template": {"metadata": {"labels": {"istio": "eastwestgateway"}}}},
}
WRITES = ["label Namespace istio-system", "label Deployment gateway"]


@pytest.fixture(name="api")
def _api() -> t.Iterator[ansible_site.Api]:
    api = ansible_site.Api()
    api.objects = {
        NAMESPACE: {"metadata": {"name": "istio-system", "resourceVersion": "1"}},
        DEPLOYMENTS: {"items": [GATEWAY]},
    }
    yield api
    api.close()


@pytest.fixture(name="site")
def _site(tmp_path: pathlib.Path, api: ansible_site.Api) -> ansible_site.Site:
    return ansible_site.Site(tmp_path, api, "", {})


def play(site: ansible_site.Site, *tasks: Json, interpreter: str = sys.executable) -> list[Json]:
    """Of each task what it said."""
    tasks = tuple({**task, "register": f"seen{number}", "failed_when": False} for number, task in enumerate(tasks))
    shown = [
        {
            "ansible.builtin.copy": {"content": f"{{{{ seen{number} | to_json }}}}", "dest": f"{site.folder}/{number}"},
            "vars": {"ansible_python_interpreter": sys.executable},
        }
        for number in range(len(tasks))
    ]
    host = {"ansible_connection": "local", "ansible_python_interpreter": interpreter}
    inventory = {"all": {"hosts": {"here": {**host, "ansible_remote_tmp": str(site.temporary)}}}}
    (site.folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    document = [{"hosts": "all", "gather_facts": False, "tasks": [*tasks, *shown]}]
    (site.folder / "play.yml").write_text(yaml.safe_dump(document))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ansible_site.REPOSITORY / "build/collections"),
        "ANSIBLE_LOCAL_TEMP": str(site.temporary / "local"),
        "ANSIBLE_KEEP_REMOTE_FILES": "1",
        "ANSIBLE_PIPELINING": "0",
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        ["ansible-playbook", "-i", str(site.folder / "hosts.yml"), str(site.folder / "play.yml"), "--check", "--diff"],
        cwd=site.folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    # In check mode copy writes nothing: what it would write is in its diff.
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line[1:] for line in done.stdout.splitlines() if line.startswith('+{"')]
    assert len(lines) == len(tasks), done.stdout
    return [json.loads(line) for line in lines]


def labels(site: ansible_site.Site, **options: t.Any) -> Json:
    given = {"network": "pods", "kubeconfig": str(site.folder / "kubeconfig"), **options}
    return {"mesh.expansion.istio_network_labels": given}


def said(result: Json) -> Json:
    """Without what Ansible adds."""
    own = ("invocation", "failed_when_result", "failed_when_suppressed_exception")
    return {key: value for key, value in result.items() if key not in own}


def processes(site: ansible_site.Site) -> int:
    return len(list(site.temporary.rglob("AnsiballZ_istio_network_labels.py")))


def test_both_ways_say_the_same(site: ansible_site.Site, api: ansible_site.Api) -> None:
    here, alone = play(site, labels(site), {**labels(site), "environment": {"LC_ALL": "C"}})
    assert said(here) == said(alone)
    assert here["operations"] == WRITES
    assert here["changed"]
    assert processes(site) == 1, "only the one with an environment of its own"
    assert api.requests == [NAMESPACE, DEPLOYMENTS] * 2


def test_a_failure_is_the_same(site: ansible_site.Site, api: ansible_site.Api) -> None:
    del api.objects[NAMESPACE]
    here, alone = play(site, labels(site), {**labels(site), "environment": {"LC_ALL": "C"}})
    assert said(here) == said(alone)
    assert here["msg"] == "Namespace istio-system does not exist. Correct namespace (mesh_istio_namespace)."


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"network": "-"}, "network is '-'"),
        ({"gateway": "x"}, "gateway"),
        ({"typo": 1}, "typo"),
        ({"state": "x"}, "state"),
    ],
)
def test_wrong_options_are_refused_in_the_same_words(site: ansible_site.Site, options: Json, names: str) -> None:
    tasks = labels(site, **options), {**labels(site, **options), "environment": {"LC_ALL": "C"}}
    here, alone = play(site, *tasks)
    assert here["msg"] == alone["msg"]
    assert names in here["msg"]


def test_what_is_required_is_the_modules_to_say(site: ansible_site.Site) -> None:
    task = labels(site)
    del task["mesh.expansion.istio_network_labels"]["network"]
    (here,) = play(site, task)
    assert "network" in here["msg"]
    assert processes(site) == 1


def test_another_interpreter_runs_the_module(site: ansible_site.Site) -> None:
    other = site.folder / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    (there,) = play(site, labels(site), interpreter=str(other))
    assert there["operations"] == WRITES
    assert processes(site) == 1


def test_a_delegated_task_goes_by_the_interpreter_of_that_host(site: ansible_site.Site) -> None:
    own = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    task = {**labels(site), "delegate_to": "localhost", "run_once": True, "vars": own}
    (there,) = play(site, task, interpreter="/nonexistent")
    assert there["operations"] == WRITES
    assert processes(site) == 0


def test_every_module_of_the_api_alone_can_do_so() -> None:
    of_the_api = {path.stem for path in MODULES.glob("*.py") if "kube_auth_argument_spec()," in path.read_text()}
    actions = {path.stem for path in (MODULES.parent / "action").glob("*.py")}
    # Shows its progress, by an action of its own.
    assert of_the_api - {"diagnose_cluster"} <= actions
