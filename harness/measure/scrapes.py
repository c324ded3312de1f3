"""Scrape as a factor: windows with scrapes and windows without, drawn at random within one run, and their latencies.

The unit is the process. Windows of one process share its memory layout and its moment, so a percentile's difference is
taken within each process, and the interval is Student's over processes.
"""

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from harness.errors import RunError
from harness.load.histogram import Histogram
from harness.measure.document import Interval, interval_of, number_or_none
from harness.measure.experiment import Progress, Step
from harness.measure.gate import Gate, Schedule
from harness.measure.lines import lines_for
from harness.measure.pairs import voided
from harness.measure.processes import Lines, apart, cores, start_sides
from harness.measure.scraping import SlotScraper
from harness.measure.stats import t_interval
from harness.measure.subjects import Subject

__all__ = [
    "PERCENTILES", "Conditions", "Histograms", "ScrapeEffect", "Shift", "measure_scrapes", "scrape_effect", "split",
    "sweep",
]  # fmt: skip

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_LEAD_NS = 300_000_000

Ns = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Conditions:
    """One point of a sweep: what is scraped, how often, by how many at a time, for how long.

    `windows` of `window_ms` each, half of them with scrapes; `processes` repeats. A window should hold some scrapes.
    """

    instrument: str = "opencensus"
    series: int = 1
    interval_ms: int = 100
    scrapers: int = 1
    windows: int = 12
    window_ms: int = 250
    processes: int = 5
    scraper: str = "auto"
    seed: int = 1


class Shift(BaseModel):
    """One percentile of a line's latency, ns: means over processes, and the difference with its 95 % interval."""

    model_config = ConfigDict(frozen=True)

    percentile: float
    unscraped: float | None
    scraped: float | None
    difference: float | None
    interval: Interval


class Histograms(BaseModel):
    """Distributions of a line's latency, ns, as HdrHistogram's V2 compressed string in base64; empty without a line."""

    model_config = ConfigDict(frozen=True)

    unscraped: str = Field("", description="lines in windows without scrapes")
    scraped: str = Field("", description="lines in windows with scrapes")
    served: str = Field("", description="lines that overlapped a scrape being served")


class ScrapeEffect(BaseModel):
    """The outcome of one point: by window, as drawn, and by whether a scrape was being served at that moment."""

    model_config = ConfigDict(frozen=True)

    instrument: str
    factors: dict[str, int | str]
    scraper: str
    processes: int
    scrapes: int
    lines: int
    served_share: float = Field(description="share of the time in scraped windows during which a scrape was served")
    by_window: list[Shift] = Field(description="lines in windows with scrapes against lines in windows without")
    by_moment: list[Shift] = Field(description="lines overlapping a scrape being served against all others")
    histograms: Histograms = Field(Histograms(), description="the latencies of all processes together")
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class _Trace:
    starts: Ns
    took: Ns
    served: Ns  # (n, 2): start and end of each scrape being served
    schedule: Schedule


def split(starts: Ns, took: Ns, served: Ns, schedule: Schedule) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each line whether its window was a scraped one, and whether it overlapped a scrape being served.

    `starts` and `took` are ns, one for each line; `served` has a row (start, end) for each scrape, in order of starts.
    Lines that began outside all windows belong to unscraped ones.
    """
    flags = np.asarray(schedule.scraped, dtype=bool)
    index = (starts - schedule.start_ns) // schedule.window_ns
    within = (index >= 0) & (index < len(flags))
    window = np.zeros(len(starts), dtype=bool)
    window[within] = flags[index[within]]
    if not len(served):
        return window, np.zeros(len(starts), dtype=bool)
    # Scrapes of several scrapers overlap: the latest end so far tells whether any is still being served.
    ends = np.maximum.accumulate(served[:, 1])
    last = np.searchsorted(served[:, 0], starts + took, side="right") - 1
    return window, (last >= 0) & (ends[np.maximum(last, 0)] >= starts)


def _shifts(outside: list[Ns], inside: list[Ns]) -> list[Shift]:
    """Return the percentiles' shifts from the latencies of each process outside and inside."""
    both = [(o, i) for o, i in zip(outside, inside, strict=True) if len(o) and len(i)]
    shifts = []
    for percentile in PERCENTILES:
        low = [float(np.percentile(o, percentile)) for o, _ in both]
        high = [float(np.percentile(i, percentile)) for _, i in both]
        found = t_interval([b - a for a, b in zip(low, high, strict=True)])
        shifts.append(
            Shift(
                percentile=percentile,
                unscraped=sum(low) / len(low) if low else None,
                scraped=sum(high) / len(high) if high else None,
                difference=number_or_none(found.value),
                interval=interval_of(found),
            )
        )
    return shifts


