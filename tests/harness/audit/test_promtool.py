"""What promtool says of a page."""

import shutil

import pytest

from harness.audit.findings import Name, Severity
from harness.audit.promtool import check_with_promtool
from harness.exposition.page import parse_page
from harness.views import Tags
from tests.harness.scrape.conforming import expected_of, page_of


@pytest.mark.prometheus
def test_promtool_accepts_a_good_page_and_its_complaint_is_quoted() -> None:
    """A page that promtool takes leaves no finding; one that it refuses is quoted with its first line."""
    page = page_of(expected_of({Tags(): [3, 5]}))
    assert check_with_promtool(page) is None
    twice = parse_page(page.text + page.text)
    finding = check_with_promtool(twice)
    assert finding is not None
    assert finding.name is Name.PROMTOOL_REJECTS
    assert "second HELP line" in finding.detail["reason"]


def test_without_promtool_the_audit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing promtool is told, and does not count against the page."""
    monkeypatch.setattr(shutil, "which", lambda *_: None)
    finding = check_with_promtool(page_of(expected_of({Tags(): [3, 5]})))
    assert finding is not None
    assert (finding.name, finding.severity) == (Name.PROMTOOL_MISSING, Severity.INFO)
