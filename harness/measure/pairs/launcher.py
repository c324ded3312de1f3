"""The launcher of pairs: starts, measures and ends two processes on one core.

The two sides of a pair start, load and warm up at the same time, one on the measured core and one on the home core,
while nothing is timed. Pairs run one after the other, since a second pair would disturb the first.
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
    """A scraper of a few ports that are reserved for the sides of pairs."""

    def port(self, slot: int) -> int:
        """Return the port of `slot`, 0 or 1: one for each side of a pair."""


class Launcher(AbstractContextManager["Launcher"]):
    """Context manager that measures pairs of processes; while open it keeps this process off the measured core.

    `seed` determines all random choices. `provenance` collects the libraries loaded by the processes. `grace_s` is how
    many seconds an answer may take beyond its planned duration.
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
        """Measure one pair; see `harness.measure.pairs.campaign.PairMeasurer`."""
        with ExitStack() as stack:
            first, second = (base, head) if self._rng.random() < 0.5 else (head, base)
            # With the cores on two NUMA nodes, one side's memory would be on the wrong node.
            beside = self.cores.measured if self.cores.near else self.cores.home
            starts = (self.cores.home, beside)
            sides = start_sides(stack, (first, second), self._rng, starts, self._grace_s)
            self._load(sides, at_once=starts[0] != starts[1])
            # The order of starting is random, since it may matter; the sides of an A/A pair differ in nothing else.
            if first is not base:
                sides.reverse()
            plan, lumpy = self._plan, self._lumpy
            intervals = [side.subject.interval_ms for side in sides if side.subject.scraped]
            if intervals:
                # Scrapes come in bursts and are part of the measured cost: each block has to contain several.
                plan, lumpy = plan.while_scraped(max(intervals)), True
            pair = measure_pair(sides[0], sides[1], plan, self._rng, lumpy=lumpy)
            for side in sides:
                side.kill()  # both at once, since freeing their memory takes some milliseconds
            return pair

    def _load(self, sides: list[Side], *, at_once: bool) -> None:
        """Load and warm up the sides: at the same time where each has a core, else one after the other."""
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
