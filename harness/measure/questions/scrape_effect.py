"""What a study of scrapes amounts to: lines told apart by when they were due, and their percentiles compared.

Each line belongs to the window in which it was due, not to the one in which it was served: how long a line took, or a
scrape, cannot move it. The unit is the process: a percentile's difference is taken within each, and the interval is
Student's over processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from harness.errors import UsageError
from harness.load.histogram import Histogram
from harness.load.tail import supported
from harness.measure.questions.gate import Windows
from harness.measure.questions.open_loop import Ns, OpenLoop
from harness.measure.result import Interval, interval_of, number_or_none
from harness.measure.stats import t_interval

__all__ = [
    "PERCENTILES", "Classes", "Conditions", "Histograms", "Process", "ScrapeEffect", "Shift", "Trace", "classes_of",
    "scrape_effect",
]  # fmt: skip

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
# The first part of each window is left out: a scrape let through at the end of the one before is over by then, and so
# is the queue it left.
_SETTLE_SHARE = 0.2
_FEWEST_WINDOWS = 8
# Busier than this in windows without scrapes, a process has a queue of its own making, or the machine's.
_MOST_BUSY = 0.9

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Conditions:
    """One point of a sweep: what is scraped, how often, by how many at a time, under what load, for how long.

    `windows` of `window_ms` each, half of them with scrapes; `processes` repeats. A window should hold some scrapes.
    `load` is the rate of the lines as a share of that without a schedule, between 0 and 1.
    """

    instrument: str = "opencensus"
    series: int = 1
    interval_ms: int = 100
    scrapers: int = 1
    windows: int = 20
    window_ms: int = 250
    processes: int = 5
    load: float = 0.5
    scraper: str = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.load < 1:
            raise UsageError(f"scrapes: a load of {self.load} is not between 0 and 1 of what the subject reaches")

    def every(self, interval_ms: int) -> "Conditions":
        """Return the same with another interval; windows that would not hold two scrapes are longer, and fewer."""
        window_ms = max(self.window_ms, 2 * interval_ms)
        windows = max(_FEWEST_WINDOWS, self.windows * self.window_ms // window_ms)
        return replace(self, interval_ms=interval_ms, window_ms=window_ms, windows=min(self.windows, windows))


class Shift(BaseModel):
    """One percentile of a duration, ns: means over processes, and the difference with its 95 % interval.

    There are no figures where some process has fewer than ten lines beyond the percentile on either side.
    """

    model_config = ConfigDict(frozen=True)

    percentile: float
    unscraped: float | None
    scraped: float | None
    difference: float | None
    interval: Interval
    fewest: int | None = Field(None, description="the fewest lines of a process on either side")


class Histograms(BaseModel):
    """Distributions of a line's response time (without a schedule: of its service time), ns.

    HdrHistogram's V2 compressed string in base64; empty without a line.
    """

    model_config = ConfigDict(frozen=True)

    unscraped: str = Field("", description="lines in windows without scrapes")
    scraped: str = Field("", description="lines in windows with scrapes")
    served: str = Field("", description="lines due while a scrape was being served")


class Process(BaseModel):
    """The truth of one process: which windows let scrapes through, when scrapes were served, and lines due when."""

    model_config = ConfigDict(frozen=True)

    scraped: list[bool] = Field(description="for each window whether scrapes were let through")
    served: list[tuple[int, int]] = Field(description="start and end of each scrape being served, ns from the start")
    unscraped_lines: int = Field(description="lines due in windows without scrapes")
    scraped_lines: int = Field(description="lines due in windows with scrapes")
    during_lines: int = Field(description="lines due while a scrape was being served")
    busy: float | None = Field(description="share of the time in service in windows without scrapes")
    void: str = Field("", description="why the process does not count; empty when it does")


class ScrapeEffect(BaseModel):
    """The outcome of one point: by window, as drawn, and by whether a scrape was being served when a line was due.

    Documents without a `rate` are of earlier versions: a closed loop, whose `by_window` and `by_moment` are of service
    times, and whose lines belong to a scrape that they overlapped.
    """

    model_config = ConfigDict(frozen=True)

    instrument: str
    factors: dict[str, int | str]
    scraper: str
    processes: int = Field(description="processes that count")
    scrapes: int
    lines: int
    served_share: float = Field(description="share of the time in scraped windows during which a scrape was served")
    by_window: list[Shift] = Field(description="response: lines due in windows with scrapes against those without")
    by_moment: list[Shift] = Field(description="response: lines due while a scrape was served against windows without")
    service_by_window: list[Shift] = Field(
        default=[], description="service: windows with scrapes against those without"
    )
    histograms: Histograms = Field(Histograms(), description="all processes together")
    rate: float | None = Field(None, description="lines per second due; null in a closed loop")
    closed_loop: float | None = Field(None, description="lines per second without a schedule, in one process")
    busy: float | None = Field(None, description="share of the time in service in windows without scrapes")
    settle_ms: float = Field(0.0, description="the first part of each window, left out")
    traces: list[Process] = Field(default=[])
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """What one process did, and the windows it did it in."""

    run: OpenLoop
    schedule: Windows


@dataclass(frozen=True, slots=True)
class Classes:
    """For each line sent: whether it was due in a window without scrapes, in one with, or while one was being served.

    The first two leave out the first part of each window, and the first one what was due during a scrape that went on
    into it.
    """

    unscraped: Flags
    scraped: Flags
    during: Flags


def classes_of(due: Ns, served: Ns, schedule: Windows) -> Classes:
    """Return the classes of lines by when they were due; `served` has a row (start, end) for each scrape, by start."""
    index, offset = np.divmod(due - schedule.start_ns, schedule.window_ns)
    within = (index >= 0) & (index < len(schedule.scraped)) & (offset >= _SETTLE_SHARE * schedule.window_ns)
    flags = np.asarray(schedule.scraped, dtype=bool)
    drawn = np.zeros(len(due), dtype=bool)
    drawn[within] = flags[index[within]]
    during = np.zeros(len(due), dtype=bool)
    if len(served):
        # Scrapes of several scrapers overlap: the latest end so far tells whether any is still being served.
        ends = np.maximum.accumulate(served[:, 1])
        last = np.searchsorted(served[:, 0], due, side="right") - 1
        during = (last >= 0) & (ends[np.maximum(last, 0)] >= due)
    return Classes(unscraped=within & ~drawn & ~during, scraped=drawn, during=during)


def _shifts(outside: Sequence[Ns], inside: Sequence[Ns]) -> list[Shift]:
    """Return the percentiles' shifts from the durations of each process outside and inside."""
    fewest = min((min(len(o), len(i)) for o, i in zip(outside, inside, strict=True)), default=0)
    return [_shift(percentile, outside, inside, fewest) for percentile in PERCENTILES]