def scrape_effect(conditions: Conditions, traces: Sequence[_Trace], scraper: str, *, interrupted: bool) -> ScrapeEffect:
    """Return what the traces of all processes amount to."""
    parts = [split(trace.starts, trace.took, trace.served, trace.schedule) for trace in traces]
    windows = [window for window, _ in parts]
    moments = [moment for _, moment in parts]
    busy = sum(int((trace.served[:, 1] - trace.served[:, 0]).sum()) for trace in traces if len(trace.served))
    open_ns = sum(trace.schedule.window_ns * sum(trace.schedule.scraped) for trace in traces)
    return ScrapeEffect(
        instrument=conditions.instrument,
        factors={
            "series": conditions.series,
            "scrape_interval_ms": conditions.interval_ms,
            "scrapers": conditions.scrapers,
        },
        scraper=scraper,
        processes=len(traces),
        scrapes=sum(len(trace.served) for trace in traces),
        lines=sum(len(trace.took) for trace in traces),
        served_share=min(1.0, busy / open_ns) if open_ns else 0.0,
        by_window=_shifts(
            [t.took[~w] for t, w in zip(traces, windows, strict=True)],
            [t.took[w] for t, w in zip(traces, windows, strict=True)],
        ),
        by_moment=_shifts(
            [t.took[~m] for t, m in zip(traces, moments, strict=True)],
            [t.took[m] for t, m in zip(traces, moments, strict=True)],
        ),
        histograms=Histograms(
            unscraped=_encoded([t.took[~w] for t, w in zip(traces, windows, strict=True)]),
            scraped=_encoded([t.took[w] for t, w in zip(traces, windows, strict=True)]),
            served=_encoded([t.took[m] for t, m in zip(traces, moments, strict=True)]),
        ),
        interrupted=interrupted,
    )


def _encoded(parts: Sequence[Ns]) -> str:
    histogram = Histogram()
    for part in parts:
        histogram.record(part)
    return histogram.encode() if histogram.count else ""


def _drawn(conditions: Conditions, rng: random.Random) -> tuple[bool, ...]:
    flags = [i % 2 == 0 for i in range(conditions.windows)]
    rng.shuffle(flags)
    return tuple(flags)


class _Bench:
    """What stays up for all processes of one point: gates, and the scraper that asks them."""

    def __init__(self, conditions: Conditions, lines: Lines, stack: ExitStack) -> None:
        self._conditions, self._lines = conditions, lines
        self._cores = cores()
        stack.enter_context(apart(self._cores))
        self._gates = [stack.enter_context(Gate()) for _ in range(conditions.scrapers)]
        ports = [gate.port for gate in self._gates]
        scraper = SlotScraper(conditions.scraper, conditions.interval_ms, ports=ports)
        self.description = stack.enter_context(scraper).description
        self._rng = random.Random(conditions.seed)  # noqa: S311 - a seeded order, nothing secret
        self._file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harness-trace-"))) / "trace"

    def trace(self) -> _Trace:
        """Measure one fresh process; raises `RunError` when what it recorded did not arrive."""
        conditions = self._conditions
        subject = Subject(instrument=conditions.instrument, series=conditions.series, scraped=True)
        with ExitStack() as started:
            (side,) = start_sides(started, [subject], self._rng)
            side.load(self._lines, self._cores, port=0)
            side.loaded()
            side.ask({"do": "pin"})
            flags = _drawn(conditions, self._rng)
            schedule = Schedule(time.monotonic_ns() + _LEAD_NS, conditions.window_ms * 1_000_000, flags)
            self._set(side.port, schedule)
            moments = {"start_ns": schedule.start_ns, "end_ns": schedule.end_ns}
            answer = side.ask({"do": "trace", **moments, "file": str(self._file)})
            self._set(0, None)
            reason = voided(subject.name, 1, side.ask({"do": "finish"}))
        if reason:
            raise RunError(f"scrapes: {reason}")
        both = np.fromfile(self._file, dtype=np.int64)
        served = np.asarray(answer["served"], dtype=np.int64).reshape(-1, 2)
        lines = answer["lines"]
        return _Trace(both[:lines], both[lines:], served[np.argsort(served[:, 0])], schedule)

    def _set(self, port: int, schedule: Schedule | None) -> None:
        for gate in self._gates:
            gate.set(port, schedule)


def measure_scrapes(
    conditions: Conditions,
    progress: Progress = lambda _step: None,
    *,
    lines: Callable[[int], Lines] = lines_for,
) -> ScrapeEffect:
    """Measure one point; Ctrl-C keeps the processes measured so far.

    Each of the `scrapers` asks a gate of its own every interval. Raises `ScraperError` where Prometheus does not start.
    """
    traces: list[_Trace] = []
    interrupted = False
    with ExitStack() as stack:
        bench = _Bench(conditions, lines(conditions.series), stack)
        began = time.monotonic()
        try:
            for i in range(conditions.processes):
                left = (time.monotonic() - began) * (conditions.processes - i) / i if i else None
                note = f"{conditions.instrument}: process {i + 1} of {conditions.processes}"
                progress(Step(i / conditions.processes, left, note))
                traces.append(bench.trace())
        except KeyboardInterrupt:
            interrupted = True
    return scrape_effect(conditions, traces, bench.description, interrupted=interrupted)


def sweep(
    base: Conditions,
    intervals_ms: Sequence[int] = (50, 200, 1000),
    scrapers: Sequence[int] = (1, 2, 4),
    series: Sequence[int] = (1, 10, 100),
    progress: Progress = lambda _step: None,
) -> list[ScrapeEffect]:
    """Measure `base` and what one factor at a time makes of it: interval, concurrent scrapers, number of series.

    Windows are lengthened where they would not hold two scrapes.
    """
    points = [base]
    points += [replace(base, interval_ms=value, window_ms=max(base.window_ms, 2 * value)) for value in intervals_ms]
    points += [replace(base, scrapers=value) for value in scrapers]
    points += [replace(base, series=value) for value in series]
    chosen = list(dict.fromkeys(points))
    found: list[ScrapeEffect] = []
    for i, point in enumerate(chosen):

        def tell(step: Step, i: int = i) -> None:
            progress(replace(step, done=(i + step.done) / len(chosen), left_s=None))

        found.append(measure_scrapes(point, tell))
        if found[-1].interrupted:
            break
    return found
