"""What a scrape does to an event loop: its stall, the response times of requests, and the law of the stall.

The sampling unit is the process: each difference is computed within a process, between windows that were scraped and
windows that were not, drawn at random; its interval is Student's over fresh processes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from harness.measure.questions.laws import CostLaw, Fit, Point, fit_line
from harness.measure.questions.open_loop import Ns
from harness.measure.questions.scraping.effect import SETTLE_SHARE, Shift, classes_of, shifts_of
from harness.measure.questions.scraping.gate import Windows
from harness.measure.result import Interval, interval_of, number_or_none
from harness.measure.stats import standard_deviation, t_interval

__all__ = ["LAW_FACTOR", "LoopEffect", "LoopPoint", "LoopProcess", "LoopTrace", "longest", "loop_effect", "stall_laws"]

LAW_FACTOR = "KiB"
_LONGEST = 100.0
_FEWEST_PLACES = 3


@dataclass(frozen=True, slots=True)
class LoopPoint:
    """One point: how the page leaves the service, and how many series are asked for."""

    deployment: str
    series: int


@dataclass(frozen=True, slots=True)
class LoopTrace:
    """What was observed of one process, in ns of ``time.monotonic_ns``.

    `served` has a row (start, end) for each scrape or push, in order. `beats` are the lags of the heartbeat, whose beat
    i was due at ``schedule.start_ns + i * beat_ns``. `due`, `starts` and `ends` are of the requests; an end of 0 is
    that of a failed one. `page_bytes` is the size of the page, uncompressed, and `series` its number of samples.
    `recorded` requests were recorded by the service, and the last page shows `shown`.
    """

    schedule: Windows
    served: Ns
    beats: Ns
    beat_ns: int
    due: Ns
    starts: Ns
    ends: Ns
    page_bytes: int
    series: int
    recorded: int
    shown: int
    failed_scrapes: int = 0


class LoopProcess(BaseModel):
    """The record of one process, times in ns."""

    model_config = ConfigDict(frozen=True)

    scraped: list[bool] = Field(description="for each window whether it had a scrape or push")
    served: list[tuple[int, int]] = Field(description="start and end of each scrape or push, from the start")
    stalls: list[int] = Field(description="longest lag of the heartbeat in each window, without its first part")
    stall: float | None = Field(description="median of `stalls` of scraped windows minus that of the others")
    requests: int
    failed: int = Field(description="requests without a good answer")
    recorded: int = Field(description="requests that the service recorded")
    shown: int = Field(description="requests that its last page shows")
    sender_lag: float | None = Field(description="p99 of the sender's own lag in windows without scrapes")
    void: str = Field("", description="why the process does not count; empty when it does")


class LoopEffect(BaseModel):
    """The result of one point, durations in ns.

    `by_window` compares requests or beats due in scraped windows with those in the others; `by_moment` those due while
    a scrape was served with those in windows without one.
    """

    model_config = ConfigDict(frozen=True)

    deployment: str
    libraries: dict[str, str] = Field(default={}, description="versions of the libraries in the service")
    asked_series: int = Field(description="number of series asked for")
    series: int = Field(description="samples on the page")
    page_bytes: int = Field(description="size of the page, uncompressed")
    rate: float = Field(description="requests due per second")
    beat_ms: float = Field(description="time between two beats of the heartbeat")
    window_ms: int
    settle_ms: float = Field(description="the first part of each window, which is excluded")
    processes: int = Field(description="processes that count")
    scrapes: int
    requests: int
    scrape_ns: float | None = Field(description="mean over processes of the median duration of a scrape or push")
    stall: Shift = Field(
        description="longest lag of the heartbeat in a window: median over windows, then mean over processes"
    )
    longest_response: Shift = Field(description="longest response time in a window, in the same way")
    beats_by_window: list[Shift]
    beats_by_moment: list[Shift]
    responses_by_window: list[Shift]
    responses_by_moment: list[Shift]
    traces: list[LoopProcess] = Field(default=[])
    interrupted: bool = False


def longest(due: Ns, durations: Ns, schedule: Windows) -> list[int]:
    """Return the longest of the durations in each window by their due times; 0 for a window without any.

    The first part of each window is excluded, as in `classes_of`.
    """
    index, offset = np.divmod(due - schedule.start_ns, schedule.window_ns)
    result = np.zeros(len(schedule.scraped), dtype=np.int64)
    within = (index >= 0) & (index < len(result)) & (offset >= SETTLE_SHARE * schedule.window_ns)
    np.maximum.at(result, index[within], durations[within])
    return [int(value) for value in result]


def _medians(values: Sequence[int], schedule: Windows) -> tuple[float, float] | None:
    """Return the medians over windows without and with scrapes; None where there are none of either."""
    without = [value for value, scraped in zip(values, schedule.scraped, strict=True) if not scraped]
    scraped = [value for value, scraped in zip(values, schedule.scraped, strict=True) if scraped]
    if not without or not scraped:
        return None
    return float(np.median(without)), float(np.median(scraped))


def _difference(medians: Sequence[tuple[float, float] | None]) -> Shift:
    known = [each for each in medians if each is not None]
    estimate = t_interval([scraped - without for without, scraped in known])
    interval: Interval = interval_of(estimate) if known else (None, None)
    return Shift(
        percentile=_LONGEST,
        unscraped=sum(without for without, _ in known) / len(known) if known else None,
        scraped=sum(scraped for _, scraped in known) / len(known) if known else None,
        difference=number_or_none(estimate.value),
        interval=interval,
    )


def _beat_due(trace: LoopTrace) -> Ns:
    due: Ns = trace.schedule.start_ns + np.arange(len(trace.beats), dtype=np.int64) * trace.beat_ns
    return due


def _reason(trace: LoopTrace) -> str:
    failed = int((trace.ends == 0).sum())
    if failed:
        return f"{failed} of {len(trace.ends)} requests had no good answer"
    if trace.failed_scrapes:
        return f"{trace.failed_scrapes} of {len(trace.served)} scrapes failed"
    if not _within(trace):
        return "a scrape began outside of its window: the machine was too busy"
    if trace.shown != trace.recorded:
        return f"the page shows {trace.shown} of {trace.recorded} requests"
    return ""


def _within(trace: LoopTrace) -> bool:
    """Return whether every scrape began in a window drawn for it."""
    schedule = trace.schedule
    return all(schedule.open_at(int(begun)) for begun, _ in trace.served)


def _record(trace: LoopTrace) -> LoopProcess:
    schedule = trace.schedule
    stalls = longest(_beat_due(trace), trace.beats, schedule)
    medians = _medians(stalls, schedule)
    quiet = classes_of(trace.due, trace.served, schedule).unscraped & (trace.starts > 0)
    lags = (trace.starts - trace.due)[quiet]
    return LoopProcess(
        scraped=list(schedule.scraped),
        served=[(int(begun) - schedule.start_ns, int(ended) - schedule.start_ns) for begun, ended in trace.served],
        stalls=stalls,
        stall=None if medians is None else medians[1] - medians[0],
        requests=len(trace.due),
        failed=int((trace.ends == 0).sum()),
        recorded=trace.recorded,
        shown=trace.shown,
        sender_lag=float(np.percentile(lags, 99, method="inverted_cdf")) if len(lags) else None,
        void=_reason(trace),
    )


def loop_effect(
    point: LoopPoint,
    traces: Sequence[LoopTrace],
    *,
    rate: float,
    libraries: Mapping[str, str] | None = None,
    interrupted: bool = False,
) -> LoopEffect:
    """Return the effect at one point from the traces of its processes, of which there has to be one; `rate` in 1/s.

    A process whose requests or scrapes failed, or whose records did not arrive, is void: it does not count.
    """
    records = [_record(trace) for trace in traces]
    good = [trace for trace, record in zip(traces, records, strict=True) if not record.void]
    beats = [classes_of(_beat_due(trace), trace.served, trace.schedule) for trace in good]
    requests = [classes_of(trace.due, trace.served, trace.schedule) for trace in good]
    responses = [trace.ends - trace.due for trace in good]
    window_ms = traces[0].schedule.window_ns // 1_000_000
    served = [float(np.median(trace.served[:, 1] - trace.served[:, 0])) for trace in good if len(trace.served)]
    beats_out = [trace.beats[flags.unscraped] for trace, flags in zip(good, beats, strict=True)]
    out = [times[flags.unscraped] for times, flags in zip(responses, requests, strict=True)]
    return LoopEffect(
        deployment=point.deployment,
        libraries=dict(libraries or {}),
        asked_series=point.series,
        series=traces[0].series,
        page_bytes=traces[0].page_bytes,
        rate=rate,
        beat_ms=traces[0].beat_ns / 1e6,
        window_ms=window_ms,
        settle_ms=SETTLE_SHARE * window_ms,
        processes=len(good),
        scrapes=sum(len(trace.served) for trace in good),
        requests=sum(len(trace.due) for trace in good),
        scrape_ns=sum(served) / len(served) if served else None,
        stall=_difference([_medians(longest(_beat_due(t), t.beats, t.schedule), t.schedule) for t in good]),
        longest_response=_difference([_medians(longest(t.due, t.ends - t.due, t.schedule), t.schedule) for t in good]),
        beats_by_window=shifts_of(beats_out, [t.beats[f.scraped] for t, f in zip(good, beats, strict=True)]),
        beats_by_moment=shifts_of(beats_out, [t.beats[f.during] for t, f in zip(good, beats, strict=True)]),
        responses_by_window=shifts_of(out, [r[f.scraped] for r, f in zip(responses, requests, strict=True)]),
        responses_by_moment=shifts_of(out, [r[f.during] for r, f in zip(responses, requests, strict=True)]),
        traces=records,
        interrupted=interrupted,
    )


def _point(effect: LoopEffect) -> Point:
    stalls = [each.stall for each in effect.traces if not each.void and each.stall is not None]
    if not stalls:
        void = next((each.void for each in effect.traces if each.void), "no process was measured")
        return Point(x=effect.page_bytes / 1024, cost=None, error=None, void=void)
    spread = standard_deviation(stalls)
    return Point(
        x=effect.page_bytes / 1024,
        cost=effect.stall.difference,
        error=spread / math.sqrt(len(stalls)) if math.isfinite(spread) else None,
        interval=effect.stall.interval,
        pairs=len(stalls),
    )


def _fitted(points: Sequence[Point]) -> Fit:
    # The points are `fit_for_a_line`, so that cost and error are numbers.
    return fit_line(
        [point.x for point in points],
        [point.cost or 0.0 for point in points],
        [point.error or 0.0 for point in points],
        [point.pairs for point in points],
    )


def stall_laws(effects: Sequence[LoopEffect]) -> list[CostLaw]:
    """Return the law of the stall in ns by the size of the page in KiB, for each deployment; `pairs` are processes.

    A law takes pages of three sizes, each measured in at least four processes; without them it has points and no fit.
    """
    laws = []
    for name in dict.fromkeys(effect.deployment for effect in effects):
        points = [_point(effect) for effect in effects if effect.deployment == name]
        usable = [point for point in points if point.fit_for_a_line]
        enough = len({point.x for point in usable}) >= _FEWEST_PLACES
        fit = _fitted(usable) if enough else None
        laws.append(
            CostLaw(
                instrument=name,
                factor=LAW_FACTOR,
                points=points,
                fit=fit,
                formula="" if fit is None else f"{fit.a:.6g} + {fit.b:.6g} * {LAW_FACTOR}",
                left_out=len(points) - len(usable),
            )
        )
    return laws
