"""What the stored validation amounts to: a table for the terminal, its rows also for a page."""

from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.numbers import UNKNOWN, percent, plain

if TYPE_CHECKING:
    from harness.measure.questions.validation import Bound, Validation

__all__ = ["HEADINGS", "ValidationRow", "bound_words", "method_words", "validation_rows", "validation_view"]

HEADINGS = ("what", "count", "of", "share", "95 % interval", "bound", "")


class ValidationRow(NamedTuple):
    """One rate: its cells in the order of `HEADINGS`."""

    what: str
    seen: str
    trials: str
    share: str
    interval: str
    bound: str
    kept: str


def _row(
    what: str, count: int, of: int, interval: tuple[float, float], bound: str = "", holds: bool | None = None
) -> ValidationRow:
    if not of:
        return ValidationRow(what, str(count), str(of), UNKNOWN, UNKNOWN, bound, "not measured yet" if bound else "")
    kept = {True: "kept", False: "MISSED", None: ""}[holds]
    low, high = interval
    return ValidationRow(
        what, str(count), str(of), percent(count / of), f"{percent(low)} to {percent(high)}", bound, kept
    )


def validation_rows(found: "Validation") -> list[ValidationRow]:
    """Return the rates with their exact intervals and the bounds they have to keep."""
    alarms, hits = found.alarms_bound.limit, found.found_bound.limit
    return [
        _row(
            "false alarms on identical code", found.false_alarms, found.identical, found.false_alarm_rate,
            f"at most {alarms}", found.alarms_hold,
        ),
        _row(
            "slowdowns of 1 % found", found.found, found.slowdowns, found.found_rate, f"at least {hits}",
            found.found_holds,
        ),
        _row("slowdowns of 0.5 % found", found.small_found, found.small, found.small_found_rate, "for information"),
        _row("void at first, and measured again", found.repeated, found.experiments, found.repeated_rate),
        _row("void in the end", found.voided, found.experiments, found.voided_rate),
    ]  # fmt: skip


def bound_words(found: "Validation") -> str:
    """Return what the two bounds bear, by the binomial distribution."""
    alarms, slowdowns = found.alarms_bound, found.found_bound
    return f"{_bears('false alarms', alarms, 'or more')} {_bears('slowdowns', slowdowns, 'or less')}"


def method_words(found: "Validation") -> str:
    """Return that some experiments were made by an earlier method; empty when none was."""
    if not found.earlier:
        return ""
    return (
        f"{found.earlier} of these experiments were measured by an earlier method, whose control had fewer pairs and "
        "which measured nothing again; `make validate` replaces them."
    )


def _bears(what: str, bound: "Bound", beyond: str) -> str:
    return (
        f"The bound on {what} is kept 19 times in 20 by a true rate of {percent(bound.claimed)}, and missed four times "
        f"in five by one of {percent(bound.refused)} {beyond}; it cannot tell rates between the two apart."
    )


def validation_view(found: "Validation") -> RenderableType:
    """Return the stored experiments' rates for a terminal."""
    title = "What hundreds of experiments say about the measuring"
    table = Table(
        title=Text(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), min_width=len(title)
    )
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in {"what", "bound", ""} else "right")
    for row in validation_rows(found):
        table.add_row(*row)
    words = (
        f"Median pairs of an experiment {plain(found.pairs)}; median seconds of a slowdown's trial "
        f"{plain(found.trial_s)}; median standard deviation of the pairs' log-ratio {plain(found.log_ratio_sd)}."
    )
    return Group(table, Text(bound_words(found), style="dim"), Text(words, style="dim"))
