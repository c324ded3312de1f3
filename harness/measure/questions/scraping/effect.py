"""The effect of scrapes: lines classified by their due times, and the percentiles of the classes compared.

Each line belongs to the window of its due time and not to that of its service, so that neither its own duration nor a
scrape can change its class. The sampling unit is the process: the difference of a percentile is computed within each
process, and its interval is Student's over processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from harness.errors import UsageError
from harness.load.latency.histogram import Histogram
from harness.load.latency.tail import supported
from harness.measure.questions.open_loop import Ns, OpenLoop
from harness.measure.questions.scraping.gate import Windows
from harness.measure.result import Interval, interval_of, number_or_none
from harness.measure.stats import t_interval

__all__ = [
    "PERCENTILES", "SETTLE_SHARE", "Classes", "Conditions", "Histograms", "Process", "ScrapeEffect", "Shift", "Trace",
    "classes_of", "scrape_effect", "shifts_of",
]  # fmt: skip

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
# The first part of each window is excluded: a scrape from the end of the window before is over by then, with its queue.
SETTLE_SHARE = 0.2
_FEWEST_WINDOWS = 8
# A process that is busier than this in windows without scrapes has a queue that does not come from scrapes.
_MOST_BUSY = 0.9

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Conditions:
    """One point of a sweep: the subject, the scrapes, the load and the duration.

    There are `windows` of `window_ms` each, half of them with scrapes, in each of `processes` processes; a window
    should contain several scrapes, one every `interval_ms` from each of `scrapers`. `load` is the rate of the lines as
    a share of the rate without a schedule; raise `UsageError` where it is not between 0 and 1.
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
        """Return the same with another interval; windows too short for two scrapes become longer, and fewer."""
        window_ms = max(self.window_ms, 2 * interval_ms)
        windows = max(_FEWEST_WINDOWS, self.windows * self.window_ms // window_ms)
        return replace(self, interval_ms=interval_ms, window_ms=window_ms, windows=min(self.windows, windows))


class Shift(BaseModel):
    """One percentile of a duration, ns: means over processes, and the difference with its 95 % interval.

    There are no figures where a process has fewer than ten lines beyond the percentile on either side.
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

    HdrHistogram's V2 compressed format in base64; empty without lines.
    """

    model_config = ConfigDict(frozen=True)

    unscraped: str = Field("", description="lines in windows without scrapes")
    scraped: str = Field("", description="lines in windows with scrapes")
    served: str = Field("", description="lines due while a scrape was being served")


class Process(BaseModel):
    """The record of one process: its windows with scrapes, its scrapes, and the number of lines in each class."""

    model_config = ConfigDict(frozen=True)

    scraped: list[bool] = Field(description="for each window whether it had scrapes")
    served: list[tuple[int, int]] = Field(description="start and end of each scrape being served, ns from the start")
    unscraped_lines: int = Field(description="lines due in windows without scrapes")
    scraped_lines: int = Field(description="lines due in windows with scrapes")
    during_lines: int = Field(description="lines due while a scrape was being served")
    busy: float | None = Field(description="share of the time in service in windows without scrapes")
    void: str = Field("", description="why the process does not count; empty when it does")


class ScrapeEffect(BaseModel):
    """The result of one point: by window, as drawn, and by whether a scrape was being served when a line was due.

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
    settle_ms: float = Field(0.0, description="the first part of each window, which is excluded")
    traces: list[Process] = Field(default=[])
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """The open-loop run of one process, with its windows."""

    run: OpenLoop
    schedule: Windows


@dataclass(frozen=True, slots=True)
class Classes:
    """Flags of each line sent: due in a window without scrapes, in one with scrapes, or during a scrape.

    The first two exclude the first part of each window, and the first also lines due during a scrape that lasted into
    its window.
    """

    unscraped: Flags
    scraped: Flags
    during: Flags


def classes_of(due: Ns, served: Ns, schedule: Windows) -> Classes:
    """Return the classes of lines by due time, ns; `served` has a row (start, end) for each scrape, by start."""
    index, offset = np.divmod(due - schedule.start_ns, schedule.window_ns)
    within = (index >= 0) & (index < len(schedule.scraped)) & (offset >= SETTLE_SHARE * schedule.window_ns)
    flags = np.asarray(schedule.scraped, dtype=bool)
    drawn = np.zeros(len(due), dtype=bool)
    drawn[within] = flags[index[within]]
    during = np.zeros(len(due), dtype=bool)
    if len(served):
        # Scrapes of several scrapers overlap: one is still being served until the latest end so far.
        ends = np.maximum.accumulate(served[:, 1])
        last = np.searchsorted(served[:, 0], due, side="right") - 1
        during = (last >= 0) & (ends[np.maximum(last, 0)] >= due)
    return Classes(unscraped=within & ~drawn & ~during, scraped=drawn, during=during)


def shifts_of(outside: Sequence[Ns], inside: Sequence[Ns]) -> list[Shift]:
    """Return the shift of each percentile from the durations, ns, of each process outside and inside."""
    fewest = min((min(len(o), len(i)) for o, i in zip(outside, inside, strict=True)), default=0)
    return [_shift(percentile, outside, inside, fewest) for percentile in PERCENTILES]


def _shift(percentile: float, outside: Sequence[Ns], inside: Sequence[Ns], fewest: int) -> Shift:
    if not supported(percentile, fewest):
        return Shift(
            percentile=percentile, unscraped=None, scraped=None, difference=None, interval=(None, None), fewest=fewest
        )
    low, high = (
        [float(np.percentile(durations, percentile, method="inverted_cdf")) for durations in side]
        for side in (outside, inside)
    )
    shift = t_interval([b - a for a, b in zip(low, high, strict=True)])
    return Shift(
        percentile=percentile,
        unscraped=sum(low) / len(low),
        scraped=sum(high) / len(high),
        difference=number_or_none(shift.value),
        interval=interval_of(shift),
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
    """Return the effect at one point from the traces of its processes; `rate` and `closed_loop` in lines per second."""
    every = [classes_of(trace.run.due[: trace.run.sent], trace.run.served, trace.schedule) for trace in traces]
    records = [_process(trace, classes, rate) for trace, classes in zip(traces, every, strict=True)]
    # A process that cannot keep the schedule without scrapes shows the machine's queue, whatever a scrape does.
    counts = [i for i, process in enumerate(records) if not process.void]
    runs, classes = [traces[i].run for i in counts], [every[i] for i in counts]
    unscraped = [flags.unscraped for flags in classes]
    scraped = [flags.scraped for flags in classes]
    during = [flags.during for flags in classes]
    serving = sum(int((run.served[:, 1] - run.served[:, 0]).sum()) for run in runs if len(run.served))
    open_ns = sum(traces[i].schedule.window_ns * sum(traces[i].schedule.scraped) for i in counts)

    def response(lines: Sequence[Flags]) -> list[Ns]:
        return [run.response[flags] for run, flags in zip(runs, lines, strict=True)]

    def service(lines: Sequence[Flags]) -> list[Ns]:
        return [run.service[flags] for run, flags in zip(runs, lines, strict=True)]

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
        by_window=shifts_of(response(unscraped), response(scraped)),
        by_moment=shifts_of(response(unscraped), response(during)),
        service_by_window=shifts_of(service(unscraped), service(scraped)),
        histograms=Histograms(
            unscraped=_encode(response(unscraped)),
            scraped=_encode(response(scraped)),
            served=_encode(response(during)),
        ),
        rate=rate,
        closed_loop=closed_loop,
        busy=_busy(service(unscraped), rate),
        settle_ms=SETTLE_SHARE * conditions.window_ms,
        traces=records,
        interrupted=interrupted,
    )


def _busy(service: Sequence[Ns], rate: float) -> float | None:
    lines = sum(len(times) for times in service)
    return rate * sum(int(times.sum()) for times in service) / lines / 1e9 if lines else None


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


def _encode(parts: Sequence[Ns]) -> str:
    histogram = Histogram()
    for part in parts:
        histogram.record(part)
    return histogram.encode() if histogram.count else ""
