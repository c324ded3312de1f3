"""Words for a verdict on the history: plain lines, JSON values, GitHub annotations and a Markdown summary."""

import html
import math
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.report.terminal.history import aligned, inert

if TYPE_CHECKING:
    from harness.history.checking.check import CheckResult, FigureDecision

__all__ = ["annotations", "as_json", "conclusion", "lines", "markdown", "promise", "runs_of"]

_COLUMNS = ("verdict", "effect", "interval", "smallest seen", "departs from", "runs before", "figure")
_RIGHT = frozenset({1, 5})
_MARKDOWN = re.compile(r"([\\`*_\[\]{}()#+!|~<>:@-])")


def _decimals(share: float) -> int:
    return 2 if abs(share) < 0.0995 else 1


def percent(share: float | None) -> str:
    """Return a relative change with its sign; a dash for none."""
    return "-" if share is None or not math.isfinite(share) else f"{100 * share:+.{_decimals(share)}f} %"


def plain_percent(share: float | None) -> str:
    """Return a share without a sign."""
    return "-" if share is None or not math.isfinite(share) else f"{100 * share:.3g} %"


def _cells(finding: "FigureDecision") -> tuple[str, ...]:
    interval = "-" if finding.interval is None else f"{percent(finding.interval[0])} to {percent(finding.interval[1])}"
    return (
        finding.outcome.value, percent(finding.effect), interval, plain_percent(finding.minimal_detectable_effect),
        inert(finding.departs_from or "-"), str(finding.compared), inert(finding.key),
    )  # fmt: skip


def _changes(finding: "FigureDecision") -> Iterator[str]:
    for run, change in finding.changes:
        low, high = (math.expm1(change.shift + side * 1.96 * change.error) for side in (-1, 1))
        yield (
            f"{change.kind.value} at {inert(run)}: {percent(math.expm1(change.shift))} "
            f"({percent(low)} to {percent(high)}, chosen by search)"
        )


def conclusion(check: "CheckResult") -> str:
    """Return the verdict in one line."""
    if not check.findings:
        which = f"run {inert(check.run)} holds" if check.run else "no run holds"
        figure = "no figure to compare: it is invalid, or measured none" if check.run else "a figure to compare"
        return f"{check.outcome.value}: {which} {figure}"
    named = [finding for finding in check.findings if finding.outcome is check.outcome]
    again = ", measured again" if check.remeasured else ""
    runs = f"run {inert(check.run)}" if len(check.runs) < 2 else f"{len(check.runs)} runs"
    return (
        f"{check.outcome.value}: {len(named)} of {len(check.findings)} figures of {runs} "
        f"(tolerance {plain_percent(check.tolerance)}{again})"
    )


def runs_of(check: "CheckResult") -> Iterator[str]:
    """Yield which run answers which question, where there are several, and which were skipped."""
    if len(check.runs) > 1:
        told = (f"{inert(question) or 'comparison'}: {inert(run)}" for question, run in check.runs)
        yield f"checked: {'; '.join(told)}"
    for question, run in check.skipped:
        what = f" ({inert(question)})" if question else ""
        yield f"skipped: run {inert(run)}{what} holds no figure to compare"


def promise(check: "CheckResult") -> str:
    """Return what is promised about false alarms, and what it rests on."""
    return (
        f"false alarms: at most {plain_percent(check.alpha)} a check for all {len(check.findings)} figures together "
        "(Holm), given the runs compared with; where a change point chose those, its own rate is the bound, for each "
        "figure"
    )


def lines(check: "CheckResult") -> Iterator[str]:
    """Yield the verdict as text: a table of all figures, what there is to say about each, the conclusion."""
    if check.findings:
        yield from aligned([_COLUMNS, *map(_cells, check.findings)], right=_RIGHT)
        yield ""
    for finding in check.findings:
        told = [finding.reason] if finding.outcome.value != "pass" else []
        for text in (*map(inert, told), *_changes(finding)):
            yield f"{inert(finding.key)}: {text}"
    bases = dict.fromkeys(finding.basis.value for finding in check.findings)
    if bases:
        yield f"compared: {'; '.join(bases)}"
        yield promise(check)
    yield from runs_of(check)
    yield conclusion(check)


def as_json(check: "CheckResult") -> dict[str, Any]:
    """Return the verdict as plain JSON values; change points are of logarithms."""
    findings = [
        {
            **asdict(finding), "outcome": finding.outcome.value, "basis": finding.basis.value,
            "interval": finding.interval if _bounded(finding) else None,
            "changes": [{"run": run, **asdict(change), "kind": change.kind.value} for run, change in finding.changes],
        }
        for finding in check.findings
    ]  # fmt: skip
    return {
        "run": check.run,
        "runs": [{"question": question, "run": run} for question, run in check.runs],
        "skipped": [{"question": question, "run": run} for question, run in check.skipped],
        "outcome": check.outcome.value, "exit_code": check.outcome.exit_code, "alpha": check.alpha,
        "tolerance": check.tolerance, "remeasured": check.remeasured, "findings": findings,
    }  # fmt: skip


def _bounded(finding: "FigureDecision") -> bool:
    return finding.interval is not None and all(map(math.isfinite, finding.interval))


def _data(text: str) -> str:
    """Escape the message of a workflow command, as GitHub's toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def annotations(check: "CheckResult") -> Iterator[str]:
    """Yield a GitHub workflow command for each figure that regressed (error) or is undecided (warning)."""
    for finding in check.findings:
        level = {"regressed": "error", "undecided": "warning"}.get(finding.outcome.value)
        if level is None:
            continue
        _, effect, interval, _, departs, *_ = _cells(finding)
        told = f"{inert(finding.key)}: {effect} ({interval}), departs from {departs}: {inert(finding.reason)}"
        title = _property(f"recording overhead {finding.outcome.value}")
        yield f"::{level} title={title}::{_data(told)}"


def _cell(text: str) -> str:
    """Make text from outside inert in a Markdown table: no markup, no HTML, no cell boundary, no mention."""
    return _MARKDOWN.sub(lambda found: html.escape(found[0]) if found[0] in "<>" else f"\\{found[0]}", inert(text))


def markdown(check: "CheckResult") -> str:
    """Return the verdict as a section of GitHub-flavoured Markdown."""
    head = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}\n"
    rows = "".join(f"| {' | '.join(map(_cell, _cells(finding)))} |\n" for finding in check.findings)
    notes = [
        f"- {_cell(finding.key)}: {_cell(text)}\n"
        for finding in check.findings
        for text in ([finding.reason] if finding.outcome.value != "pass" else []) + list(_changes(finding))
    ]
    notes += [f"- {_cell(text)}\n" for text in runs_of(check)]
    body = f"{head}{rows}\n{''.join(notes)}\n" if check.findings else "".join(notes)
    return (
        f"## Recording overhead: {check.outcome.value}\n\n{_cell(conclusion(check))}\n\n{body}{_cell(promise(check))}\n"
    )
