"""What recording costs a described service, computed from pairs and from fresh processes; pure functions.

Per worker, with the cost per line c (pairs), the rate per worker r, the interval between scrapes s and the time of a
page p (median within a process, geometric mean over processes: times are positive and spread in proportion):

    share of a core = c * r        share of pages = p / s        stall <= p

Recording and pages fill a core at f times the rate, f = (1 - p / s) / (c * r). A page takes longer than a scrape may,
t, at about t / p times the series, since its time is nearly proportional to them (see the law of the stall). Intervals
of quotients take the ends of both intervals, which is at least as wide as an exact one.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.measure.counts.memory import Footprint
from harness.measure.questions.described.description import ServiceDescription
from harness.measure.result import Experiment, Interval, interval_of, number_or_none
from harness.measure.stats import t_interval

__all__ = [
    "Amount",
    "Described",
    "FootprintRecord",
    "LimitName",
    "ServiceCost",
    "ServiceLimit",
    "described_of",
    "record_of",
]

LimitName = Literal["workers_counted_apart", "series_folded", "page_too_slow", "core_full"]

_TOO_FEW = "one process has no interval"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Amount(_Part):
    """A figure with its 95 % interval; `why` says why the figure or its interval is missing, and is empty otherwise."""

    value: float | None = None
    interval: Interval = (None, None)
    why: str = ""


class FootprintRecord(Footprint):
    """One fresh process of one way of recording."""

    instrument: str


class ServiceLimit(_Part):
    """Something that breaks: whether it already does, and by what factor the service may grow until it does.

    `reached` is null where the interval leaves it open, or where it was not measured (then `factor.why` has the
    reason). `grows` is what the factor multiplies.
    """

    name: LimitName
    reached: bool | None
    grows: Literal["", "rate", "series"] = ""
    factor: Amount = Amount()
    shown: int = Field(0, description="lines or tag sets on the page")
    of: int = Field(0, description="lines or tag sets recorded")


class ServiceCost(_Part):
    """What one way of recording costs the service, in each worker; `limits` are in the order in which they break."""

    instrument: str
    core_share: Amount = Field(description="share of one core that recording takes")
    page_share: Amount = Field(description="share of one core that pages take in the worker that makes them")
    memory: Amount = Field(description="bytes that the series occupy")
    stall: Amount = Field(description="ns of making a page, for which a scrape holds the worker up at most")
    page_bytes: int | None = Field(None, description="size of the page as sent, compressed; null without a page")
    limits: list[ServiceLimit] = Field(default=[])


class Described(_Part):
    """The answer for one service: the figures of each way of recording, and the processes behind them."""

    service: ServiceDescription
    costs: list[ServiceCost]
    processes: list[FootprintRecord]


def record_of(instrument: str, footprint: Footprint) -> FootprintRecord:
    """Return the record of one process as it is stored."""
    return FootprintRecord(instrument=instrument, **footprint.model_dump())


def described_of(
    service: ServiceDescription, experiments: Sequence[Experiment], processes: Sequence[FootprintRecord]
) -> Described:
    """Return the answer from experiments of each way of recording against the bare REPL, and from fresh processes.

    A void experiment or process gives no figure.
    """
    by_name = {experiment.head: experiment for experiment in experiments}
    names = dict.fromkeys([*by_name, *(record.instrument for record in processes)])
    return Described(
        service=service,
        costs=[
            _cost(name, service, by_name.get(name), [each for each in processes if each.instrument == name])
            for name in names
        ],
        processes=list(processes),
    )


def _cost(
    name: str, service: ServiceDescription, experiment: Experiment | None, records: Sequence[FootprintRecord]
) -> ServiceCost:
    valid = [record for record in records if not record.void]
    why = next((record.void for record in records if record.void), "no process was measured")
    paged = [record for record in valid if record.page_ns]
    times = [record.page_time_ns for record in paged if record.page_time_ns is not None]
    unpaged = "no page is made, since it pushes its values or records none" if valid else why
    core_share = _times(_line_cost(experiment), service.worker_rate / 1e9)
    stall = _geometric_mean(times, unpaged)
    page_share = _times(stall, 1 / (service.scrape_s * 1e9))
    limits = [
        *_apart(paged), *_folded(paged), *_too_slow(service, stall, pushed=bool(valid) and not paged),
        _core_full(core_share, page_share),
    ]  # fmt: skip
    return ServiceCost(
        instrument=name,
        core_share=core_share,
        page_share=page_share,
        memory=_mean([record.series_bytes for record in valid], why),
        stall=stall,
        page_bytes=paged[-1].page_bytes if paged else None,
        limits=sorted(limits, key=_order),
    )


def _line_cost(experiment: Experiment | None) -> Amount:
    """Return the ns that recording adds to a line."""
    if experiment is None:
        return Amount(why="it was not compared with the bare REPL")
    if experiment.verdict == "void" or experiment.cost_per_line is None:
        return Amount(why=experiment.conclusion)
    low, high = experiment.cost_interval
    why = "" if low is not None and high is not None else "too few pairs for an interval"
    return Amount(value=experiment.cost_per_line, interval=experiment.cost_interval, why=why)


def _mean(values: Sequence[float], why: str) -> Amount:
    """Return the mean over processes with Student's interval; `why` there is none where no value is."""
    if not values:
        return Amount(why=why)
    estimate = t_interval(values)
    return Amount(value=estimate.value, interval=interval_of(estimate), why="" if estimate.bounded else _TOO_FEW)


