"""Paths that unit tests share, and the rule that they skip nothing. The import paths are set in pyproject.toml."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[2]

# A busy machine is no bug: how long an example takes is not judged here.
hypothesis.settings.register_profile("mesh-expansion", deadline=None)
hypothesis.settings.load_profile("mesh-expansion")


@pytest.fixture(autouse=True, scope="session")
def _no_lab(tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    """Unit tests see neither the caches nor the state of a lab that this machine may have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MESH_EXPANSION_VENV", raising=False)
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The collection's root."""
    return ROOT


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A check that could not run is a failure. (An expected failure is reported as skipped, too.)"""
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"unit tests skip nothing, but this one: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
