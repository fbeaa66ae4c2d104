"""How large a lab is: defaults, ranges, the record of the lab that is up."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lab import config, inventory
from lab import shape as shapes
from lab import up as lab_up
from lab.errors import LabError
from lab.shape import Shape, Value

SITE = config.document()
HOSTS = {"vms": 2, "spare": 1, "nodes": 3, "directors": 1, "debian": "12"}
DEFAULT = Shape(**HOSTS, kubernetes="1.36.3", generation="citadel", proxy_mode="iptables")  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A state directory without a record; the process forgets again what the test recorded."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(config, "_used", None)
    config.topology.cache_clear()
    yield
    config.topology.cache_clear()


def names() -> list[str]:
    return [host.name for host in config.topology().hosts]


def test_defaults_are_those_of_the_topology() -> None:
    assert config.default_shape() == DEFAULT


def test_contradictions_in_the_topology_are_refused() -> None:
    data = copy.deepcopy(SITE)
    data["pools"]["vm"]["spare"] = 2
    with pytest.raises(LabError, match="--spare 2: choose 0 to 1"):
        shapes.check(shapes.default(data), data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vms": 0}, "^--vms 0: choose 1 to 16$"),
        ({"vms": 17}, "^--vms 17: choose 1 to 16$"),
        ({"nodes": 0}, "^--nodes 0: choose 1 to 9$"),
        ({"nodes": 10}, "^--nodes 10: choose 1 to 9$"),
        ({"directors": 0}, "^--directors 0: choose 1 to 4$"),
        ({"directors": 5}, "^--directors 5: choose 1 to 4$"),
        ({"spare": 2}, "^--spare 2: choose 0 to 1; of 2 VMs, one at least is not spare$"),
        ({"spare": -1}, "^--spare -1: choose 0 to 1"),
        ({"vms": 1, "spare": 1}, "^--spare 1: choose 0 to 0; of 1 VMs"),
        ({"generation": "linkerd"}, "^GENERATION linkerd: choose one of citadel, istiod, both$"),
        ({"debian": "10"}, "^--debian 10: choose one of 12, 13$"),
        ({"proxy_mode": "userspace"}, "^--kube-proxy-mode userspace: choose one of iptables, nftables, ipvs$"),
    ],
    ids=str,
)
def test_out_of_range_is_refused(options: dict[str, Value], message: str) -> None:
    with pytest.raises(LabError, match=message):
        shapes.changed(DEFAULT, options, SITE)


def test_one_vm_alone_is_not_spare() -> None:
    assert shapes.changed(DEFAULT, {"vms": 1}, SITE) == dataclasses.replace(DEFAULT, vms=1, spare=0)


def test_the_last_vms_are_spare() -> None:
    config.use(shapes.changed(DEFAULT, {"vms": 5, "spare": 2}, SITE))
    groups = inventory.inventory(config.topology())
    assert groups["vms"]["hosts"] == ["deb-nginx01", "deb-nginx02", "deb-nginx03"]
    assert groups["vms_spare"]["hosts"] == ["deb-nginx04", "deb-nginx05"]


def test_a_lab_that_is_up_keeps_its_shape() -> None:
    running = dataclasses.replace(DEFAULT, vms=5, generation="istiod")
    assert shapes.grown(running, {}, SITE) == running
    assert shapes.grown(running, {"vms": 5, "generation": "istiod"}, SITE) == running


def test_vms_may_be_added() -> None:
    assert shapes.grown(DEFAULT, {"vms": 4, "spare": 0}, SITE) == dataclasses.replace(DEFAULT, vms=4, spare=0)


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"vms": 1}, "--vms 2, not 1"),
        ({"nodes": 2}, "--nodes 3, not 2"),
        ({"nodes": 4, "directors": 2}, "--nodes 3, not 4, --directors 1, not 2"),
        ({"vms": 16, "directors": 2}, "--directors 1, not 2"),
        ({"kubernetes": "1.34.4"}, "--kubernetes 1.36.3, not 1.34.4"),
        ({"generation": "both"}, "GENERATION citadel, not both"),
        ({"debian": "13"}, "--debian 12, not 13"),
        ({"proxy_mode": "nftables"}, "--kube-proxy-mode iptables, not nftables"),
    ],
    ids=str,
)
def test_other_changes_need_a_new_lab(options: dict[str, Value], difference: str) -> None:
    with pytest.raises(LabError) as caught:
        shapes.grown(DEFAULT, options, SITE)
    assert str(caught.value) == f"this lab has {difference}: `lab/lab down` first"


def test_the_record_comes_before_the_defaults() -> None:
    assert (config.shape(), len(names())) == (DEFAULT, 6)
    wanted = shapes.changed(DEFAULT, {"vms": 3, "directors": 2}, SITE)
    config.record(wanted)
    assert config.shape() == wanted
    added = ("director2", "deb-nginx03")
    assert [name for name in names() if name in added] == list(added)
    assert len(names()) == 8


def test_a_later_process_reads_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    config.record(dataclasses.replace(DEFAULT, nodes=1))
    monkeypatch.setattr(config, "_used", None)
    config.topology.cache_clear()
    assert names() == ["director", "k8s-node1", "deb-nginx01", "deb-nginx02"]


def test_a_shape_that_is_only_used_is_not_recorded() -> None:
    config.use(dataclasses.replace(DEFAULT, nodes=1))
    assert "k8s-node2" not in names()
    assert not config.shape_file().exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"vms": 3}'], ids=repr)
def test_an_unreadable_record_is_as_good_as_lost(text: str) -> None:
    config.shape_file().parent.mkdir(parents=True)
    config.shape_file().write_text(text, encoding="utf-8")
    assert config.shape() == DEFAULT


def test_up_may_change_everything_until_there_are_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_up.network, "namespaces", list)
    config.record(dataclasses.replace(DEFAULT, kubernetes="9.9.9", vms=4))
    assert lab_up.wanted_shape({"kubernetes": "1.34.4"}) == dataclasses.replace(DEFAULT, kubernetes="1.34.4", vms=4)
    (config.state_dir() / "hosts").mkdir()
    with pytest.raises(LabError, match="--kubernetes 9.9.9, not 1.34.4"):
        lab_up.wanted_shape({"kubernetes": "1.34.4"})


def test_up_refuses_at_once_what_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_up.network, "namespaces", list)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    with pytest.raises(LabError, match="Kubernetes 9.9.9: no folder lab/go/kubernetes/9.9.9"):
        lab_up.wanted_shape({"kubernetes": "9.9.9"})
    assert not config.shape_file().exists()
