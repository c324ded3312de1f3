"""What a scrape does to the lines meanwhile, for readers: percentiles by window and by moment."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.load.tail import FEWEST_BEYOND, supported
from harness.report.model import ScrapeEffectSummary, ScrapeLatency
from harness.report.numbers import (
    UNKNOWN,
    MeasuredValue,
    Unit,
    finite,
    percent,
    plain,
    plus_minus,
    unit_for,
    with_interval,
)
from harness.report.overhead import conditions, measured
from harness.report.plots.percentiles import decoded

if TYPE_CHECKING:
    from harness.measure.questions.scrape_effect import ScrapeEffect

__all__ = ["effect_rows", "headings", "scrape_latency_of", "study_words", "unit_of_study"]

_OPEN = "response time"
_CLOSED = "service time in a closed loop"
TOO_FEW = f"{UNKNOWN}: fewer than {FEWEST_BEYOND} lines of some process lie beyond that percentile"


def scrape_latency_of(found: "ScrapeEffect") -> ScrapeLatency:
    """Return what a scrape does to a line, without the percentiles that too few lines are beyond.

    Documents of earlier versions measured service times in a closed loop, and say so.
    """
    drawn = found.histograms
    latency = ScrapeLatency(
        found.instrument,
        drawn.scraped,
        drawn.unscraped,
        _closed(found) if found.rate is None else _open(found),
        conditions(found.factors),
        drawn.served,
        duration=_CLOSED if found.rate is None else _OPEN,
    )
    told = all(effect.outside.value is not None for effect in latency.effects)
    during = found.rate is None or all(effect.during.value is not None for effect in latency.effects)
    words = [study_words(found), *([] if told and during else [TOO_FEW])]
    return ScrapeLatency(
        latency.subject, latency.inside, latency.outside, latency.effects, latency.factors, latency.served,
        latency.duration, ". ".join(words),
    )  # fmt: skip


def _open(found: "ScrapeEffect") -> list[ScrapeEffectSummary]:
    during = {shift.percentile: shift for shift in found.by_moment}
    service = {shift.percentile: shift for shift in found.service_by_window}
    effects = []
    for shift in found.by_window:
        moment, served = during.get(shift.percentile), service.get(shift.percentile)
        effects.append(
            ScrapeEffectSummary(
                _name(shift.percentile),
                MeasuredValue(finite(shift.unscraped)),
                MeasuredValue(finite(shift.scraped)),
                measured(shift.difference, shift.interval),
                MeasuredValue() if moment is None else MeasuredValue(finite(moment.scraped)),
                MeasuredValue() if moment is None else measured(moment.difference, moment.interval),
                MeasuredValue() if served is None else measured(served.difference, served.interval),
            )
        )
    return effects


def _closed(found: "ScrapeEffect") -> list[ScrapeEffectSummary]:
    """Return the effects of a document that did not count the lines of each process: so many on average."""
    sides = (decoded("", text) for text in (found.histograms.unscraped, found.histograms.scraped))
    counts = [found.lines / 2 if curve is None else curve.histogram.count for curve in sides]
    fewest = int(min(counts) / max(1, found.processes))
    effects = []
    for shift in found.by_window:
        if supported(shift.percentile, fewest):
            low, high = MeasuredValue(finite(shift.unscraped)), MeasuredValue(finite(shift.scraped))
            difference = measured(shift.difference, shift.interval)
        else:
            low = high = difference = MeasuredValue()
        effects.append(ScrapeEffectSummary(_name(shift.percentile), low, high, difference))
    return effects


def _name(percentile: float) -> str:
    return f"p{percentile:g}"


def study_words(found: "ScrapeEffect") -> str:
    """Return what a study rests on, in a sentence."""
    words = (
        f"{plain(found.lines, 15)} lines and {plain(found.scrapes, 15)} scrapes by {found.scraper} in "
        f"{found.processes} processes; a scrape was being served {percent(found.served_share)} of the scraped time"
    )
    if found.rate is None or not found.closed_loop:
        return f"{words}; a closed loop, in which a line that is held up delays no other: stalls hardly show"
    share = percent(found.rate / found.closed_loop)
    due = f"{plain(found.rate, 15)} lines/s were due, {share} of the rate without a schedule"
    void = [process.busy for process in found.traces if process.void]
    left_out = ""
    if void:
        most = percent(max(each or 0.0 for each in void))
        left_out = f"; left out: {len(void)} of {len(found.traces)} processes, busy up to {most} of the time"
    kept = "" if found.busy is None else f", which kept the subject busy {percent(found.busy)} of the time"
    return f"{words}; {due}{kept}{left_out}"


def headings(latency: ScrapeLatency) -> list[str]:
    """Return the columns of a study's table behind the percentile's name."""
    columns = ["without scrapes", "with scrapes", "difference"]
    if latency.duration == _OPEN:
        columns += ["due in a scrape", "difference", "service difference"]
    return columns


def effect_rows(latency: ScrapeLatency, unit: Unit | None = None) -> list[list[str]]:
    """Return a row for each percentile: its name and a cell for each of `headings`, all in one unit."""
    chosen = unit or unit_of_study(latency)
    rows = []
    for effect in latency.effects:
        cells = [effect.percentile, *_pair(effect.outside, effect.inside, effect.difference, chosen)]
        if latency.duration == _OPEN:
            cells += _pair(None, effect.during, effect.during_difference, chosen)
            cells.append(plus_minus(effect.service_difference, chosen))
        rows.append(cells)
    return rows


def _pair(outside: MeasuredValue | None, inside: MeasuredValue, difference: MeasuredValue, unit: Unit) -> Sequence[str]:
    sides = [each for each in (outside, inside) if each is not None]
    return [*(with_interval(each, unit)[0] for each in sides), plus_minus(difference, unit)]


def unit_of_study(latency: ScrapeLatency) -> Unit:
    """Return the unit of a study's table."""
    return unit_for([effect.outside.value for effect in latency.effects])
