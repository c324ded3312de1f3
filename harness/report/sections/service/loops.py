"""Event loops: how long a scrape or push stalls one, what it does to requests, and the law of the stall."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.report.experiments import measured
from harness.report.numbers import UNKNOWN, MeasuredValue, Unit, finite, plain, plus_minus, unit_for, with_interval
from harness.report.plots.laws import LawsPicture, cost_at, formula, law_unit, terms_of
from harness.report.plots.percentiles import quantile_text
from harness.report.tables import Column, Illustration, Note, Part, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.measure.questions.event_loop.effect import LoopEffect
    from harness.measure.questions.laws import CostLaw
    from harness.measure.questions.scraping.effect import Shift

__all__ = ["loops_section", "stall_sentence", "stalls_table"]

_NAME = Column("Deployment", kind="text")
_FEW = Note(f"{UNKNOWN}: fewer than ten of some process lie beyond that percentile", tone="quiet")
# Chi-squared per degree of freedom from which on the sentence says that a law does not fit.
_FITS = 10.0
_INTRO = (
    "A service with one event loop answers requests that are due on schedule; half of its windows, drawn at random, "
    "have one scrape or push. The stall is the longest lag of a heartbeat in a window."
)


def loops_section(effects: "Sequence[LoopEffect]") -> Section | None:
    """Return the stalls as a table, their law as a picture, and the percentiles behind them; None without any."""
    if not effects:
        return None
    from harness.measure.questions.event_loop.effect import stall_laws

    laws = stall_laws(effects)
    parts: list[Part] = [stalls_table(effects)]
    sizes = {effect.asked_series for effect in effects}
    if len(sizes) > 1:
        words = tuple(Note(stall_sentence(law), tone="" if law.fit is not None else "warning") for law in laws)
        parts += [Illustration(_picture(laws), _points_table(laws)), *words]
    parts += [_windows_table(effects, beats=True), _windows_table(effects, beats=False), _moments_table(effects)]
    brief: tuple[Part, ...] = (
        stalls_table(effects),
        *(Note(f"  {stall_sentence(law)}") for law in laws if law.fit is not None),
    )
    return Section("loops", "Event loops", tuple(parts), _INTRO, brief)


def stalls_table(effects: "Sequence[LoopEffect]") -> ReportTable:
    """Return a row for each deployment and size of page: the stall of the loop, and how much longer responses took."""
    values = [each.difference for effect in effects for each in (effect.stall, effect.longest_response)]
    unit = unit_for([value for value in values if value is not None])
    columns = (
        _NAME, Column("Series"), Column("KiB"), Column("Longest lag", narrow="longest\nlag"), Column("Stall"),
        Column("Longest response later by", narrow="response\nlater by"),
    )  # fmt: skip
    rows = tuple(
        row_of(
            effect.deployment,
            plain(effect.series, 15),
            plain(effect.page_bytes / 1024),
            _both(effect.stall, unit),
            _difference(effect.stall, unit),
            _difference(effect.longest_response, unit),
        )
        for effect in effects
    )
    caption = f"Stall of the event loop in a window, without → with a scrape, {unit.name}"
    return ReportTable(caption, columns, rows, tuple(_notes(effects)))


def _difference(shift: "Shift", unit: Unit) -> str:
    return plus_minus(measured(shift.difference, shift.interval), unit)


def _both(shift: "Shift", unit: Unit) -> str:
    """Return the level without scrapes and with one."""
    return f"{_scaled(shift.unscraped, unit)} → {_scaled(shift.scraped, unit)}"


def _scaled(value: float | None, unit: Unit) -> str:
    known = finite(value)
    return UNKNOWN if known is None else with_interval(MeasuredValue(known), unit)[0]


def _notes(effects: "Sequence[LoopEffect]") -> Iterator[Note]:
    first = effects[0]
    scrapes, requests = sum(each.scrapes for each in effects), sum(each.requests for each in effects)
    processes = sum(each.processes for each in effects)
    words = (
        f"{plain(requests, 15)} requests and {plain(scrapes, 15)} scrapes or pushes, fresh processes: {processes}, "
        f"{plain(first.rate)} requests/s; ± is the 95\u202f% interval over processes"
    )
    lags = [trace.sender_lag for each in effects for trace in each.traces if trace.sender_lag is not None]
    if lags:
        unit = unit_for(lags)
        words += f"; the sender itself was up to {_scaled(max(lags), unit)} {unit.name} late (p99 without scrapes)"
    yield Note(words, tone="quiet")
    for effect in effects:
        reasons = dict.fromkeys(trace.void for trace in effect.traces if trace.void)
        for reason in reasons:
            count = sum(trace.void == reason for trace in effect.traces)
            words = f"{effect.deployment}, {effect.asked_series} series: {count} of {len(effect.traces)} processes void"
            yield Note(f"{words}: {reason}", tone="warning")


def stall_sentence(law: "CostLaw") -> str:
    """Return the law of a stall in words: ``stall = 0.3 ms + 0.08 ms × KiB``, or why there is none."""
    if law.fit is None:
        return f"{law.instrument}: no law: it takes pages of three sizes, each measured in four processes"
    slope = terms_of(law)[1]
    low, high = law.fit.b_interval
    if low <= 0 <= high:
        return f"{law.instrument}: whether the stall grows with the page is undecided ({slope.value} for each KiB)"
    misfit = (
        "" if law.fit.misfit < _FITS else f"; the points do not lie on the line (misfit {plain(law.fit.misfit, 2)})"
    )
    return f"{law.instrument}: {formula(law, intervals=True, what='stall')}{misfit}"


_FITS = 10.0


def _picture(laws: "Sequence[CostLaw]") -> LawsPicture:
    words = "; ".join(f"{law.instrument}: {formula(law, what='stall') or 'no law fitted'}" for law in laws)
    description = f"Stalls measured, with 95 % intervals over processes, and the fitted lines. {words}."
    title = "Stall of the event loop against the size of the page"
    return LawsPicture("loop-stalls", title, description, laws, "stall of the event loop")


def _points_table(laws: "Sequence[CostLaw]") -> ReportTable:
    columns = (_NAME, Column("Page", "KiB"), Column("Unit", kind="text"), Column("Stall"))
    rows = tuple(
        row_of(law.instrument, plain(point.x), law_unit(law).name, plus_minus(cost_at(point), law_unit(law)))
        for law in laws
        for point in law.points
    )
    return ReportTable("Stall by size of the page", columns, rows, quiet=True)


def _windows_table(effects: "Sequence[LoopEffect]", *, beats: bool) -> ReportTable:
    """Return percentiles of the heartbeat's lag, or of the response time, by window."""
    sides = [effect.beats_by_window if beats else effect.responses_by_window for effect in effects]
    unit = unit_for([shift.scraped for side in sides for shift in side])
    known = _known(sides)
    columns = (_NAME, Column("Series"), *(Column(name) for name in known))
    rows = tuple(
        row_of(
            effect.deployment,
            plain(effect.series, 15),
            *(_both(shift, unit) for shift in side if quantile_text(shift.percentile) in known),
        )
        for effect, side in zip(effects, sides, strict=True)
    )
    what = "Lag of the heartbeat" if beats else "Response time"
    return ReportTable(f"{what} in windows without → with a scrape, {unit.name}", columns, rows, _few(rows))


