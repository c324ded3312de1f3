"""How the outcome of an audit is told, on the terminal and in HTML."""

from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from harness.report.collect import Report
from harness.report.contents import audits_in
from harness.report.sections.audits import audit_cell, audits_section
from harness.report.sections.runs import run_parts
from harness.report.writers.html import section_element
from harness.report.writers.terminal import write_terminal
from harness.run.result import AuditResult, FindingResult, RunResult
from tests.harness.report.run_samples import run_result

DIED = FindingResult(
    name="scraper_died", severity="error", size=1, detail="the scraper is gone: killed", cause="c", remedy="r"
)
LOST = FindingResult(name="count_mismatch", severity="error", size=1, detail="counts differ", cause="c", remedy="r")

CASES = [
    (
        "conserved",
        AuditResult(conserved=True, outcome="conserved", compared=["page", "p"], scrapes_compared=6, findings=[]),
    ),
    (
        "not verified",
        AuditResult(
            conserved=None,
            outcome="not_verified",
            not_seen=["what the scraper stored"],
            compared=["page"],
            findings=[DIED],
        ),
    ),
    (
        "not conserved",
        AuditResult(conserved=False, outcome="not_conserved", compared=["page"], findings=[LOST]),
    ),
    ("nothing to compare", AuditResult(conserved=None, compared=[], findings=[])),
    ("conserved", AuditResult(conserved=True, compared=["page"], findings=[])),
    ("not conserved", AuditResult(conserved=False, compared=["page"], findings=[LOST])),
]


def told(result: RunResult) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123 - recorded
    with console.file:
        console.print(write_terminal(run_parts(result)))
    return console.export_text()


@pytest.mark.parametrize(("words", "audit"), CASES)
def test_the_terminal_tells_the_three_outcomes_apart(words: str, audit: AuditResult) -> None:
    """A page that was never compared is not said to be wrong; what could not be looked at is named."""
    text = told(run_result(audit=audit))
    assert ("NOT CONSERVED" in text) is (words == "not conserved")
    assert ("NOT VERIFIED" in text) is (words == "not verified")
    assert ("every count equals the ledger's, per series and bucket" in text) is (
        words in ("conserved", "not verified")
    )
    if words == "not verified":
        assert "NOT VERIFIED: what the scraper stored could not be looked at; see ✗ above." in text
        assert "not looked at: what the scraper stored" in text
    if audit.scrapes_compared:
        assert "6 scrapes lie between the truth before and after them" in text


@pytest.mark.parametrize(("words", "audit"), CASES)
def test_a_report_tells_the_three_outcomes_apart(words: str, audit: AuditResult) -> None:
    """The same in HTML, and in a few words in the table."""
    report = Report(title="t", runs=[run_result(audit=audit)])
    ((_, audited),) = audits_in(report)
    section = audits_section(list(audits_in(report)))
    assert section is not None
    html = ET.tostring(section_element(section), encoding="unicode")
    assert ("not verified" in html) is (words == "not verified")
    assert ("not conserved" in html) is (words == "not conserved")
    wanted = {
        "conserved": "✓ none",
        "not verified": "✗ not verified",
        "not conserved": "✗ differs",
        "nothing to compare": "",
    }
    assert audit_cell(audited).text == wanted[words]


def test_a_result_of_an_earlier_version_opens() -> None:
    """Without the new keys a result is read as it was meant."""
    document = run_result().document()
    for key in ("outcome", "not_seen", "scrapes_compared", "elapsed_s"):
        del document["audit"][key]
    result = RunResult.model_validate(document)
    assert (result.audit.judged, result.audit.outcome) == ("conserved", None)
    assert "NOT" not in told(result)
