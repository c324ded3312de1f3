"""The measurement of scrapes: open-loop runs with randomised windows with and without scrapes.

Lines have due times drawn in advance, at a share of the rate that the subject reaches without a schedule. Delays by a
scrape appear in the response time, which counts from the due time; see `harness.measure.questions.scraping.effect`.
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from harness.children import private_folder
from harness.errors import RunError
from harness.measure.inputs import lines_for
from harness.measure.pairs.pair import voided
from harness.measure.pairs.side import Lines, Side, apart, cores, start_sides
from harness.measure.pairs.slots import SlotScraper
from harness.measure.questions.edge import preferred_rate
from harness.measure.questions.open_loop import closed_loop_rate, due_until, run_open_loop
from harness.measure.questions.scraping.effect import Conditions, ScrapeEffect, Trace, scrape_effect
from harness.measure.questions.scraping.gate import Gate, Windows
from harness.measure.subject import Subject
from harness.progress import Progress, Step, part_of

__all__ = ["Conditions", "ScrapeEffect", "measure_scrapes", "sweep"]

_LEAD_NS = 300_000_000


def _random_flags(conditions: Conditions, rng: random.Random) -> tuple[bool, ...]:
    flags = [i % 2 == 0 for i in range(conditions.windows)]
    rng.shuffle(flags)
    return tuple(flags)


class _Bench:
    """The set-up that all processes of one point share: gates, and the scraper of the gates."""

    def __init__(self, conditions: Conditions, lines: Lines, stack: ExitStack) -> None:
        self._conditions, self._lines = conditions, lines
        self._cores = cores()
        stack.enter_context(apart(self._cores))
        self._gates = [stack.enter_context(Gate()) for _ in range(conditions.scrapers)]
        ports = [gate.port for gate in self._gates]
        scraper = stack.enter_context(SlotScraper(conditions.scraper, conditions.interval_ms, ports=ports))
        self.description = scraper.description
        self._rng = random.Random(conditions.seed)  # noqa: S311 - a seeded order, nothing secret
        self._file = stack.enter_context(private_folder("harness-trace-")) / "due"
        self.closed_loop = self._closed_loop()
        self.rate = preferred_rate(conditions.load * self.closed_loop)

    def _start(self, stack: ExitStack) -> Side:
        conditions = self._conditions
        subject = Subject(instrument=conditions.instrument, series=conditions.series, scraped=True)
        (side,) = start_sides(stack, [subject], self._rng)
        side.load(self._lines, self._cores, port=0)
        side.loaded()
        side.ask({"do": "pin"})
        return side

    def _closed_loop(self) -> float:
        with ExitStack() as stack:
            return closed_loop_rate(self._start(stack))

    def trace(self) -> Trace:
        """Measure one fresh process; raise `RunError` where its records did not arrive."""
        conditions = self._conditions
        window_ns = conditions.window_ms * 1_000_000
        due = due_until(self.rate, conditions.windows * window_ns, self._rng.getrandbits(32))
        with ExitStack() as stack:
            side = self._start(stack)
            schedule = Windows(time.monotonic_ns() + _LEAD_NS, window_ns, _random_flags(conditions, self._rng))
            self._set(side.port, schedule)
            run = run_open_loop(side, due, self._file, start_ns=schedule.start_ns)
            self._set(0, None)
            reason = voided(side.subject.name, 1, side.ask({"do": "finish"}))
        if reason:
            raise RunError(f"scrapes: {reason}")
        return Trace(run, schedule)

    def _set(self, port: int, schedule: Windows | None) -> None:
        for gate in self._gates:
            gate.set(port, schedule)


def measure_scrapes(
    conditions: Conditions,
    progress: Progress = lambda _step: None,
    *,
    lines: Callable[[int], Lines] = lines_for,
) -> ScrapeEffect:
    """Measure one point; Ctrl-C keeps the processes measured so far.

    Each of the scrapers scrapes its own gate every interval. Raise `ScraperError` where Prometheus does not start.
    """
    traces: list[Trace] = []
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
    return scrape_effect(
        conditions,
        traces,
        bench.description,
        rate=bench.rate,
        closed_loop=bench.closed_loop,
        interrupted=interrupted,
    )


def sweep(
    base: Conditions,
    intervals_ms: Sequence[int] = (50, 200, 1000),
    scrapers: Sequence[int] = (1, 2, 4),
    series: Sequence[int] = (1, 10, 100),
    progress: Progress = lambda _step: None,
) -> list[ScrapeEffect]:
    """Measure `base` and its variations by one factor at a time: interval, concurrent scrapers, number of series."""
    points = [base]
    points += [base.every(value) for value in intervals_ms]
    points += [replace(base, scrapers=value) for value in scrapers]
    points += [replace(base, series=value) for value in series]
    distinct = list(dict.fromkeys(points))
    effects: list[ScrapeEffect] = []
    for i, point in enumerate(distinct):
        effects.append(measure_scrapes(point, part_of(progress, i / len(distinct), 1 / len(distinct))))
        if effects[-1].interrupted:
            break
    return effects