def _moments_table(effects: "Sequence[LoopEffect]") -> ReportTable:
    """Return how long a scrape takes, and percentiles of what was due meanwhile."""
    sides = [(effect.beats_by_moment, effect.responses_by_moment) for effect in effects]
    unit = unit_for([effect.scrape_ns for effect in effects])
    beats, responses = _known([each for each, _ in sides]), _known([each for _, each in sides])
    columns = (
        _NAME, Column("Series"), Column("Scrape takes", narrow="scrape\ntakes"),
        *(Column(f"Lag {name}", narrow=f"lag\n{name}") for name in beats),
        *(Column(f"Response {name}", narrow=f"response\n{name}") for name in responses),
    )  # fmt: skip
    rows = tuple(
        row_of(
            effect.deployment,
            plain(effect.series, 15),
            _scaled(effect.scrape_ns, unit),
            *(_scaled(shift.scraped, unit) for shift in beat if quantile_text(shift.percentile) in beats),
            *(_scaled(shift.scraped, unit) for shift in response if quantile_text(shift.percentile) in responses),
        )
        for effect, (beat, response) in zip(effects, sides, strict=True)
    )
    return ReportTable(
        f"Beats and requests due while a scrape or push is served, {unit.name}", columns, rows, _few(rows)
    )


def _few(rows: Sequence[tuple[TableCell, ...]]) -> tuple[Note, ...]:
    """Return what a missing figure means, where there is one."""
    return (_FEW,) if any(UNKNOWN in cell.value for row in rows for cell in row) else ()


def _known(sides: "Sequence[Sequence[Shift]]") -> list[str]:
    """Return the percentiles that at least one row has."""
    names = (quantile_text(shift.percentile) for side in sides for shift in side if shift.scraped is not None)
    return sorted(dict.fromkeys(names), key=lambda name: float(name.removeprefix("p")))
