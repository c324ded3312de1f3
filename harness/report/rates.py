"""Sustained rates as a reader wants them: an estimate with its interval, else a bound, rounded to what is known."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.markup import clean
from harness.report.model import SustainedRate
from harness.report.numbers import UNKNOWN, MeasuredValue, finite, plain
from harness.report.overhead import CostCell

if TYPE_CHECKING:
    from harness.measure.questions import saturation

__all__ = ["HEADINGS", "condition_words", "rate_cell", "rate_rows", "rates_table", "saturation_of"]

HEADINGS = ("series", "sustained, lines/s", "tries passed", "tries failed", "without a schedule")

_SINGLE = "single try"


def saturation_of(found: "saturation.Saturation") -> SustainedRate:
    """Return what a search for the highest rate found; the one bisection of an earlier version is a single try."""
    factors = f"{found.series} series" if found.series != 1 else ""
    single = found.method == "bisection"
    low, high = found.interval or (None, None)
    return SustainedRate(
        found.instrument,
        MeasuredValue(finite(found.rate) if single or found.interval else None, low, high),
        found.bound_ns / 1e6,
        factors,
        at_least=None if single else found.at_least,
        single=single,
        tries=sum(not trial.void for trial in found.trials),
        run_s=found.run_s,
        scraped=found.scraped,
        note="" if single else found.reason,
    )


def rate_cell(rate: SustainedRate | None) -> CostCell:
    """Return the highest rate sustained, in lines/s.

    An interval's ends are rounded away from the value, a bound towards the side it is safe on, so that rounding never
    claims more than the tries do.
    """
    if rate is None:
        return CostCell("")
    value = finite(rate.rate.value)
    if rate.single:
        # Nothing is known of how far it may be off: two digits, and no interval.
        return _bound("", value, round, _SINGLE) if value else CostCell(UNKNOWN)
    low, high = finite(rate.rate.low), finite(rate.rate.high)
    if value is not None and low is not None and high is not None and 0 < low < high:
        step = 10.0 ** math.floor(math.log10((high - low) / 4))
        ends = [plain(_to(low, step, math.floor), 15), plain(_to(high, step, math.ceil), 15)]
        half = _to(max(high - value, value - low), step, math.ceil)
        middle = plain(_to(value, step), 15)
        return CostCell(middle, "–".join(ends), short=_short(_to(value, step), half))
    if rate.at_least:
        return _bound("≥ ", rate.at_least, math.floor)
    # A bound from above is not shown: a busy machine fails every try, whatever the rate.
    return CostCell(UNKNOWN)


def _bound(sign: str, value: float, way: Callable[[float], int], note: str = "") -> CostCell:
    """Return a rate in two digits, rounded in the way that is safe for it."""
    known = _to(value, _step(value, 2), way)
    return CostCell(f"{sign}{plain(known, 15)}", "", note, short=f"{sign}{_short(known)}")


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


def condition_words(rate: SustainedRate) -> str:
    """Return under what condition a rate counts as sustained: ``99 % within 5 ms, runs of 0.4 s, not scraped``."""
    run = f", runs of {plain(rate.run_s)} s" if rate.run_s else ""
    return f"99 % within {plain(rate.bound_ms)} ms{run}, {'scraped' if rate.scraped else 'not scraped'}"


def rate_rows(found: "Sequence[saturation.Saturation]") -> list[list[str]]:
    """Return a row of texts for each search, under an empty heading and `HEADINGS`."""
    return [
        [
            each.instrument,
            str(each.series),
            rate_cell(saturation_of(each)).text,
            str(sum(trial.sustained for trial in each.trials)),
            str(sum(not trial.sustained and not trial.void for trial in each.trials)),
            plain(_to(each.closed_loop, _step(each.closed_loop, 2)), 15) if each.closed_loop > 0 else UNKNOWN,
        ]
        for each in found
    ]


def rates_table(found: "Sequence[saturation.Saturation]") -> RenderableType:
    """Return the highest rates sustained for a terminal, with the reason below where there is no interval."""
    title = f"The highest rate sustained: {condition_words(saturation_of(found[0]))}"
    table = Table(
        title=Text(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), min_width=len(title)
    )
    table.add_column("", overflow="fold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for name, *cells in rate_rows(found):
        table.add_row(Text(clean(name)), *cells)
    notes = [Text(clean(f"{each.instrument}: {each.reason}"), style="yellow") for each in found if each.reason]
    return Group(table, *notes)
