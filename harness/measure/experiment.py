"""Paired experiments, any number side by side: which pair comes next, when to look, when to stop, what was found."""

import copy
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import UsageError
from harness.measure.document import Document, Experiment, RawPair, TermsUsed
from harness.measure.pairs import BlockPlan
from harness.measure.sequential import Looks, t_critical
from harness.measure.stats import standard_deviation
from harness.measure.subjects import Subject
from harness.measure.verdicts import CONFIDENCE, Comparison, counting, experiment_of
from harness.run.environment import environment

__all__ = ["Comparison", "Measure", "Progress", "Step", "Terms", "run_experiments"]

# Pairs at which a comparison with a wanted precision is looked at; the spending needs them fixed, not their end.
_LOOKS_AT = (12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_Z = 1.959963984540054
# Something of the level must be left for the last look.
_MOST_BEFORE_LAST = 0.9


@dataclass(frozen=True, slots=True)
class Terms:
    """How long, how precise, and how.

    `precision` is the half-width of the ratio's interval asked for (0.01 for 1 %); `budget_s` the time allowed. Either
    ends a comparison, the first to be reached; one of them has to be given. `fewest` pairs are measured in any case.
    `tolerance` is the change that does not matter: an interval within it reads ``indistinguishable``. `lumpy` marks
    costs that come in lumps rarer than a block (see `harness.measure.pairs`). `settled` ends a comparison as soon as
    its interval excludes no change; the looks are paid for either way.
    """

    precision: float | None = None
    budget_s: float | None = None
    fewest: int = 4
    most: int = 512
    tolerance: float = 0.02
    plan: BlockPlan = field(default_factory=BlockPlan)
    seed: int = 1
    lumpy: bool = False
    settled: bool = False

    def __post_init__(self) -> None:
        if self.precision is None and self.budget_s is None:
            raise UsageError("an experiment needs a precision (--precision 1%) or a time (--budget 60s)")
        if self.precision is not None and not 0 < self.precision < 1:
            raise UsageError(f"--precision: {self.precision} is not a share between 0 and 1")
        if self.budget_s is not None and not self.budget_s > 0:
            raise UsageError(f"--budget: {self.budget_s} s is no time")
        if not 1 <= self.fewest <= self.most:
            raise UsageError(f"between {self.fewest} and {self.most} pairs: there is no such number")


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is: the share done, the seconds left (None while unknown), and what is being measured."""

    done: float
    left_s: float | None
    note: str


Progress = Callable[[Step], None]


class Measure(Protocol):
    """Measures pairs; recorded ones take its place in tests."""

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        """Measure a pair of fresh processes."""


@dataclass(slots=True)
class _State:
    """One comparison on its way."""

    comparison: Comparison
    pairs: list[RawPair] = field(default_factory=list)
    looks: Looks = field(default_factory=lambda: Looks(1 - CONFIDENCE))
    looked_at: int = 0
    looked: int = 0
    share: float = 0.0
    z: float | None = None
    open: bool = True

    def look(self, terms: Terms, share: float) -> None:
        """Look at the pairs so far, with `share` of what is planned in hand, and close the comparison when enough.

        Whether they are precise enough is asked as if all of the level left were spent here. That depends on the
        pairs' spread alone, never on the effect, so that asking costs nothing; the level is spent once it is so.
        """
        logs = [pair.log_ratio for pair in counting(self.pairs)]
        if not self.open or len(logs) < 2 or len(logs) <= self.looked_at:
            return
        error = standard_deviation(logs) / math.sqrt(len(logs))
        final = copy.copy(self.looks).look(len(logs), 1.0)
        wanted = math.log1p(terms.precision) if terms.precision is not None else 0.0
        enough = share >= 1 or (terms.precision is not None and t_critical(final, len(logs)) * error <= wanted)
        information = (wanted / (_Z * error)) ** 2 if error else 1.0
        self.share = 1.0 if enough else min(_MOST_BEFORE_LAST, max(self.share, share, information))
        self.z = self.looks.look(len(logs), self.share)
        self.looked_at, self.looked = len(logs), self.looked + 1
        decided = abs(math.fsum(logs) / len(logs)) > t_critical(self.z, len(logs)) * error
        self.open = not (enough or (terms.settled and decided))


# The comparison to measure a pair of, or None for an A/A pair of the base beside it.
_Task = tuple[_State | None, Subject]


class _Campaign:
    """Comparisons measured side by side, pair by pair, with the A/A pairs of each base among them."""

    def __init__(self, comparisons: Sequence[Comparison], terms: Terms, measure: Measure, now: Callable[[], float]):
        self.states = [_State(comparison) for comparison in comparisons]
        self.nulls: dict[Subject, list[RawPair]] = {comparison.base: [] for comparison in comparisons}
        self._terms, self._measure, self._now = terms, measure, now
        self._rng = random.Random(terms.seed)  # noqa: S311 - a seeded order, nothing secret
        self._started = now()
        self._cycle = 0
        self._spent = 0.0
        self._measured = 0

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self._now() - self._started

    def run(self, progress: Progress) -> None:
        """Measure until every comparison has what it needs or the time is over."""
        for state, base in self._tasks():
            if state is not None and not state.open:
                continue
            if self._over():
                return
            pair = Comparison(base, base) if state is None else state.comparison
            progress(self._step(pair))
            began = self._now()
            found = self._measure(pair.base, pair.head)
            self._spent += self._now() - began
            self._measured += 1
            (self.nulls[base] if state is None else state.pairs).append(found)
            if state is not None:
                self._consider(state)

    def _tasks(self) -> Iterator[_Task]:
        """Yield what to measure: cycles of one pair of each open comparison and, in some cycles, A/A pairs."""
        while any(state.open for state in self.states):
            cycle: list[_Task] = [(state, state.comparison.base) for state in self.states if state.open]
            # Two controls early, since one bounds nothing; then one for every three pairs.
            if self._cycle < 2 or self._cycle % 3 == 0:
                bases = dict.fromkeys(base for _, base in cycle)
                cycle += [(None, base) for base in bases]
            self._cycle += 1
            self._rng.shuffle(cycle)
            yield from cycle

    def _consider(self, state: _State) -> None:
        if len(state.pairs) >= self._terms.most:
            state.open = False
        elif len(state.pairs) in _LOOKS_AT and (self._terms.precision is not None or self._terms.settled):
            budget = self._terms.budget_s
            share = self.elapsed() / budget if budget else len(state.pairs) / self._terms.most
            state.look(self._terms, min(share, _MOST_BEFORE_LAST))

    def _over(self) -> bool:
        budget = self._terms.budget_s
        if budget is None or min(len(state.pairs) for state in self.states) < self._terms.fewest:
            return False
        return self.elapsed() + self._spent / self._measured > budget

    def _step(self, pair: Comparison) -> Step:
        elapsed, budget = self.elapsed(), self._terms.budget_s
        shares = [elapsed / budget] if budget else [0.0]
        if self._terms.precision is not None:
            shares.append(min(1.0 if not state.open else state.share for state in self.states))
        # The fewest pairs are measured however long they take: a budget that is over does not mean that it is done.
        fewest = self._terms.fewest
        least = sum(min(len(state.pairs), fewest) if state.open else fewest for state in self.states)
        done = min(max(shares), least / (fewest * len(self.states)))
        left = elapsed * (1 - done) / done if done > 0 else None
        control = pair.head == pair.base
        return Step(done, left, f"{pair.head.name} against {'itself' if control else pair.base.name}")

    def experiments(self) -> list[Experiment]:
        """Return what the pairs so far say; the last look spends what is left of the level."""
        found = []
        for state in self.states:
            state.look(self._terms, 1.0)
            found.append(
                experiment_of(
                    state.comparison,
                    state.pairs,
                    self.nulls[state.comparison.base],
                    tolerance=self._terms.tolerance,
                    z=state.z,
                    looks=state.looked,
                )
            )
        return found


def run_experiments(
    comparisons: Sequence[Comparison],
    terms: Terms,
    measure: Measure,
    progress: Progress = lambda _step: None,
    now: Callable[[], float] = time.monotonic,
) -> Document:
    """Measure the comparisons side by side and return the document of what was found.

    Ctrl-C ends the measuring, not the call: the document then holds the pairs so far and `interrupted`.
    """
    campaign = _Campaign(comparisons, terms, measure, now)
    interrupted = False
    try:
        campaign.run(progress)
    except KeyboardInterrupt:
        interrupted = True
    return Document(
        environment=environment(),
        terms=TermsUsed(
            precision=terms.precision,
            budget_s=terms.budget_s,
            rounds=terms.plan.rounds,
            block_ns=terms.plan.block_ns,
            seed=terms.seed,
            tolerance=terms.tolerance,
            fewest=terms.fewest,
            most=terms.most,
            lumpy=terms.lumpy,
            settled=terms.settled,
            comparisons=len(comparisons),
        ),
        interrupted=interrupted,
        elapsed_s=campaign.elapsed(),
        experiments=campaign.experiments(),
    )
