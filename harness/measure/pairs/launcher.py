"""Measures pairs with real processes on one core.

The two sides of a pair start, load and warm up at the same time, one on the measured core and one on the home core:
nothing is timed then. The next pair is started when this one is done, and not beside it: that would be a neighbour of
our own.
"""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Protocol, Self

from harness.children import GRACE_S
from harness.measure.inputs import lines_for
from harness.measure.pairs.pair import BlockPlan, measure_pair
from harness.measure.pairs.side import Cores, Lines, Side, apart, cores, start_sides
from harness.measure.provenance import Provenance
from harness.measure.result import RawPair
from harness.measure.subject import Subject

__all__ = ["Launcher", "Scraping"]


class Scraping(Protocol):
    """Scrapes whatever listens on a few ports kept free for the sides of pairs."""

    def port(self, slot: int) -> int:
        """Return the port for one of the sides alive at the same time, 0 or 1."""


class Launcher(AbstractContextManager["Launcher"]):
    """Starts, measures and ends the two processes of each pair; while open it keeps this process off the measured core.

    The order of everything random follows from `seed`. `provenance` collects what the processes have loaded; `grace_s`
    is how long one may keep us waiting beyond its plan.
    """

    def __init__(
        self,
        plan: BlockPlan,
        seed: int = 1,
        *,
        lines: Callable[[int], Lines] = lines_for,
        scraping: Scraping | None = None,
        lumpy: bool = False,
        grace_s: float = GRACE_S,
    ) -> None:
        self._plan, self._lines, self.scraping, self._lumpy = plan, lines, scraping, lumpy
        self._rng = random.Random(seed)  # noqa: S311 - seeds and orders, nothing secret
        self._open = ExitStack()
        self._grace_s = grace_s
        self.cores: Cores = cores()
        self.provenance = Provenance()

    def __enter__(self) -> Self:
        self._open.enter_context(apart(self.cores))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        """Measure one pair; see `harness.measure.pairs.schedule.Measure`."""
        with ExitStack() as started:
            first, second = (base, head) if self._rng.random() < 0.5 else (head, base)
            # On two NUMA nodes one of them would have its memory on the wrong one.
            beside = self.cores.measured if self.cores.near else self.cores.home
            starts = (self.cores.home, beside)
            sides = start_sides(started, (first, second), self._rng, starts, self._grace_s)
            self._load(sides, at_once=starts[0] != starts[1])
            # Which one was started first, and so met the fresher machine, is drawn; A/A pairs have no other names.
            if first is not base:
                sides.reverse()
            plan, lumpy = self._plan, self._lumpy
            intervals = [side.subject.interval_ms for side in sides if side.subject.scraped]
            if intervals:
                # Scrapes come in lumps and are part of what is measured: each turn has to hold some.
                plan, lumpy = plan.while_scraped(max(intervals)), True
            pair = measure_pair(sides[0], sides[1], plan, self._rng, lumpy=lumpy)
            for side in sides:
                side.kill()  # both at once: giving their memory back takes some milliseconds
            return pair

    def _load(self, sides: list[Side], *, at_once: bool) -> None:
        """Load and warm up the sides: at once where each has a core, else one after the other."""
        roam = any(side.subject.scraped for side in sides)
        for slot, side in enumerate(sides):
            side.load(self._lines(side.subject.series), self.cores, port=self._port(side.subject, slot), roam=roam)
            if not at_once:
                self._loaded(side)
        if at_once:
            for side in sides:
                self._loaded(side)

    def _loaded(self, side: Side) -> None:
        self.provenance.add(side.subject, side.loaded())

    def _port(self, subject: Subject, slot: int) -> int | None:
        if not subject.scraped:
            return 0 if subject.served else None
        if self.scraping is None:
            raise ValueError("a scraped subject needs a scraper")
        return self.scraping.port(slot)
