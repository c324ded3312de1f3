"""What the audits concluded and found: of the ways of recording of the default table, and of load runs."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from harness.report.numbers import plain
from harness.report.tables import Bullets, Column, Note, Part, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.measure.questions.table import Audited
    from harness.run.result import AuditResult, FindingResult

__all__ = ["Audit", "audit_cell", "audits_section", "findings_by_severity", "findings_of", "severity_sign"]

Audit: TypeAlias = "Audited | AuditResult"
_ORDER = {"error": 0, "warning": 1, "info": 2}
_SIGNS = {"error": "✗", "warning": "!", "info": "·"}


def findings_of(audit: Audit) -> "list[FindingResult]":
    """Return the findings of an audit; those kept by name alone get the severity, cause and remedy of their name.

    A finding of a later version, whose name is not known here, is a warning.
    """
    return [_finding(each) if isinstance(each, str) else each for each in audit.findings]


def _finding(name: str) -> "FindingResult":
    from harness.audit import findings
    from harness.run.result import FindingResult

    try:
        known = findings.Name(name)
    except ValueError:
        return FindingResult(name=name, severity="warning", size=math.nan, detail="", cause="", remedy="")
    severity = findings.Finding(name=known, size=math.nan).severity.value
    cause, remedy = findings.cause(known), findings.remedy(known)
    return FindingResult(name=name, severity=severity, size=math.nan, detail="", cause=cause, remedy=remedy)


def findings_by_severity(audit: Audit) -> "list[FindingResult]":
    """Return the findings of an audit, the gravest first."""
    return sorted(findings_of(audit), key=lambda finding: _ORDER.get(finding.severity, 3))


def severity_sign(finding: "FindingResult") -> str:
    """Return the sign that stands for a finding's severity."""
    return _SIGNS[finding.severity]


def audit_cell(audit: "Audit | None") -> TableCell:
    """Return what an audit says in a few words."""
    if audit is None or (audit.conserved is None and not audit.findings):
        return TableCell()
    link = "findings" if audit.findings else ""
    if audit.outcome == "not_verified":
        return TableCell("✗ not verified", link=link)
    if audit.conserved is False:
        return TableCell("✗ differs", link=link)
    serious = sum(finding.severity != "info" for finding in findings_of(audit))
    return TableCell(f"! {serious} found", link=link) if serious else TableCell("✓ none")


def audits_section(audits: Sequence[tuple[str, Audit]]) -> Section | None:
    """Return what was concluded of each name, then all findings, the gravest first."""
    if not audits:
        return None
    findings = [(name, finding) for name, audit in audits for finding in findings_of(audit)]
    findings.sort(key=lambda pair: _ORDER.get(pair[1].severity, 3))
    listed: Part = _table(findings) if findings else Note("No finding.")
    parts = (Bullets(tuple((name, _conserved(audit)) for name, audit in audits)), listed)
    brief = tuple(_line(name, finding) for name, finding in findings if finding.severity != "info")
    return Section("findings", "Audit findings", parts, brief=brief)


def _table(findings: "Sequence[tuple[str, FindingResult]]") -> ReportTable:
    columns = (
        Column("Finding", kind="text"), Column("Severity", kind="word"), Column("In", kind="text"), Column("Size"),
        Column("Detail", kind="text"),
    )  # fmt: skip
    rows = tuple(
        row_of(
            finding.name.replace("_", " "),
            TableCell(f"{_SIGNS[finding.severity]} {finding.severity}", tone=finding.severity),
            name,
            _size(finding.size),
            TableCell(finding.detail, remarks=_explained(finding)),
        )
        for name, finding in findings
    )
    return ReportTable("Findings of all audits", columns, rows, stacked=True, quiet=True)


def _explained(finding: "FindingResult") -> tuple[str, ...]:
    parts = (("Cause", finding.cause), ("Remedy", finding.remedy))
    return tuple(f"{label}: {words}" for label, words in parts if words)


def _size(size: float) -> str:
    """Return a finding's size; the last places of a sum are small, and yet not nothing."""
    return f"{size:.1e}" if 0 < abs(size) < 1e-4 else plain(size, 4)


def _line(name: str, finding: "FindingResult") -> Note:
    detail = f": {finding.detail}" if finding.detail else ""
    return Note(f"{_SIGNS[finding.severity]} {name}: {finding.name}{detail}", tone=finding.severity)


def _conserved(audit: Audit) -> TableCell:
    if audit.outcome == "not_verified":
        return TableCell("✗ not verified: not everything could be looked at", tone="invalid")
    if audit.conserved is None:
        return TableCell("nothing to compare", tone="undecided")
    if audit.conserved:
        return TableCell("✓ every count equals the ledger's", tone="valid")
    return TableCell("✗ not conserved: values differ from the ledger's", tone="invalid")