def _geometric_mean(values: Sequence[float], why: str) -> Amount:
    """Return the same for times: Student's interval of their logarithms."""
    if not values:
        return Amount(why=why)
    estimate = t_interval([math.log(value) for value in values])
    if not estimate.bounded:
        return Amount(value=math.exp(estimate.value), why=_TOO_FEW)
    return Amount(value=math.exp(estimate.value), interval=interval_of(estimate.exp()))


def _times(amount: Amount, factor: float) -> Amount:
    """Return an amount multiplied by a positive number."""
    return _mapped(amount, lambda value: value * factor)


def _mapped(amount: Amount, function: Callable[[float], float]) -> Amount:
    """Return a rising function of an amount and of the ends of its interval."""
    value, (low, high) = amount.value, amount.interval
    return Amount(
        value=None if value is None else number_or_none(function(value)),
        interval=(
            None if low is None else number_or_none(function(low)),
            None if high is None else number_or_none(function(high)),
        ),
        why=amount.why,
    )


def _apart(paged: Sequence[FootprintRecord]) -> list[ServiceLimit]:
    """Return the limit of a page with the lines of one worker, where there are several."""
    if not paged or all(record.recorded == record.own for record in paged):
        return []
    # One that shows all of some processes and not of others cannot be relied upon.
    worst = min(paged, key=lambda record: record.shown / record.recorded)
    if worst.shown == worst.recorded:
        return []
    return [ServiceLimit(name="workers_counted_apart", reached=True, shown=worst.shown, of=worst.recorded)]


def _folded(paged: Sequence[FootprintRecord]) -> list[ServiceLimit]:
    """Return the limit of a page that lacks tag sets though it lacks no lines."""
    if not paged:
        return []
    worst = min(paged, key=lambda record: record.shown_series)
    if worst.shown_series >= worst.series:
        return []
    return [ServiceLimit(name="series_folded", reached=True, shown=worst.shown_series, of=worst.series)]


def _too_slow(service: ServiceDescription, stall: Amount, *, pushed: bool) -> list[ServiceLimit]:
    """Return the limit of a page that takes longer than a scrape may; none for what is pushed."""
    return [] if pushed else [_limit("page_too_slow", "series", _quotient(service.timeout_s * 1e9, stall))]


def _core_full(core_share: Amount, page_share: Amount) -> ServiceLimit:
    """Return the limit of a core that is filled by recording and by pages."""
    if core_share.value is None:
        return _limit("core_full", "rate", core_share)
    # What is pushed has no pages, and what could not be measured is not added.
    page, (page_low, page_high) = page_share.value or 0.0, page_share.interval
    low, high = core_share.interval
    factor = Amount(
        value=_divided(1 - page, core_share.value),
        interval=(
            _divided(1 - (page if page_high is None else page_high), high),
            _divided(1 - (page if page_low is None else page_low), low),
        ),
        why=core_share.why,
    )
    return _limit("core_full", "rate", factor)


def _quotient(number: float, amount: Amount) -> Amount:
    """Return a number divided by an amount, with the ends of its interval in the place of each other."""
    low, high = amount.interval
    value = None if amount.value is None else _divided(number, amount.value)
    return Amount(value=value, interval=(_divided(number, high), _divided(number, low)), why=amount.why)


def _divided(number: float, by: float | None) -> float | None:
    """Return a factor by which something may grow, at least 0; None where there is no end to it."""
    if by is None or by <= 0:
        return None
    return number_or_none(max(0.0, number / by))


def _limit(name: LimitName, grows: Literal["rate", "series"], factor: Amount) -> ServiceLimit:
    low, high = factor.interval
    if factor.value is None:
        # Without a reason, the cost is not above zero: it never breaks.
        reached = None if factor.why else False
    elif high is not None and high <= 1:
        reached = True
    elif low is not None and low > 1:
        reached = False
    else:
        reached = None
    return ServiceLimit(name=name, reached=reached, grows=grows, factor=factor)


def _order(limit: ServiceLimit) -> tuple[bool, float]:
    """Sort what is reached first, then by the factor until it is; what is not known comes last."""
    factor = limit.factor.value
    return limit.reached is not True, 0.0 if limit.reached else math.inf if factor is None else factor
