"""A campaign of pairs: which pair comes next, when to look at them, and when there are enough."""

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import UsageError
from harness.measure.controls import (
    AGAIN,
    REPETITIONS,
    Comparison,
    Pipeline,
    control_subject,
    controls_of,
    level_of,
    pairs_needed,
    pipeline,
)
from harness.measure.pairs.pair import BlockPlan
from harness.measure.result import RawPair
from harness.measure.sequential import Looks, t_critical
from harness.measure.stats import standard_deviation
from harness.measure.subject import Subject
from harness.measure.verdict import CONFIDENCE, Assessed, ControlPairs, assess, counting

__all__ = ["Campaign", "PairMeasurer", "Progress", "Step", "Terms"]

# Pairs at which a comparison with a wanted precision is looked at; the spending needs them fixed, not their end.
LOOKS_AT = (12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_Z = 1.959963984540054
# The normal quantile of 4.3 %, see `_State.look`.
_Z_CHOSEN = 2.0237099909349667
# Something of the level must be left for the last look.
_MOST_BEFORE_LAST = 0.9
# By this many pairs of its comparisons a control has all the pairs that its power needs: before the first look, and
# where the time is short before it is over.
_CONTROLLED_BY = 8
# At most this share of the time is kept back for the pairs that controls lack.
_MOST_RESERVED = 0.25


@dataclass(frozen=True, slots=True)
class Terms:
    """How long, how precise, and how.

    `precision` is the half-width of the ratio's interval asked for (0.01 for 1 %); `budget_s` the time allowed. Either
    ends a comparison, the first to be reached; one of them has to be given. `fewest` pairs are measured in any case.
    `tolerance` is the change that does not matter: an interval within it reads ``indistinguishable``. `lumpy` marks
    costs that come in lumps rarer than a block (`harness.measure.pairs.pair`). `settled` ends a comparison as soon as
    its interval excludes no change; only then are looks paid for. `controls` is the number of controls of the whole
    call where this is one of several measurements (None: those of this one). What comes out void is measured again up
    to `repetitions` times. Without a `control` no A/A pairs are measured, and nothing is concluded: for finding out how
    long a line takes.
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
    controls: int | None = None
    repetitions: int = REPETITIONS
    control: bool = True

    def __post_init__(self) -> None:
        if self.precision is None and self.budget_s is None:
            raise UsageError("an experiment needs a precision (--precision 1%) or a time (--budget 60s)")
        if self.precision is not None and not 0 < self.precision < 1:
            raise UsageError(f"{self.precision} is not a share between 0 and 1", field="precision")
        if not 0 <= self.tolerance < 1:
            raise UsageError(f"{self.tolerance} is not a share from 0 to below 1", field="tolerance")
        if self.budget_s is not None and not self.budget_s > 0:
            raise UsageError(f"{self.budget_s} s is no time", field="budget")
        if not 1 <= self.fewest <= self.most:
            raise UsageError(f"between {self.fewest} and {self.most} pairs: there is no such number")
        if self.controls is not None and self.controls < 1:
            raise UsageError(f"{self.controls} controls: a call has at least one")


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is: the share done, the seconds left (None while unknown), and what is being measured."""

    done: float
    left_s: float | None
    note: str


Progress = Callable[[Step], None]


class PairMeasurer(Protocol):
    """Measures pairs; recorded ones take its place in tests."""

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        """Measure a pair of fresh processes."""


@dataclass(slots=True)
class _State:
    """One comparison on its way, with the side whose A/A pairs are its control and how those are measured."""

    comparison: Comparison
    control: Subject
    kind: Pipeline
    pairs: list[RawPair] = field(default_factory=list)
    looks: Looks = field(default_factory=lambda: Looks(1 - CONFIDENCE))
    looked_at: int = 0
    looked: int = 0
    share: float = 0.0
    z: float | None = None
    open: bool = True

    def look(self, terms: Terms, share: float) -> None:
        """Look at the pairs so far, with `share` of what is planned in hand, and close the comparison when enough.

        A look that may end the comparison by the effect seen (`settled`) is paid for out of the level. One that only
        asks whether the interval is narrow enough decides nothing about the effect and costs nothing; but an end
        chosen by the pairs' own spread comes a little too often where that is underestimated (Chow and Robbins 1965),
        which made 6.3 % of false alarms out of 5 at the worst spread simulated. The interval is therefore taken at
        95.7 % (4.2 to 5.6 % of false alarms, over all spreads) wherever a precision may end it.
        """
        logs = [pair.log_ratio for pair in counting(self.pairs)]
        if not self.open or len(logs) < 2 or len(logs) <= self.looked_at:
            return
        error = standard_deviation(logs) / math.sqrt(len(logs))
        wanted = math.log1p(terms.precision) if terms.precision is not None else 0.0
        last = self._last_critical(terms, len(logs))
        enough = share >= 1 or (terms.precision is not None and t_critical(last, len(logs)) * error <= wanted)
        information = (wanted / (_Z * error)) ** 2 if error else 1.0
        self.share = 1.0 if enough else min(_MOST_BEFORE_LAST, max(self.share, share, information))
        if not terms.settled:
            if enough:
                self.z, self.looked_at, self.looked, self.open = last, len(logs), 1, False
            return
        self.z = self.looks.look(len(logs), self.share)
        self.looked_at, self.looked = len(logs), self.looked + 1
        decided = abs(math.fsum(logs) / len(logs)) > t_critical(self.z, len(logs)) * error
        self.open = not (enough or decided)

    def _last_critical(self, terms: Terms, count: int) -> float:
        """Return the critical value if `count` pairs were the last: with all of the level that is left."""
        if terms.settled:
            return copy.copy(self.looks).look(count, 1.0)
        return _Z if terms.precision is None else _Z_CHOSEN


@dataclass(slots=True)
class _ControlState:
    """The A/A pairs of one control on their way, by the subject they are taken from."""

    needed: int
    pairs: dict[Subject, list[RawPair]]

    @property
    def count(self) -> int:
        return sum(len(pairs) for pairs in self.pairs.values())

    def due(self, compared: dict[Subject, int], *, whole: bool = False) -> list[Subject]:
        """Return the subjects of the A/A pairs to measure next.

        `compared` is, for each subject, the most pairs of any comparison that rests on it, the coming ones included.
        Each subject has at least half as many A/A pairs; the control as a whole comes to `needed` by the time its
        comparisons have `_CONTROLLED_BY` pairs, or at once where the `whole` of it is asked for.
        """
        have = {subject: len(pairs) for subject, pairs in self.pairs.items()}
        found: list[Subject] = []
        for subject, most in compared.items():
            lacking = math.ceil(most / 2) - have[subject]
            found += [subject] * lacking
            have[subject] += max(0, lacking)
        pace = 1.0 if whole else min(1.0, max(compared.values(), default=0) / _CONTROLLED_BY)
        while sum(have.values()) < math.ceil(self.needed * pace):
            # The subject whose comparisons have the most pairs for each of its own is next.
            subject = min(have, key=lambda each: have[each] / max(1, compared.get(each, 0)))
            found.append(subject)
            have[subject] += 1
        return found


# The comparison to measure a pair of, or None for an A/A pair of the subject beside it.
_Task = tuple[_State | None, Subject]


class Campaign:
    """Comparisons measured side by side, pair by pair, with the A/A pairs of their controls among them.

    `repetition` counts how often these comparisons came out void before; see `harness.measure.controls` for what that
    means for their controls' level.
    """

    def __init__(
        self,
        comparisons: Sequence[Comparison],
        terms: Terms,
        measure: PairMeasurer,
        now: Callable[[], float],
        repetition: int = 0,
    ) -> None:
        sides = [control_subject(comparison) for comparison in comparisons]
        self.states = [
            _State(comparison, side, pipeline(side)) for comparison, side in zip(comparisons, sides, strict=True)
        ]
        groups = controls_of(comparisons) if terms.control else {}
        # The controls of the whole call.
        self.count = max(terms.controls or 0, len(groups), 1)
        self._repetition = repetition
        needed = pairs_needed(level_of(self.count))
        self.controls = {
            kind: _ControlState(needed, {subject: [] for subject in subjects}) for kind, subjects in groups.items()
        }
        self._terms, self._measure, self._now = terms, measure, now
        self._rng = random.Random(terms.seed + 1_000_003 * repetition)  # noqa: S311 - a seeded order, nothing secret
        self._started = now()
        self._spent = 0.0
        self._measured = 0

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self._now() - self._started

    def run(self, progress: Progress) -> None:
        """Measure until every comparison and control has what it needs, or the time is over."""
        self._work(self._cycles(), progress, self._over)
        self._work(self._missing(), progress, lambda: self._beyond(1))

    def _work(self, tasks: Iterator[_Task], progress: Progress, over: Callable[[], bool]) -> None:
        for state, subject in tasks:
            if state is not None and not state.open:
                continue
            if over():
                return
            pair = Comparison(subject, subject) if state is None else state.comparison
            progress(self._step(pair))
            began = self._now()
            found = self._measure(pair.base, pair.head)
            self._spent += self._now() - began
            self._measured += 1
            (self.controls[pipeline(subject)].pairs[subject] if state is None else state.pairs).append(found)
            if state is not None:
                self._consider(state)

    def _cycles(self) -> Iterator[_Task]:
        """Yield cycles of one pair of each open comparison and the A/A pairs that are due, in an order drawn anew."""
        while any(state.open for state in self.states):
            cycle: list[_Task] = [(state, state.comparison.base) for state in self.states if state.open]
            for kind, control in self.controls.items():
                cycle += [(None, subject) for subject in control.due(self._compared(kind, coming=1))]
            self._rng.shuffle(cycle)
            yield from cycle

    def _missing(self) -> Iterator[_Task]:
        """Yield the A/A pairs that controls still lack once all comparisons have theirs."""
        missing: list[_Task] = [
            (None, subject)
            for kind, control in self.controls.items()
            for subject in control.due(self._compared(kind), whole=True)
        ]
        self._rng.shuffle(missing)
        yield from missing

    def _compared(self, kind: Pipeline, coming: int = 0) -> dict[Subject, int]:
        """Return the most pairs of the comparisons that rest on each subject of a control."""
        found: dict[Subject, int] = {}
        for state in self.states:
            if state.kind == kind:
                pairs = len(state.pairs) + (coming if state.open else 0)
                found[state.control] = max(found.get(state.control, 0), pairs)
        return found

    def _consider(self, state: _State) -> None:
        if len(state.pairs) >= self._terms.most:
            state.look(self._terms, 1.0)
            state.open = False
        elif len(state.pairs) in LOOKS_AT and (self._terms.precision is not None or self._terms.settled):
            budget = self._terms.budget_s
            share = self.elapsed() / budget if budget else len(state.pairs) / self._terms.most
            state.look(self._terms, min(share, _MOST_BEFORE_LAST))

    def _over(self) -> bool:
        """Tell whether no more comparisons are to be measured: the time left is what controls still need."""
        if self._terms.budget_s is None or min(len(state.pairs) for state in self.states) < self._terms.fewest:
            return False
        # As they will be after the pair that is being thought of.
        # What may be missing at most; most of the time there is room for that, and counting can wait.
        if not self._beyond(1 + sum(state.needed + len(state.pairs) for state in self.controls.values())):
            return False
        missing = sum(len(each.due(self._compared(kind, 1), whole=True)) for kind, each in self.controls.items())
        affordable = missing * self._spent / self._measured <= _MOST_RESERVED * self._terms.budget_s
        return self._beyond(1 + (missing if affordable else 0))

    def _beyond(self, more: int) -> bool:
        """Tell whether so many more pairs would end after the time is over."""
        budget = self._terms.budget_s
        if budget is None or not self._measured:
            return False
        return self.elapsed() + more * self._spent / self._measured > budget

    def _step(self, pair: Comparison) -> Step:
        elapsed, budget = self.elapsed(), self._terms.budget_s
        shares = [elapsed / budget] if budget else [0.0]
        if self._terms.precision is not None:
            shares.append(min(1.0 if not state.open else state.share for state in self.states))
        # The fewest pairs are measured however long they take: a budget that is over does not mean that it is done.
        fewest = self._terms.fewest
        least = sum(min(len(state.pairs), fewest) if state.open else fewest for state in self.states)
        done = min(max(shares), least / (fewest * len(self.states)), 1.0)
        left = elapsed * (1 - done) / done if done > 0 else None
        control = pair.head == pair.base
        again = " (void before, measured again)" if self._repetition else ""
        return Step(done, left, f"{pair.head.name} against {'itself' if control else pair.base.name}{again}")

    def assessed(self) -> list[Assessed]:
        """Return what the pairs so far say; the last look spends what is left of the level."""
        found = []
        for state in self.states:
            state.look(self._terms, 1.0)
            found.append(
                assess(
                    state.comparison,
                    state.pairs,
                    self._control(state.kind),
                    tolerance=self._terms.tolerance,
                    z=state.z,
                    looks=state.looked,
                )
            )
        return found

    def _control(self, kind: Pipeline) -> ControlPairs:
        state = self.controls.get(kind)
        if state is None:
            return ControlPairs()
        return ControlPairs(
            pairs=[pair for pairs in state.pairs.values() for pair in pairs],
            confidence=1 - (AGAIN if self._repetition else level_of(self.count)),
            needed=state.needed,
            controls=self.count,
            subjects=tuple(subject.name for subject in state.pairs),
        )
