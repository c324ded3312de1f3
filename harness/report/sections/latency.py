"""Latency: what a scrape does to the lines meanwhile, by window and by moment, and the distributions of load runs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.load.latency.tail import FEWEST_BEYOND, supported
from harness.report.experiments import conditions, measured
from harness.report.numbers import (
    NOT_KNOWN,
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
from harness.report.plots.percentiles import Curve, decoded, percentiles_picture, quantile_text
from harness.report.tables import Column, Illustration, Note, Part, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.measure.questions.scraping.effect import ScrapeEffect, Shift
    from harness.run.result import RunResult

__all__ = ["effect_table", "latency_section", "study_words"]

_PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
_TOO_FEW = f"{UNKNOWN}: fewer than {FEWEST_BEYOND} lines of some process lie beyond that percentile"


def _duration(effect: "ScrapeEffect") -> str:
    """Return what is compared; documents of earlier versions measured service times in a closed loop."""
    return "Response time" if effect.rate is not None else "Service time in a closed loop"


def _effect_parts(effect: "ScrapeEffect", ident: str) -> Iterator[Part]:
    """Yield the distributions in and outside scrapes as a picture, and the percentiles compared as a table."""
    drawn = effect.histograms
    curves = [
        decoded("windows without scrapes", drawn.unscraped),
        decoded("windows with scrapes", drawn.scraped),
        decoded("while a scrape was served", drawn.served),
    ]
    title = f"{_duration(effect)} in and outside scrapes: {_subject(effect)}"
    yield from _distribution([curve for curve in curves if curve], title, ident)
    if effect.by_window:
        yield effect_table(effect)


def _subject(effect: "ScrapeEffect") -> str:
    words = conditions(effect.factors)
    return f"{effect.instrument}, {words}" if words else effect.instrument


def effect_table(effect: "ScrapeEffect") -> ReportTable:
    """Return a row for each percentile, in one unit, and what the study rests on.

    What too few lines lie beyond has no figures.
    """
    columns = [Column("Percentile", kind="text", narrow="percentile"), *_columns(effect)]
    rows = list(_rows(effect))
    unit = unit_for([values[0].value for _, values in rows])
    words = study_words(effect)
    blank = effect.rate is not None and any(values[3].value is None for _, values in rows)
    if blank or any(values[0].value is None for _, values in rows):
        words = f"{words}. {_TOO_FEW}"
    cells = tuple(row_of(name, *_cells(values, unit)) for name, values in rows)
    caption = f"{_duration(effect)} with and without scrapes: {_subject(effect)}, {unit.name}"
    return ReportTable(caption, tuple(columns), cells, (Note(words, tone="quiet"),))


def _columns(effect: "ScrapeEffect") -> Iterator[Column]:
    yield from (Column("Without scrapes"), Column("With scrapes"), Column("Difference"))
    if effect.rate is not None:
        yield Column("Due in a scrape", narrow="Due in\na scrape")
        yield from (Column("Difference"), Column("Service difference", narrow="Service\ndifference"))


_Row = tuple[str, list[MeasuredValue]]


def _cells(values: Sequence[MeasuredValue], unit: Unit) -> Iterator[TableCell]:
    """Yield a cell for each column: levels as they are, differences with their intervals."""
    for index, value in enumerate(values):
        difference = index in {2, 4, 5}
        yield TableCell(plus_minus(value, unit) if difference else with_interval(value, unit)[0])


def _rows(effect: "ScrapeEffect") -> Iterator[_Row]:
    during = {shift.percentile: shift for shift in effect.by_moment}
    service = {shift.percentile: shift for shift in effect.service_by_window}
    fewest = _fewest(effect) if effect.rate is None else None
    for shift in effect.by_window:
        if fewest is not None:
            known = supported(shift.percentile, fewest)
            yield quantile_text(shift.percentile), _levels(shift) if known else [NOT_KNOWN] * 3
            continue
        moment, served = during.get(shift.percentile), service.get(shift.percentile)
        yield (
            quantile_text(shift.percentile),
            [
                *_levels(shift),
                NOT_KNOWN if moment is None else MeasuredValue(finite(moment.scraped)),
                NOT_KNOWN if moment is None else measured(moment.difference, moment.interval),
                NOT_KNOWN if served is None else measured(served.difference, served.interval),
            ],
        )


def _levels(shift: "Shift") -> list[MeasuredValue]:
    outside, inside = MeasuredValue(finite(shift.unscraped)), MeasuredValue(finite(shift.scraped))
    return [outside, inside, measured(shift.difference, shift.interval)]


def _fewest(effect: "ScrapeEffect") -> int:
    """Return the lines of a process in a document that did not count them: so many on average."""
    sides = (decoded("", text) for text in (effect.histograms.unscraped, effect.histograms.scraped))
    counts = [effect.lines / 2 if curve is None else curve.histogram.count for curve in sides]
    return int(min(counts) / max(1, effect.processes))


def study_words(effect: "ScrapeEffect") -> str:
    """Return what a study rests on, in a sentence."""
    words = (
        f"{plain(effect.lines, 15)} lines and {plain(effect.scrapes, 15)} scrapes by {effect.scraper} in "
        f"{effect.processes} processes; a scrape was being served {percent(effect.served_share)} of the scraped time"
    )
    if effect.rate is None or not effect.closed_loop:
        return f"{words}; a closed loop, in which a line that is held up delays no other: stalls hardly show"
    share = percent(effect.rate / effect.closed_loop)
    due = f"{plain(effect.rate, 15)} lines/s were due, {share} of the rate without a schedule"
    void = [process.busy for process in effect.traces if process.void]
    left_out = ""
    if void:
        most = percent(max(busy or 0.0 for busy in void))
        left_out = f"; left out: {len(void)} of {len(effect.traces)} processes, busy up to {most} of the time"
    busy = "" if effect.busy is None else f", which kept the subject busy {percent(effect.busy)} of the time"
    return f"{words}; {due}{busy}{left_out}"


def _distribution(curves: Sequence[Curve], title: str, ident: str) -> Iterator[Part]:
    """Yield distributions as a picture and a table; nothing without any."""
    if not curves:
        return
    unit = unit_for([curve.histogram.percentile(50) for curve in curves])
    columns = (
        Column("Percentile", kind="text", narrow=""),
        *(Column(curve.label, unit.name, narrow="\n".join([*_halves(curve.label), unit.name])) for curve in curves),
    )
    values = [curve.percentiles(_PERCENTILES) for curve in curves]
    rows = [row_of(quantile_text(each), *(_scaled(at[each], unit) for at in values)) for each in _PERCENTILES]
    rows.append(row_of("highest", *(_scaled(curve.histogram.max or 0, unit) for curve in curves)))
    table = ReportTable(title, columns, tuple(rows), quiet=True)
    yield Illustration(percentiles_picture(curves, title, ident), table, only_on_page=True)


def _halves(label: str) -> list[str]:
    words = label.split()
    return [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]


def _scaled(value: float | None, unit: Unit) -> str:
    return plain(None if value is None else value / unit.scale)


def latency_section(effects: "Sequence[ScrapeEffect]", runs: "Sequence[RunResult]" = ()) -> Section | None:
    """Return the latency distributions in and outside scrapes, then those of each run."""
    scraped = [part for index, each in enumerate(effects) for part in _effect_parts(each, f"scrape-latency-{index}")]
    parts: list[Part] = list(scraped)
    for index, run in enumerate(runs):
        curves = [
            decoded("service (end − start)", run.service_ns.hdr),
            decoded("response (end − due)", run.response_ns.hdr),
        ]
        parts += _distribution([c for c in curves if c], f"Latency of {run.spec.name}", f"run-latency-{index}")
    if not parts:
        return None
    intro = (
        "How many lines took how long. To the right only the slowest are left: at 99.9 one line in a thousand took "
        "longer than the curve says. Curves end, and – stands, where fewer than ten lines are left."
    )
    brief = tuple(part.table for part in scraped if isinstance(part, Illustration))
    return Section("latency", "Latency", tuple(parts), intro, brief)
