"""The highest rates sustained: an estimate with its interval, else a bound, rounded to what is known."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.report.numbers import UNKNOWN, finite, plain
from harness.report.tables import Column, Note, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.measure.questions.saturation import Saturation

__all__ = ["condition_words", "rate_cell", "rate_tables", "saturation_section"]


def rate_cell(rate: "Saturation | None") -> TableCell:
    """Return the highest rate sustained, in lines/s.

    An interval's ends are rounded away from the value, a bound towards the side it is safe on, so that rounding never
    claims more than the tries do. The one bisection of an earlier version is a single try: nothing is known of how far
    it may be off, so it has two digits and no interval.
    """
    if rate is None:
        return TableCell()
    value = finite(rate.rate)
    if rate.method == "bisection":
        return _bound("", value, round, "single try") if value else TableCell(UNKNOWN)
    low, high = (finite(end) for end in rate.interval or (None, None))
    if value is not None and low is not None and high is not None and 0 < low < high:
        step = 10.0 ** math.floor(math.log10((high - low) / 4))
        ends = [plain(_to(low, step, math.floor), 15), plain(_to(high, step, math.ceil), 15)]
        half = _to(max(high - value, value - low), step, math.ceil)
        middle = plain(_to(value, step), 15)
        return TableCell(middle, "–".join(ends), short=_short(_to(value, step), half))
    if rate.at_least:
        return _bound("≥ ", rate.at_least, math.floor)
    # A bound from above is not shown: a busy machine fails every try, whatever the rate.
    return TableCell(UNKNOWN)


def _bound(sign: str, value: float, way: Callable[[float], int], mark: str = "") -> TableCell:
    """Return a rate in two digits, rounded in the way that is safe for it."""
    known = _to(value, _step(value, 2), way)
    return TableCell(f"{sign}{plain(known, 15)}", mark=mark, short=f"{sign}{_short(known)}")


def _short(value: float, half: float | None = None) -> str:
    """Return a rate for a narrow column: ``9.9k ±0.4k`` for 9 900 ±400."""
    scale, sign = (1000.0, "k") if value >= 1000 else (1.0, "")
    parts = [value] if half is None else [value, half]
    return " ±".join(f"{round(part / scale, 6):g}{sign}" for part in parts)


def _step(value: float, digits: int) -> float:
    return 10.0 ** (math.floor(math.log10(value)) - digits + 1)


def _to(value: float, step: float, way: Callable[[float], int] = round) -> float:
    # A quotient that is whole but for its last bit is whole.
    return way(round(value / step, 9)) * step


def condition_words(rate: "Saturation") -> str:
    """Return under what condition a rate counts as sustained: ``99 % within 5 ms, runs of 0.4 s, not scraped``."""
    run = f", runs of {plain(rate.run_s)} s" if rate.run_s else ""
    return f"99 % within {plain(rate.bound_ns / 1e6)} ms{run}, {'scraped' if rate.scraped else 'not scraped'}"


def rate_tables(rates: "Sequence[Saturation]") -> tuple[ReportTable, ...]:
    """Return the highest rates sustained, a table for each condition, with the reason where there is no interval."""
    by_condition: dict[str, list[Saturation]] = {}
    for rate in rates:
        by_condition.setdefault(condition_words(rate), []).append(rate)
    return tuple(_table(words, group) for words, group in by_condition.items())


def _table(condition: str, rates: "Sequence[Saturation]") -> ReportTable:
    columns = (
        Column("Way of recording", kind="text", narrow=""), Column("Series"), Column("Sustained", "lines/s"),
        Column("Tries passed"), Column("Tries failed"), Column("Without a schedule", "lines/s"),
    )  # fmt: skip
    notes = (Note(f"{rate.instrument}: {rate.reason}", tone="warning") for rate in rates if rate.reason)
    rows = tuple(map(_row, rates))
    return ReportTable(f"The highest rate sustained: {condition}", columns, rows, tuple(notes), stacked=True)


def _row(rate: "Saturation") -> tuple[TableCell, ...]:
    closed = rate.closed_loop
    return row_of(
        rate.instrument,
        str(rate.series),
        rate_cell(rate),
        str(sum(trial.sustained for trial in rate.trials)),
        str(sum(not trial.sustained and not trial.void for trial in rate.trials)),
        plain(_to(closed, _step(closed, 2)), 15) if closed > 0 else UNKNOWN,
    )


def saturation_section(rates: "Sequence[Saturation]") -> Section | None:
    """Return the highest rates sustained."""
    if not rates:
        return None
    intro = (
        "The open-loop rate up to which half of the fresh processes keep the response time's p99 under the bound, with "
        "its 95\u202f% interval; ≥ is a bound, where the tries allow no interval. A single try is one of an earlier "
        "version, and may be far off."
    )
    return Section("saturation", "Saturation", rate_tables(rates), intro)
