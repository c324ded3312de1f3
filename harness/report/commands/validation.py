"""The stored validation: the rates it found with their exact intervals and bounds."""

from typing import TYPE_CHECKING

from harness.report.numbers import UNKNOWN, percent
from harness.report.tables import Column, ReportTable, TableCell, row_of

if TYPE_CHECKING:
    from harness.measure.questions.validation import Bound, Validation

__all__ = ["bound_words", "method_words", "validation_table"]


def _row(
    what: str, count: int, of: int, interval: tuple[float, float], bound: str, holds: bool | None
) -> tuple[TableCell, ...]:
    if not of:
        return row_of(what, str(count), str(of), UNKNOWN, UNKNOWN, bound, "not measured yet" if bound else "")
    stored = {True: "kept", False: "MISSED", None: ""}[holds]
    low, high = interval
    return row_of(what, str(count), str(of), percent(count / of), f"{percent(low)} to {percent(high)}", bound, stored)


def validation_table(validation: "Validation") -> ReportTable:
    """Return the rates with their exact intervals and the bounds they have to keep."""
    alarms, hits = f"at most {validation.alarms_bound.limit}", f"at least {validation.found_bound.limit}"
    rates = (
        ("false alarms on identical code", validation.false_alarms, validation.identical,
         validation.false_alarm_rate, alarms, validation.alarms_hold),
        ("slowdowns of 1 % found", validation.found, validation.slowdowns, validation.found_rate, hits,
         validation.found_holds),
        ("slowdowns of 0.5 % found", validation.small_found, validation.small, validation.small_found_rate,
         "for information", None),
        ("void at first, and measured again", validation.repeated, validation.experiments, validation.repeated_rate,
         "", None),
        ("void in the end", validation.voided, validation.experiments, validation.voided_rate, "", None),
    )  # fmt: skip
    columns = (
        Column("what", kind="text"), Column("count"), Column("of"), Column("share"), Column("95 % interval"),
        Column("bound", kind="word"), Column("", kind="word"),
    )  # fmt: skip
    return ReportTable(
        "What hundreds of experiments say about the measuring", columns, tuple(_row(*rate) for rate in rates)
    )


def bound_words(validation: "Validation") -> str:
    """Return what the two bounds bear, by the binomial distribution."""
    alarms, slowdowns = validation.alarms_bound, validation.found_bound
    return f"{_bears('false alarms', alarms, 'or more')} {_bears('slowdowns', slowdowns, 'or less')}"


def method_words(validation: "Validation") -> str:
    """Return that some experiments were made by an earlier method; empty when none was."""
    if not validation.earlier:
        return ""
    return (
        f"{validation.earlier} of these experiments were measured by an earlier method, whose control had fewer pairs "
        "and which measured nothing again; `make validate` replaces them."
    )


def _bears(what: str, bound: "Bound", beyond: str) -> str:
    return (
        f"The bound on {what} is kept 19 times in 20 by a true rate of {percent(bound.claimed)}, and missed four times "
        f"in five by one of {percent(bound.refused)} {beyond}; it cannot tell rates between the two apart."
    )
