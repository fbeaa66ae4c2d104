"""A skipped unit test fails the run."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def session(pytester: pytest.Pytester, root: Path) -> pytest.Pytester:
    pytester.makeconftest((root / "tests/unit/conftest.py").read_text())
    return pytester


def test_a_skip_is_a_failure_wherever_it_happens(session: pytest.Pytester) -> None:
    session.makepyfile(
        """
        import pytest

        @pytest.mark.skip(reason="no program")
        def test_mark(): ...

        def test_call():
            pytest.skip("no program")

        @pytest.fixture
        def absent():
            pytest.skip("no program")

        def test_fixture(absent): ...

        @pytest.mark.xfail
        def test_xfail():
            raise ValueError

        def test_good(): ...
        """
    )
    result = session.runpytest()
    result.assert_outcomes(passed=1, failed=1, errors=2, xfailed=1)
    assert result.ret != 0


def test_a_skipped_module_is_a_failure(session: pytest.Pytester) -> None:
    session.makepyfile("import pytest\npytest.importorskip('no_such_module')\ndef test_good(): ...")
    result = session.runpytest()
    result.assert_outcomes(errors=1)
    assert result.ret != 0
