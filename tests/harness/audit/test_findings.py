"""A finding tells what was found, why, and what to do, in words and as plain values."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from harness.audit.audit import audit
from harness.audit.findings import Finding, Name, Severity, cause, remedy, sentence, unseen
from harness.expected import Expected
from harness.exposition.page import fold, parse_page
from tests.harness.scrape.conforming import VIEWS, truths


@pytest.mark.parametrize("name", list(Name))
def test_each_finding_has_wording_and_is_documented(name: Name) -> None:
    """A finding reads as one line whatever details it carries, tells cause and remedy, and stands in docs/audit.md."""
    for detail in (
        {},
        {
            "view": "v",
            "series": 1,
            "values": 2.0,
            "reason": "r",
            "scrapes": 3,
            "fallen": 4,
            "families": 1,
            "page_s": 3.9,
            "interval_s": 1.0,
            "samples": 4,
            "compared": 9,
            "shown": "'gauge'",
            "right": "'counter'",
            "lines": 5,
            "workers": 2,
            "sent": 5,
            "at_client": 2,
            "at_sink": 3,
            "transport": "UDP",
            "age_s": 0.5,
        },
    ):
        text = sentence(Finding(name, 1, detail))
        assert text
        assert "\n" not in text
        assert "{size" not in text
    assert cause(name)
    assert remedy(name)
    document = (Path(__file__).parents[3] / "docs" / "audit.md").read_text()
    row = next(line for line in document.splitlines() if line.startswith(f"| `{name}` |"))
    assert f"| {Finding(name).severity}{', not seen' if unseen(name) else ''} |" in row


@settings(max_examples=20)
@given(truths())
def test_findings_are_plain_json(expected: Expected) -> None:
    """Everything a finding carries can be saved as it is."""
    for finding in audit(expected, VIEWS, parse_page(""), fold((), VIEWS)).findings:
        assert json.loads(json.dumps(finding.detail)) == finding.detail
        assert finding.severity in Severity
