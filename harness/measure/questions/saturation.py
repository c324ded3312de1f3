"""Saturation: the highest open-loop rate, in lines per second, that keeps the p99 of response times under a bound.

A rate is *sustained* in a try when 99 % of the lines of an open-loop run in a fresh process end within the bound after
their due time. Processes differ, and other load on the machine can fail any try; therefore rates around the edge are
tried repeatedly, and the edge has an interval (`harness.measure.questions.edge`). There are no scrapes.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from harness.children import private_folder
from harness.errors import RunError
from harness.measure.inputs import lines_for
from harness.measure.pairs.pair import voided
from harness.measure.pairs.side import Side, apart, cores, start_sides
from harness.measure.questions.edge import CONFIDENCE, FEWEST_TRIES, Edge
from harness.measure.questions.open_loop import OpenLoop, closed_loop_rate, due_times, run_open_loop
from harness.measure.subject import Subject
from harness.progress import Progress, Step

__all__ = [
    "METHOD", "Processes", "Saturation", "Search", "Trial", "Tries", "lines_of_a_try", "run_search", "saturate",
    "saturate_side_by_side", "trial_of",
]  # fmt: skip

METHOD = "probit with lapses"
# With fewer lines there are less than ten beyond the 99th percentile.
FEWEST_LINES = 1000
# Due times, starts and ends are in memory; only the bare REPL exceeds half a million lines per second.
_MOST_LINES = 500_000
# Rates at which the fewest lines would take longer than this are not tried.
_LONGEST_TRY_S = 20.0
# A run that is this share of its duration late, beyond the bound, has more late lines than allowed.
_HOPELESS_SHARE = 0.03
_MOST_VOID = 3


class Trial(BaseModel):
    """One open-loop run in a fresh process."""

    model_config = ConfigDict(frozen=True)

    rate: float = Field(description="scheduled lines per second")
    achieved: float = Field(description="lines per second from the first due time to the last start")
    p99_ns: int | None = Field(description="99th percentile of the response time, from the due time to the end")
    lag_p99_ns: int | None = Field(description="99th percentile of start - due")
    sustained: bool
    lines: int = Field(0, description="lines due; 0 in documents that do not state it")
    sent: int = Field(0, description="lines sent; fewer than due where it fell too far behind")
    reason: str = Field("", description="why it was not sustained, or does not count")
    void: bool = Field(False, description="whether it does not count, because records did not arrive")


class Saturation(BaseModel):
    """The highest rate sustained by one way of recording, with all tries.

    `rate` is the estimate where there is an `interval`, else the bound `at_least`, else 0; `above` is the upper end of
    the possible rates. With `method` bisection, in documents of earlier versions, `rate` passed once and `above` failed
    once, and neither was tried again.
    """

    model_config = ConfigDict(frozen=True)

    instrument: str
    series: int
    bound_ns: int
    closed_loop: float = Field(description="lines per second without a schedule, in one process")
    rate: float
    above: float
    trials: list[Trial]
    method: str = "bisection"
    interval: tuple[float, float] | None = Field(None, description="of the rate; null where the tries allow none")
    at_least: float | None = Field(None, description="lower bound; null where no try was sustained")
    at_most: float | None = Field(
        None, description="upper bound, unless other load failed the tries; null where every try was sustained"
    )
    confidence: float = Field(CONFIDENCE, description="of the interval, and of each bound by itself")
    run_s: float = Field(0.0, description="duration of a try, where that makes a thousand lines; 0: not stored")
    scraped: bool = Field(False, description="whether the page was scraped during the tries")
    reason: str = Field("", description="why there is no interval; empty where there is one")
    interrupted: bool = False


class Tries(Protocol):
    """The source of tries of one way of recording in fresh processes; tests simulate it."""

    def closed_loop(self) -> float:
        """Return the lines per second of a process without a schedule."""

    def attempt(self, rate: float, seed: int) -> Trial:
        """Run a fresh process at `rate`."""


def lines_of_a_try(rate: float, run_s: float) -> int:
    """Return the lines of a try: those of `run_s` seconds, but at least a thousand and at most half a million."""
    return min(_MOST_LINES, max(FEWEST_LINES, round(rate * run_s)))


def trial_of(run: OpenLoop, rate: float, bound_ns: int) -> Trial:
    """Return the try of a run: sustained where 99 % of the lines due ended within the bound."""
    lines = len(run.due)
    if not run.sent:
        return Trial(
            rate=rate, achieved=0.0, p99_ns=None, lag_p99_ns=None, sustained=False, lines=lines, reason="no line sent"
        )
    rank = math.ceil(0.99 * lines)
    # Lines that were never sent count as later than all others.
    response = np.sort(run.response)
    p99 = int(response[rank - 1]) if run.sent >= rank else None
    lag = int(np.sort(run.lag)[math.ceil(0.99 * run.sent) - 1])
    took = int(run.starts[-1] - run.due[0])
    sustained = p99 is not None and p99 <= bound_ns
    return Trial(
        rate=rate,
        achieved=run.sent * 1e9 / took if took > 0 else rate,
        p99_ns=p99,
        lag_p99_ns=lag,
        sustained=sustained,
        lines=lines,
        sent=run.sent,
        reason="" if sustained else _reason(run, p99, bound_ns),
    )


def _reason(run: OpenLoop, p99: int | None, bound_ns: int) -> str:
    if run.sent < len(run.due):
        return f"fell {int(run.lag[-1]) / 1e6:.1f} ms behind after {run.sent} of {len(run.due)} lines"
    late = int(np.count_nonzero(run.response > bound_ns))
    return f"{late} of {run.sent} lines later than {bound_ns / 1e6:g} ms: p99 {(p99 or 0) / 1e6:.1f} ms"


class Processes:
    """Tries in real processes on the measured core; a context manager that keeps this process off that core."""

    def __init__(self, subject: Subject, bound_ns: int, run_s: float, seed: int) -> None:
        self._subject, self._bound_ns, self._run_s = subject, bound_ns, run_s
        self._rng = random.Random(seed)  # noqa: S311 - hash seeds, nothing secret
        self._cores = cores()
        self._open = ExitStack()
        self._file = Path()

    def __enter__(self) -> Self:
        self._open.enter_context(apart(self._cores))
        folder = self._open.enter_context(private_folder("harness-rates-"))
        self._file = folder / "due"
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._open.close()

    def _start(self, stack: ExitStack) -> Side:
        (side,) = start_sides(stack, [self._subject], self._rng)
        side.load(lines_for(self._subject.series), self._cores)
        side.loaded()
        side.ask({"do": "pin"})
        return side

    def closed_loop(self) -> float:
        """Return the lines per second of a fresh process without a schedule; raise `RunError` where it dies."""
        with ExitStack() as stack:
            return closed_loop_rate(self._start(stack))

    def attempt(self, rate: float, seed: int) -> Trial:
        """Run a fresh process at `rate`; equal seeds give equal due times."""
        lines = lines_of_a_try(rate, self._run_s)
        # With this lag, more than the allowed one line in a hundred has been late.
        hopeless_ns = self._bound_ns + round(_HOPELESS_SHARE * lines / rate * 1e9)
        due = due_times(rate, lines, seed)
        with ExitStack() as stack:
            side = self._start(stack)
            run = run_open_loop(side, due, self._file, give_up_ns=hopeless_ns)
            reason = voided(self._subject.name, 1, side.ask({"do": "finish"}))
        trial = trial_of(run, rate, self._bound_ns)
        return trial.model_copy(update={"void": True, "sustained": False, "reason": reason}) if reason else trial


class Search:
    """The search for the highest rate of one way of recording, one try after the other.

    It is `done` when the interval is within ±`precision` of the rate, or after `most` tries. `seed` determines the
    quartiles drawn and the due times of each try.
    """

    def __init__(
        self, subject: Subject, tries: Tries, *, bound_ns: int, run_s: float, precision: float, most: int, seed: int = 1
    ) -> None:
        self.subject = subject
        self.trials: list[Trial] = []
        self._tries, self._bound_ns, self._run_s = tries, bound_ns, run_s
        self.most = most
        self._precision = precision
        self._rng = random.Random(f"{seed} {subject.name} {subject.series}")  # noqa: S311 - nothing secret
        self._lowest = FEWEST_LINES / _LONGEST_TRY_S
        self._ceiling = 0.0
        self._edge: Edge | None = None

    @property
    def begun(self) -> bool:
        """Whether there is a result already."""
        return bool(self.trials) or self.done

    @property
    def done(self) -> bool:
        """Whether no further try is needed or possible."""
        if self._edge is None:
            return False
        if self._ceiling < self._lowest or len(self.trials) >= self.most:
            return True
        interval = self._edge.estimate().interval
        return interval is not None and interval[1] <= interval[0] * (1 + self._precision) ** 2

    def step(self) -> None:
        """Make one more try, and before the first one the closed loop; raise `RunError` after three void tries."""
        if self._edge is None:
            self._ceiling = self._tries.closed_loop()
            self._edge = Edge(self._ceiling)
            if self.done:
                return
        rate = max(self._lowest, self._edge.next_rate(self._rng))
        trial = self._tries.attempt(rate, self._rng.getrandbits(32))
        self.trials.append(trial)
        if not trial.void:
            self._edge.add(rate, sustained=trial.sustained)
        elif sum(attempt.void for attempt in self.trials) >= _MOST_VOID:
            raise RunError(f"saturation: {trial.reason}")

    def result(self) -> Saturation:
        """Return the result of the tries so far."""
        edge = self._edge or Edge(1.0)
        estimate = edge.estimate()
        interval, at_most = estimate.interval, estimate.at_most
        return Saturation(
            instrument=self.subject.instrument,
            series=self.subject.series,
            bound_ns=self._bound_ns,
            closed_loop=self._ceiling,
            rate=estimate.value or estimate.at_least or 0.0,
            above=interval[1] if interval else at_most or self._ceiling,
            trials=self.trials,
            method=METHOD,
            interval=interval,
            at_least=estimate.at_least,
            at_most=at_most,
            run_s=self._run_s,
            reason="" if interval else self._why_not(edge),
        )

    def _why_not(self, edge: Edge) -> str:
        if 0 < self._ceiling < self._lowest:
            return (
                f"{self._ceiling:.3g} lines/s without a schedule: the {FEWEST_LINES} lines that p99 needs "
                f"take longer than {_LONGEST_TRY_S:g} s"
            )
        if edge.passed + edge.failed < FEWEST_TRIES:
            return f"{edge.passed + edge.failed} of the {FEWEST_TRIES} tries that it takes were made"
        if not edge.passed:
            lowest = min(trial.rate for trial in self.trials if not trial.void)
            return f"none of {edge.failed} tries was sustained, down to {lowest:.0f} lines/s"
        if not edge.failed:
            return f"all of {edge.passed} tries were sustained"
        return f"{edge.passed + edge.failed} tries give no narrower interval"


def saturate(
    instrument: str,
    *,
    series: int = 1,
    bound_ns: int = 5_000_000,
    run_s: float = 1.0,
    precision: float = 0.05,
    most: int = 24,
    seed: int = 1,
    progress: Progress = lambda _step: None,
) -> Saturation:
    """Return the highest rate that `instrument` sustains, by tries in fresh processes on one core.

    It ends when the interval is within ±`precision`, or after `most` tries; Ctrl-C keeps the tries so far. Raise the
    errors of building an instrument, and `RunError` where records do not arrive.
    """
    subject = Subject(instrument=instrument, series=series)
    with Processes(subject, bound_ns, run_s, seed) as tries:
        search = Search(subject, tries, bound_ns=bound_ns, run_s=run_s, precision=precision, most=most, seed=seed)
        return run_search(search, progress)


def run_search(search: Search, progress: Progress = lambda _step: None) -> Saturation:
    """Make tries until the search is done and return its result; Ctrl-C keeps the tries so far, if any."""
    began = time.monotonic()
    try:
        while not search.done:
            count, most = len(search.trials), search.most
            left = (time.monotonic() - began) * (most - count) / count if count else None
            progress(Step(count / most, left, f"{search.subject.name}: rate {count + 1} of at most {most}"))
            search.step()
    except KeyboardInterrupt:
        if not search.begun:
            raise
        return search.result().model_copy(update={"interrupted": True})
    return search.result()


def saturate_side_by_side(
    searches: Sequence[Search], budget_s: float, progress: Callable[[float, str], object], now: Callable[[], float]
) -> None:
    """Make one try of each search in turn, until all are done or `budget_s` seconds are over.

    In turn, so that a temporary slowdown of the machine affects all of them. No try is started that would probably end
    too late, except the first of each search.
    """
    began, longest = now(), 0.0
    while open_ones := [search for search in searches if not search.done]:
        for search in open_ones:
            started = now()
            spent = started - began
            if spent + longest > budget_s and all(other.begun for other in searches):
                return
            progress(min(1.0, spent / budget_s), search.subject.name)
            search.step()
            longest = max(longest, now() - started)
