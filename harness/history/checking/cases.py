"""The comparison of each figure of a run: which runs before it count, on which machine, and since when."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import pairwise
from typing import Protocol

import numpy as np

from harness.history.checking.change_points import ChangePoint, Kind, change_points, tamed
from harness.history.checking.level import ENOUGH, MACHINES, Level, Value, across, mean_of, shift, since
from harness.history.checking.likeness import Limits, limits_of
from harness.history.figures import Figure
from harness.history.index import FigurePoint, NewestRun, RunRow

__all__ = ["HORIZON", "RECENT", "Basis", "Case", "History", "case_of", "value_of"]

# A change is reported until this many runs have followed it.
RECENT = 20
# How many runs are looked back on; more would only slow the check down.
HORIZON = 300


class History(Protocol):
    """Reading access to the stored runs; `harness.history.index.Index` provides it for a store."""

    def rows(self, where: str = "", values: Sequence[object] = ()) -> Sequence[RunRow]:
        """Return the runs that fit a condition, oldest first."""

    def answers(self, kind: str) -> Sequence[NewestRun]:
        """Return the newest run with figures for each question."""

    def metrics(self, run_id: str) -> Sequence[Figure]:
        """Return the figures of one run."""

    def points(self, key: str, newest: int | None = None, until: str | None = None) -> list[FigurePoint]:
        """Return one figure over time, oldest first."""


class Basis(Enum):
    """The quantity that was compared."""

    PROCESSOR = "ratio of processor time to the control of the same run, same machine"
    RATIO = "ratio to the control of the same run, same machine"
    RATIO_ACROSS = "ratio to the control of the same run, other machines"
    ABSOLUTE = "nanoseconds, same machine"
    NONE = "nothing comparable"


@dataclass(slots=True)
class Case:
    """One figure of a run with the runs it is compared with.

    `before` are the runs at the old level, `now` those at the new one, the run itself last. `machines` are the runs of
    other machines where this one has too few; `baseline` replaces the level where a run was named. `again` is the
    repeated measurement. `void` says why the run has no figure, `unlike` why it is not comparable with the runs before,
    and `again_unlike` the same for the repeated measurement; empty where nothing is wrong.
    """

    key: str
    run: str
    basis: Basis
    before: list[Value] = field(default_factory=list)
    now: list[Value] = field(default_factory=list)
    again: list[Value] = field(default_factory=list)
    machines: list[list[Value]] = field(default_factory=list)
    baseline: Value | None = None
    departs_from: str | None = None
    changes: tuple[tuple[str, ChangePoint], ...] = ()
    limits: Limits = field(default_factory=Limits)
    void: str = ""
    unlike: str = ""
    again_unlike: str = ""

    @property
    def compared(self) -> int:
        """The number of runs that the run is compared with."""
        if self.baseline is not None:
            return 1
        return sum(map(len, self.machines)) if self.basis is Basis.RATIO_ACROSS else len(self.before)

    def level(self) -> Level | None:
        """Return the shift of the run from those before, with the repeated measurement; None without data."""
        return self._level([mean_of([self.now[-1], *self.again])]) if self.now else None

    def level_of_again(self) -> Level | None:
        """Return the same for the repeated measurement alone."""
        return self._level([mean_of(self.again)], alone=True) if self.again else None

    def _level(self, newest: list[Value], *, alone: bool = False) -> Level | None:
        if self.basis is Basis.RATIO_ACROSS:
            return across(self.machines, newest[0]) if any(self.machines) else None
        if self.baseline is not None:
            return since(self.baseline, newest[0], self.before)
        return shift(self.before, newest if alone else [*self.now[:-1], *newest]) if self.before else None

    def add(self, metric: Figure) -> None:
        """Add a repeated measurement, unless it is void or the machine was in another state again."""
        value = value_of(metric, self.basis)
        self.again_unlike = self.limits.exceeded(metric)
        if value is not None and not self.again_unlike:
            self.again.append(value)


def value_of(metric: Figure, basis: Basis) -> Value | None:
    """Return the logarithm to compare, or None where the run has no such figure."""
    if basis is Basis.ABSOLUTE:
        positive = metric.value is not None and metric.value > 0
        return Value.of(metric.value or 0.0, None, None, 0) if positive else None
    if basis is Basis.PROCESSOR:
        known = metric.processor is not None and metric.processor > 0
        return Value(math.log(metric.processor or 1.0), metric.processor_error, metric.pairs) if known else None
    if metric.ratio is None:
        return None
    return Value.of(metric.ratio, metric.ratio_low, metric.ratio_high, metric.pairs)


_Known = list[tuple[FigurePoint, Value]]


def case_of(index: History, key: str, run: str, baseline: str | None = None, fresh: Figure | None = None) -> Case:
    """Return one figure of `run` with everything it is compared with.

    That is the runs before on the same machine. Where they are too few, and there are enough other machines to estimate
    how much machines differ, it is the ratios there. Runs that were measured on a busy machine are ignored. `baseline`
    is a run to take the level from, `fresh` replaces the run's own figure.
    """
    points = index.points(key, HORIZON + 1, run)
    if fresh is not None:
        points[-1] = replace(points[-1], metric=fresh)
    here, earlier = points[-1], points[:-1]
    if here.metric.void:
        return Case(key, run, Basis.NONE, void=here.metric.void)
    nearby = [point for point in earlier if point.epoch == here.epoch]
    basis = _basis(here.metric, [point.metric for point in nearby])
    value = value_of(here.metric, basis)
    if value is None:
        return Case(key, run, Basis.NONE)
    same, limits = _ordinary(nearby, basis)
    case = Case(key, run, basis, limits=limits, unlike=limits.exceeded(here.metric))
    if baseline is not None:
        return _since(case, index, same, (here, value), baseline)
    if len(same) < ENOUGH and (ratio := value_of(here.metric, Basis.RATIO)) is not None:
        others = _machines(earlier, here.epoch)
        if len(others) >= MACHINES or not same:
            return _across(case, others, ratio)
    return _split(case, [*same, (here, value)])


def _basis(here: Figure, before: Sequence[Figure]) -> Basis:
    """Return what to compare on one machine: processor time where enough runs stored it and the head does not wait."""
    if here.ratio is None:
        return Basis.ABSOLUTE
    stored = [metric for metric in before if metric.processor is not None]
    waiting = sum(metric.waits for metric in stored[-RECENT:])
    if here.processor is None or here.waits or len(stored) < ENOUGH or 2 * waiting > len(stored[-RECENT:]):
        return Basis.RATIO
    return Basis.PROCESSOR


def _ordinary(points: Sequence[FigurePoint], basis: Basis) -> tuple[_Known, Limits]:
    """Return the runs of one machine with the figure that are like most others there, and the limits for that."""
    known = [(point, value) for point in points if (value := value_of(point.metric, basis)) is not None]
    limits = limits_of([point.metric for point, _ in known], processor=basis is Basis.PROCESSOR)
    return [(point, value) for point, value in known if not limits.exceeded(point.metric)], limits


def _machines(points: Sequence[FigurePoint], here: str) -> list[_Known]:
    """Return the runs of each other machine, the one measured on last at the end."""
    epochs = dict.fromkeys(point.epoch for point in reversed(points) if point.epoch != here)
    result = [_ordinary([point for point in points if point.epoch == epoch], Basis.RATIO)[0] for epoch in epochs]
    return [known for known in reversed(result) if known]


def _across(case: Case, others: list[_Known], value: Value) -> Case:
    case.basis = Basis.RATIO_ACROSS if others else Basis.NONE
    case.machines = [[each for _, each in known] for known in others]
    case.now = [value]
    case.departs_from = others[-1][-1][0].run if others else None
    return case


def _since(case: Case, index: History, same: _Known, here: tuple[FigurePoint, Value], baseline: str) -> Case:
    """Compare with one run; a run measured on another machine cannot be compared."""
    named = [point for point in index.points(case.key, 1, baseline) if point.run == baseline]
    result = value_of(named[0].metric, case.basis) if named and named[0].epoch == here[0].epoch else None
    if result is None:
        case.basis = Basis.NONE
        return case
    case.baseline, case.departs_from = result, baseline
    case.before, case.now = _steady([value for _, value in same]), [here[1]]
    return case


def _steady(values: list[Value]) -> list[Value]:
    """Return the longest sequence of runs at one level, without outliers, from which the noise is estimated."""
    logs = np.array([value.log for value in values])
    edges = [0, *(change.index for change in change_points(logs) if change.lasting), len(values)]
    first, end = max(pairwise(edges), key=lambda edge: edge[1] - edge[0])
    stretch = values[first:end]
    return [replace(value, log=float(log)) for value, log in zip(stretch, tamed(logs[first:end]), strict=True)]


def _split(case: Case, known: _Known) -> Case:
    """Divide the runs at the newest lasting change point that is still reported; without one, at the newest run."""
    result = [change for change in change_points([value.log for _, value in known]) if change.lasting]
    case.changes = tuple((known[change.index][0].run, change) for change in result)
    last = len(known) - 1
    recent = [change for change in result if change.index > last - RECENT]
    older = [change for change in result if change.index <= last - RECENT]
    begin = older[-1].index if older else 0
    start = recent[0].index if recent else last
    case.before = [value for _, value in known[begin:start]]
    case.now = [value for _, value in known[start:]]
    if recent:
        # Later changes replace the level; a drift has reached it only at its end.
        newest_level = max(recent[-1].index, last - 2) if recent[-1].kind is Kind.DRIFT else recent[-1].index
        case.now = [value for _, value in known[newest_level:]]
    if last:
        case.departs_from = known[start if recent else last - 1][0].run
    return case
