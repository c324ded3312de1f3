"""Measures pairs with real processes on one core.

The next pair is started when this one is done, and not beside it: warming up on the other core of a shared machine
would be a neighbour of our own, and at less than a second a pair there is no need for it.
"""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Protocol, Self

from harness.measure.document import RawPair
from harness.measure.lines import lines_for
from harness.measure.pairs import BlockPlan, measure_pair
from harness.measure.processes import Cores, Lines, Side, apart, cores, start_sides
from harness.measure.subjects import Subject

__all__ = ["Launcher", "Scraping"]


class Scraping(Protocol):
    """Scrapes whatever listens on a few ports kept free for the sides of pairs."""

    def port(self, slot: int) -> int:
        """Return the port for one of the sides alive at the same time, 0 or 1."""


class Launcher(AbstractContextManager["Launcher"]):
    """Starts, measures and ends the two processes of each pair; while open it keeps this process off the measured core.

    The order of everything random follows from `seed`.
    """

    def __init__(
        self,
        plan: BlockPlan,
        seed: int = 1,
        *,
        lines: Callable[[int], Lines] = lines_for,
        scraping: Scraping | None = None,
        lumpy: bool = False,
    ) -> None:
        self._plan, self._lines, self.scraping, self._lumpy = plan, lines, scraping, lumpy
        self._rng = random.Random(seed)  # noqa: S311 - seeds and orders, nothing secret
        self._open = ExitStack()
        self.cores: Cores = cores()

    def __enter__(self) -> Self:
        self._open.enter_context(apart(self.cores))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        """Measure one pair; see `harness.measure.experiment.Measure`."""
        with ExitStack() as started:
            first, second = (base, head) if self._rng.random() < 0.5 else (head, base)
            sides = start_sides(started, (first, second), self._rng)
            self._load(sides)
            # Which one was started first, and so met the fresher machine, is drawn; A/A pairs have no other names.
            if first is not base:
                sides.reverse()
            plan, lumpy = self._plan, self._lumpy
            intervals = [side.subject.interval_ms for side in sides if side.subject.scraped]
            if intervals:
                # Scrapes come in lumps and are part of what is measured: each turn has to hold some.
                plan, lumpy = plan.while_scraped(max(intervals)), True
            return measure_pair(sides[0], sides[1], plan, self._rng, lumpy=lumpy)

    def _load(self, sides: list[Side]) -> None:
        """Load and warm up one side after the other, so that neither is warmed up beside the other."""
        roam = any(side.subject.scraped for side in sides)
        for slot, side in enumerate(sides):
            side.load(self._lines(side.subject.series), self.cores, port=self._port(side.subject, slot), roam=roam)
            side.loaded()

    def _port(self, subject: Subject, slot: int) -> int | None:
        if not subject.scraped:
            return 0 if subject.served else None
        if self.scraping is None:
            raise ValueError("a scraped subject needs a scraper")
        return self.scraping.port(slot)
