"""The page about workloads says what the code does."""

import doctest
from pathlib import Path

import pytest

from workloads.forms import LANGUAGES
from workloads.grammar import describe, markdown

PAGE = Path(__file__).parents[2] / "docs" / "workloads.md"


@pytest.mark.parametrize("kind", sorted(LANGUAGES))
def test_the_page_holds_each_table_as_the_code_has_it(kind: str) -> None:
    """Every name, key, default and range stands on the page; if not, paste what `markdown(kind)` returns."""
    page = PAGE.read_text()
    assert markdown(kind) in page
    for row in describe(kind):
        assert f"`{row.name}`" in page
        assert f"`{row.key}`" in page or not row.key


def test_the_examples_on_the_page_give_what_they_show() -> None:
    """Every example runs and prints exactly what stands there, error lines word for word."""
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted >= 14
    assert results.failed == 0
