"""Campaigns of pairs: the order of pairs, the times of looks, and the stopping rule."""

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
from harness.measure.verdict import CONFIDENCE, Assessment, ControlPairs, assess, counting
from harness.progress import Progress, Step

__all__ = ["Campaign", "PairMeasurer", "Terms"]

# Numbers of pairs at which a comparison is looked at; alpha spending needs fixed times, but no fixed end.
LOOKS_AT = (12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_Z = 1.959963984540054
# The normal quantile of 4.3 %, see `_State.look`.
_Z_CHOSEN = 2.0237099909349667
# The last look needs a part of the level.
_MOST_BEFORE_LAST = 0.9
# When its comparisons have this many pairs, a control has all the pairs that its power needs: before the first look,
# and before the end of a short time budget.
_CONTROLLED_BY = 8
# The largest share of the time budget that is reserved for the missing pairs of controls.
_MOST_RESERVED = 0.25


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a measurement: its duration, its precision and its method.

    - `precision`: the target half-width of the ratio's interval (0.01 for 1 %); `budget_s`: the time budget in seconds.
      A comparison ends at the first of the two that is reached; at least one is required.
    - `fewest`, `most`: the minimum and maximum number of pairs; the minimum is measured whatever the time.
    - `tolerance`: the relative change that is irrelevant; an interval within it is ``indistinguishable``.
    - `lumpy`: whether costs come in bursts rarer than a block (`harness.measure.pairs.pair`).
    - `settled`: whether a comparison ends once its interval excludes no change; only then are looks corrected for.
    - `controls`: the number of controls of the whole call, where this is one of several measurements (None: its own).
    - `repetitions`: how many times a void comparison is measured again at most.
    - `control`: whether A/A pairs are measured; without them there is no conclusion, only the duration of a line.

    Raise `UsageError` for values out of range.
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


class PairMeasurer(Protocol):
    """The measurement of pairs; tests replay recorded pairs instead."""

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        """Measure a pair of fresh processes."""


@dataclass(slots=True)
class _State:
    """The state of one comparison, with the subject of its control's A/A pairs and their pipeline."""

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
        """Look at the pairs so far, with `share` of the plan complete, and close the comparison when they suffice.

        A look that may end the comparison by its effect (`settled`) spends part of the level. A look that only checks
        whether the interval is narrow enough does not depend on the effect and spends nothing; but stopping by the
        pairs' own spread is a little too frequent where the spread is underestimated (Chow and Robbins 1965), which
        raised the false alarms from 5 % to 6.3 % at the worst spread simulated. The interval is therefore computed at
        95.7 % (4.2 to 5.6 % of false alarms, over all spreads) wherever a precision may end the comparison.
        """
        logs = [pair.log_ratio for pair in counting(self.pairs)]
        if not self.open or len(logs) < 2 or len(logs) <= self.looked_at:
            return
        error = standard_deviation(logs) / math.sqrt(len(logs))
        target = math.log1p(terms.precision) if terms.precision is not None else 0.0
        last = self._last_critical(terms, len(logs))
        enough = share >= 1 or (terms.precision is not None and t_critical(last, len(logs)) * error <= target)
        information = (target / (_Z * error)) ** 2 if error else 1.0
        self.share = 1.0 if enough else min(_MOST_BEFORE_LAST, max(self.share, share, information))
        if not terms.settled:
            if enough:
                self.z, self.looked_at, self.looked, self.open = last, len(logs), 1, False
            return
        self.z = self.looks.look(len(logs), self.share)
        self.looked_at, self.looked = len(logs), self.looked + 1
        significant = abs(math.fsum(logs) / len(logs)) > t_critical(self.z, len(logs)) * error
        self.open = not (enough or significant)

    def _last_critical(self, terms: Terms, count: int) -> float:
        """Return the critical value of a last look at `count` pairs, which spends the rest of the level."""
        if terms.settled:
            return copy.copy(self.looks).look(count, 1.0)
        return _Z if terms.precision is None else _Z_CHOSEN


@dataclass(slots=True)
class _ControlState:
    """The state of one control: its A/A pairs so far, by subject."""

    needed: int
    pairs: dict[Subject, list[RawPair]]

    @property
    def count(self) -> int:
        return sum(len(pairs) for pairs in self.pairs.values())

    def due(self, compared: dict[Subject, int], *, whole: bool = False) -> list[Subject]:
        """Return the subjects of the A/A pairs to measure next.

        `compared` has, for each subject, the largest number of pairs of a comparison that rests on it, including the
        next ones. Each subject gets at least half as many A/A pairs; the control as a whole reaches `needed` when its
        comparisons have `_CONTROLLED_BY` pairs, or at once with `whole`.
        """
        have = {subject: len(pairs) for subject, pairs in self.pairs.items()}
        subjects: list[Subject] = []
        for subject, most in compared.items():
            deficit = math.ceil(most / 2) - have[subject]
            subjects += [subject] * deficit
            have[subject] += max(0, deficit)
        pace = 1.0 if whole else min(1.0, max(compared.values(), default=0) / _CONTROLLED_BY)
        while sum(have.values()) < math.ceil(self.needed * pace):
            # Next is the subject whose comparisons have the most pairs relative to its own.
            subject = min(have, key=lambda candidate: have[candidate] / max(1, compared.get(candidate, 0)))
            subjects.append(subject)
            have[subject] += 1
        return subjects


# A comparison and its base, or None and the subject of an A/A pair.
_Task = tuple[_State | None, Subject]


class Campaign:
    """Comparisons measured side by side, pair by pair, interleaved with the A/A pairs of their controls.

    `repetition` is the number of earlier, void measurements of these comparisons; `harness.measure.controls` explains
    its effect on the level of their controls.
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
        self._began = now()
        self._spent = 0.0
        self._pairs_measured = 0

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self._now() - self._began

    def run(self, progress: Progress) -> None:
        """Measure until every comparison and control has the pairs it needs, or the time budget is used up."""
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
            result = self._measure(pair.base, pair.head)
            self._spent += self._now() - began
            self._pairs_measured += 1
            (self.controls[pipeline(subject)].pairs[subject] if state is None else state.pairs).append(result)
            if state is not None:
                self._consider(state)

    def _cycles(self) -> Iterator[_Task]:
        """Yield cycles of one pair of each open comparison and the A/A pairs that are due, each in random order."""
        while any(state.open for state in self.states):
            cycle: list[_Task] = [(state, state.comparison.base) for state in self.states if state.open]
            for kind, control in self.controls.items():
                cycle += [(None, subject) for subject in control.due(self._compared(kind, coming=1))]
            self._rng.shuffle(cycle)
            yield from cycle

    def _missing(self) -> Iterator[_Task]:
        """Yield the A/A pairs that controls still lack when all comparisons are complete."""
        missing: list[_Task] = [
            (None, subject)
            for kind, control in self.controls.items()
            for subject in control.due(self._compared(kind), whole=True)
        ]
        self._rng.shuffle(missing)
        yield from missing

    def _compared(self, kind: Pipeline, coming: int = 0) -> dict[Subject, int]:
        """Return, for each subject of a control, the largest number of pairs of a comparison that rests on it."""
        most: dict[Subject, int] = {}
        for state in self.states:
            if state.kind == kind:
                pairs = len(state.pairs) + (coming if state.open else 0)
                most[state.control] = max(most.get(state.control, 0), pairs)
        return most

    def _consider(self, state: _State) -> None:
        if len(state.pairs) >= self._terms.most:
            state.look(self._terms, 1.0)
            state.open = False
        elif len(state.pairs) in LOOKS_AT and (self._terms.precision is not None or self._terms.settled):
            budget = self._terms.budget_s
            share = self.elapsed() / budget if budget else len(state.pairs) / self._terms.most
            state.look(self._terms, min(share, _MOST_BEFORE_LAST))

    def _over(self) -> bool:
        """Return whether to stop measuring comparisons, since controls need the remaining time."""
        if self._terms.budget_s is None or min(len(state.pairs) for state in self.states) < self._terms.fewest:
            return False
        # An upper bound on the missing pairs: usually there is time for it, which saves counting them.
        if not self._beyond(1 + sum(state.needed + len(state.pairs) for state in self.controls.values())):
            return False
        # Including the pairs of the next cycle.
        missing = sum(len(control.due(self._compared(kind, 1), whole=True)) for kind, control in self.controls.items())
        affordable = missing * self._spent / self._pairs_measured <= _MOST_RESERVED * self._terms.budget_s
        return self._beyond(1 + (missing if affordable else 0))

    def _beyond(self, more: int) -> bool:
        """Return whether `more` further pairs would exceed the time budget."""
        budget = self._terms.budget_s
        if budget is None or not self._pairs_measured:
            return False
        return self.elapsed() + more * self._spent / self._pairs_measured > budget

    def _step(self, pair: Comparison) -> Step:
        elapsed, budget = self.elapsed(), self._terms.budget_s
        shares = [elapsed / budget] if budget else [0.0]
        if self._terms.precision is not None:
            shares.append(min(1.0 if not state.open else state.share for state in self.states))
        # The minimum number of pairs is measured whatever the time, so an exceeded budget does not mean it is done.
        fewest = self._terms.fewest
        least = sum(min(len(state.pairs), fewest) if state.open else fewest for state in self.states)
        done = min(max(shares), least / (fewest * len(self.states)), 1.0)
        left = elapsed * (1 - done) / done if done > 0 else None
        control = pair.head == pair.base
        again = " (void before, measured again)" if self._repetition else ""
        return Step(done, left, f"{pair.head.name} against {'itself' if control else pair.base.name}{again}")

    def assessments(self) -> list[Assessment]:
        """Return the assessment of the pairs so far, after a last look that spends the rest of the level."""
        assessments = []
        for state in self.states:
            state.look(self._terms, 1.0)
            assessments.append(
                assess(
                    state.comparison,
                    state.pairs,
                    self._control(state.kind),
                    tolerance=self._terms.tolerance,
                    z=state.z,
                    looks=state.looked,
                )
            )
        return assessments

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
