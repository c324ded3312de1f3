"""The verdict on the history: each figure's change, what is said of it, and the conclusion."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.report.tables import Column, Note, Part, ReportTable, Section, TableCell, row_of
from harness.report.text import inert

if TYPE_CHECKING:
    from harness.history.checking.check import CheckResult, FigureDecision

__all__ = ["alerts", "check_document", "check_section", "conclusion"]

_COLUMNS = (
    Column("verdict", kind="word"), Column("effect"), Column("interval", kind="word"),
    Column("smallest seen", kind="word"), Column("departs from", kind="word"), Column("runs before"),
    Column("figure", kind="text"),
)  # fmt: skip


def check_section(check: "CheckResult") -> Section:
    """Return a table of all figures, what there is to say of each, and the conclusion as the last part."""
    parts: list[Part] = []
    if check.findings:
        notes = [
            Note(f"{inert(decision.key)}: {inert(text)}") for decision in check.findings for text in _remarks(decision)
        ]
        parts += [ReportTable("", _COLUMNS, tuple(map(_row, check.findings))), Note(""), *notes]
        bases = dict.fromkeys(decision.basis.value for decision in check.findings)
        parts += [Note(f"compared: {'; '.join(bases)}"), Note(_guarantee(check))]
    parts += [*_runs(check), Note(conclusion(check))]
    return Section("check", f"Recording overhead: {check.outcome.value}", tuple(parts))


def _row(decision: "FigureDecision") -> tuple[TableCell, ...]:
    return row_of(
        decision.outcome.value,
        _change(decision.effect),
        _interval(decision),
        _share(decision.minimal_detectable_effect),
        inert(decision.departs_from or "-"),
        str(decision.compared),
        inert(decision.key),
    )


def _interval(decision: "FigureDecision") -> str:
    interval = decision.interval
    return "-" if interval is None else f"{_change(interval[0])} to {_change(interval[1])}"


def _change(share: float | None) -> str:
    """Return a relative change with its sign; a dash for none."""
    if share is None or not math.isfinite(share):
        return "-"
    return f"{100 * share:+.{2 if abs(share) < 0.0995 else 1}f} %"


def _share(share: float | None) -> str:
    return "-" if share is None or not math.isfinite(share) else f"{100 * share:.3g} %"


def _remarks(decision: "FigureDecision") -> Iterator[str]:
    if decision.outcome.value != "pass":
        yield decision.reason
    for run, change in decision.changes:
        low, high = (math.expm1(change.shift + side * 1.96 * change.error) for side in (-1, 1))
        yield (
            f"{change.kind.value} at {inert(run)}: {_change(math.expm1(change.shift))} "
            f"({_change(low)} to {_change(high)}, chosen by search)"
        )


def conclusion(check: "CheckResult") -> str:
    """Return the verdict in one line."""
    if not check.findings:
        which = f"run {inert(check.run)} holds" if check.run else "no run holds"
        figure = "no figure to compare: it is invalid, or measured none" if check.run else "a figure to compare"
        return f"{check.outcome.value}: {which} {figure}"
    same = [decision for decision in check.findings if decision.outcome is check.outcome]
    again = ", measured again" if check.remeasured else ""
    runs = f"run {inert(check.run)}" if len(check.runs) < 2 else f"{len(check.runs)} runs"
    return (
        f"{check.outcome.value}: {len(same)} of {len(check.findings)} figures of {runs} "
        f"(tolerance {_share(check.tolerance)}{again})"
    )


def _runs(check: "CheckResult") -> Iterator[Note]:
    """Yield which run answers which question, where there are several, and which were skipped."""
    if len(check.runs) > 1:
        runs = (f"{inert(question) or 'comparison'}: {inert(run)}" for question, run in check.runs)
        yield Note(f"checked: {'; '.join(runs)}")
    for question, run in check.skipped:
        what = f" ({inert(question)})" if question else ""
        yield Note(f"skipped: run {inert(run)}{what} holds no figure to compare")


def _guarantee(check: "CheckResult") -> str:
    """Return what is guaranteed about false alarms, and what it rests on."""
    return (
        f"false alarms: at most {_share(check.alpha)} a check for all {len(check.findings)} figures together (Holm), "
        "given the runs compared with; where a change point chose those, its own rate is the bound, for each figure"
    )


def alerts(check: "CheckResult") -> Iterator[tuple[str, str, str]]:
    """Yield level, title and message for each figure that regressed (error) or is undecided (warning)."""
    for decision in check.findings:
        level = {"regressed": "error", "undecided": "warning"}.get(decision.outcome.value)
        if level is not None:
            departs = inert(decision.departs_from or "-")
            words = f"{_change(decision.effect)} ({_interval(decision)}), departs from {departs}"
            message = f"{inert(decision.key)}: {words}: {inert(decision.reason)}"
            yield level, f"recording overhead {decision.outcome.value}", message


def check_document(check: "CheckResult") -> dict[str, Any]:
    """Return the verdict as plain JSON values; change points are of logarithms."""
    findings = [
        {
            **asdict(each), "outcome": each.outcome.value, "basis": each.basis.value,
            "interval": each.interval if _bounded(each) else None,
            "changes": [{"run": run, **asdict(change), "kind": change.kind.value} for run, change in each.changes],
        }
        for each in check.findings
    ]  # fmt: skip
    return {
        "run": check.run,
        "runs": [{"question": question, "run": run} for question, run in check.runs],
        "skipped": [{"question": question, "run": run} for question, run in check.skipped],
        "outcome": check.outcome.value, "exit_code": check.outcome.exit_code, "alpha": check.alpha,
        "tolerance": check.tolerance, "remeasured": check.remeasured, "findings": findings,
    }  # fmt: skip


def _bounded(decision: "FigureDecision") -> bool:
    return decision.interval is not None and all(map(math.isfinite, decision.interval))
