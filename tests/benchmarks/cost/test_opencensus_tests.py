"""The comparison of OpenCensus' own tests with and without lean: what fails with lean alone is named."""

from pathlib import Path

import pytest

from benchmarks.cost.opencensus_tests import main

pytestmark = pytest.mark.system

TESTS = """
import unittest
import mock
from opencensus.stats import execution_context
from opencensus.tags import TagMap


class TestSome(unittest.TestCase):
    def test_both(self):
        tags = TagMap()
        tags.insert("key", "value")
        self.assertEqual({"key": "value"}, tags.map)
        self.assertTrue(mock.Mock())

    def test_neither(self):
        self.fail()
"""
ONLY_PLAIN = '''
    def test_only_plain(self):
        """Lean leads to the installed map instead."""
        execution_context.clear()
        self.assertEqual({}, execution_context.get_measure_to_view_map())
'''


def written(folder: Path, text: str) -> Path:
    path = folder / "tests" / "unit" / "tags"
    path.mkdir(parents=True)
    (path / "test_some.py").write_text(text)
    return folder


@pytest.mark.slow
def test_tests_that_pass_either_way_end_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that fails without lean too is none of its business."""
    assert main([str(written(tmp_path, TESTS))]) == 0
    assert capsys.readouterr().out == "opencensus: 1 of 2 pass\nwith lean: 1 of 2 pass\n"


@pytest.mark.slow
def test_a_test_that_only_fails_with_lean_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what became of it; the command says so with 1."""
    assert main([str(written(tmp_path, TESTS + ONLY_PLAIN))]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["opencensus: 2 of 3 pass", "with lean: 1 of 3 pass"]
    assert said[2:] == ["only with lean: tests/unit/tags/test_some.py::TestSome::test_only_plain: failed"]


@pytest.mark.slow
def test_a_folder_without_tests_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "there is no test below" in capsys.readouterr().out
