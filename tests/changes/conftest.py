"""What the tests of a changing site share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.live import Playbooks


@pytest.fixture(name="books", scope="module")
def fixture_books(tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    return Playbooks(tmp_path_factory.mktemp("changes"), seconds=1800)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[object], None]:
    """A figure, for whoever reads the run."""

    def said(text: object) -> None:
        with capsys.disabled():
            print(f"\n    {text}", end="", flush=True)

    return said