def _shift(percentile: float, outside: Sequence[Ns], inside: Sequence[Ns], fewest: int) -> Shift:
    if not supported(percentile, fewest):
        return Shift(
            percentile=percentile, unscraped=None, scraped=None, difference=None, interval=(None, None), fewest=fewest
        )
    low, high = (
        [float(np.percentile(each, percentile, method="inverted_cdf")) for each in side] for side in (outside, inside)
    )
    found = t_interval([b - a for a, b in zip(low, high, strict=True)])
    return Shift(
        percentile=percentile,
        unscraped=sum(low) / len(low),
        scraped=sum(high) / len(high),
        difference=number_or_none(found.value),
        interval=interval_of(found),
        fewest=fewest,
    )


def scrape_effect(
    conditions: Conditions,
    traces: Sequence[Trace],
    scraper: str,
    *,
    rate: float,
    closed_loop: float,
    interrupted: bool = False,
) -> ScrapeEffect:
    """Return what the traces of all processes amount to."""
    every = [classes_of(each.run.due[: each.run.sent], each.run.served, each.schedule) for each in traces]
    truth = [_process(trace, each, rate) for trace, each in zip(traces, every, strict=True)]
    # A process that cannot keep the schedule when nobody scrapes shows the machine's queue, whatever a scrape does.
    counts = [i for i, process in enumerate(truth) if not process.void]
    runs, classes = [traces[i].run for i in counts], [every[i] for i in counts]
    unscraped = [each.unscraped for each in classes]
    scraped = [each.scraped for each in classes]
    during = [each.during for each in classes]
    serving = sum(int((run.served[:, 1] - run.served[:, 0]).sum()) for run in runs if len(run.served))
    open_ns = sum(traces[i].schedule.window_ns * sum(traces[i].schedule.scraped) for i in counts)

    def response(chosen: Sequence[Flags]) -> list[Ns]:
        return [run.response[flags] for run, flags in zip(runs, chosen, strict=True)]

    def service(chosen: Sequence[Flags]) -> list[Ns]:
        return [run.service[flags] for run, flags in zip(runs, chosen, strict=True)]

    return ScrapeEffect(
        instrument=conditions.instrument,
        factors={
            "series": conditions.series,
            "scrape_interval_ms": conditions.interval_ms,
            "scrapers": conditions.scrapers,
        },
        scraper=scraper,
        processes=len(runs),
        scrapes=sum(len(run.served) for run in runs),
        lines=sum(run.sent for run in runs),
        served_share=min(1.0, serving / open_ns) if open_ns else 0.0,
        by_window=_shifts(response(unscraped), response(scraped)),
        by_moment=_shifts(response(unscraped), response(during)),
        service_by_window=_shifts(service(unscraped), service(scraped)),
        histograms=Histograms(
            unscraped=_encoded(response(unscraped)),
            scraped=_encoded(response(scraped)),
            served=_encoded(response(during)),
        ),
        rate=rate,
        closed_loop=closed_loop,
        busy=_busy(service(unscraped), rate),
        settle_ms=_SETTLE_SHARE * conditions.window_ms,
        traces=truth,
        interrupted=interrupted,
    )


def _busy(service: Sequence[Ns], rate: float) -> float | None:
    lines = sum(len(each) for each in service)
    return rate * sum(int(each.sum()) for each in service) / lines / 1e9 if lines else None


def _process(trace: Trace, classes: Classes, rate: float) -> Process:
    start = trace.schedule.start_ns
    busy = _busy([trace.run.service[classes.unscraped]], rate)
    overloaded = busy is not None and busy > _MOST_BUSY
    return Process(
        scraped=list(trace.schedule.scraped),
        served=[(int(begun) - start, int(ended) - start) for begun, ended in trace.run.served],
        unscraped_lines=int(classes.unscraped.sum()),
        scraped_lines=int(classes.scraped.sum()),
        during_lines=int(classes.during.sum()),
        busy=busy,
        void=f"busy {busy:.0%} of the time: the schedule was too much for it" if overloaded else "",
    )


def _encoded(parts: Sequence[Ns]) -> str:
    histogram = Histogram()
    for part in parts:
        histogram.record(part)
    return histogram.encode() if histogram.count else ""
