"""Figures over time: the history of each as values, with its epochs and the changes found in it."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.report.experiments import conditions
from harness.report.numbers import finite, percent

if TYPE_CHECKING:
    from harness.history.figures import Figure
    from harness.history.index import FigurePoint, Index

__all__ = ["MOST_TRENDS", "Change", "Epoch", "Trend", "title_of", "trend_of", "trends_of"]

MOST_TRENDS = 12


@dataclass(frozen=True, slots=True)
class Epoch:
    """A new fingerprint from run `index` on: nanoseconds on both sides of it are not to be compared."""

    index: int
    label: str


@dataclass(frozen=True, slots=True)
class Change:
    """The level changed at run `index`; `kind` is step or drift, `lasting` if strong enough for many looks."""

    index: int
    kind: str
    text: str
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure over all runs, oldest first, in columns of equal length; None where a run did not say.

    `void` are the indices of the runs whose experiment does not count.
    """

    metric: str
    unit: str
    ids: Sequence[str]
    created: Sequence[str]
    values: Sequence[float | None]
    lows: Sequence[float | None]
    highs: Sequence[float | None]
    epochs: Sequence[Epoch] = ()
    changes: Sequence[Change] = ()
    void: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.values)


def trends_of(index: "Index", keys: Sequence[str] | None = None, most: int = MOST_TRENDS) -> list[Trend]:
    """Return the trends of some figures, or of those measured last, at most `most` of them.

    A figure with a single run has no trend and is left out. The same figure on two plans of blocks is told apart.
    """
    labels = {epoch: _machine(machine) for epoch, machine in index.machines().items()}
    chosen = list(keys) if keys is not None else list(index.trending())
    trends = [(key, trend_of(key, index.points(key), labels)) for key in chosen[:most]]
    several = [(key, trend) for key, trend in trends if len(trend) > 1]
    titles = Counter(trend.metric for _, trend in several)
    return [
        replace(trend, metric=f"{trend.metric}, blocks of {plan}") if titles[trend.metric] > 1 and plan else trend
        for key, trend in several
        for plan in [key.partition(" plan=")[2]]
    ]


def _machine(text: str) -> str:
    try:
        machine = json.loads(text)
    except ValueError:
        return text
    if not isinstance(machine, Mapping):
        return str(machine)
    return ", ".join(str(machine[name]) for name in ("cpu", "python", "kernel") if machine.get(name))


def title_of(metric: "Figure") -> str:
    """Return a figure's name for readers: ``opencensus against none, 100 series``, ``opencensus: service p50``."""
    factors = json.loads(metric.factors)
    if metric.axis and metric.base and isinstance(factors, Mapping) and " base." not in metric.key:
        axis = "" if metric.axis == "wall_ns" else f"{metric.axis.replace('_', ' ')}"
        words = [f"{metric.head} against {metric.base}", conditions(factors, scraped=True), axis]
        return ", ".join(word for word in words if word)
    name, _, load = metric.key.partition(" load=")
    if load:
        return f"{metric.head}: {name.removesuffix(metric.head).strip()} of a line, load {load}"
    return metric.key


def trend_of(key: str, points: "Sequence[FigurePoint]", labels: Mapping[str, str] | None = None) -> Trend:
    """Return one figure over time; its changes are looked for within each epoch, never across two.

    Where every run measured a control, the figure is its ratio to it, which is also what verdicts rest on: a machine
    that was busy slows both, and looks like a change in nanoseconds only.
    """
    starts = [i for i, point in enumerate(points) if i == 0 or point.epoch != points[i - 1].epoch]
    epochs = [Epoch(i, (labels or {}).get(points[i].epoch) or points[i].epoch) for i in starts]
    relative = bool(points) and all(point.metric.ratio is not None or point.metric.void for point in points)
    columns = [_ratio(point.metric) if relative else _absolute(point.metric) for point in points]
    values = [finite(value) for value, _, _ in columns]
    changes = [
        change
        for first, end in zip(starts, [*starts[1:], len(points)], strict=True)
        for change in _changes(values[first:end], first)
    ]
    unit = points[0].metric.unit if points else "ns"
    return Trend(
        title_of(points[-1].metric) if points else key,
        "ratio" if relative else unit,
        [point.run for point in points],
        [point.created for point in points],
        values,
        [finite(low) for _, low, _ in columns],
        [finite(high) for _, _, high in columns],
        epochs,
        changes,
        [i for i, point in enumerate(points) if point.metric.void],
    )


_Column = tuple[float | None, float | None, float | None]


def _ratio(metric: "Figure") -> _Column:
    return metric.ratio, metric.ratio_low, metric.ratio_high


def _absolute(metric: "Figure") -> _Column:
    return metric.value, metric.low, metric.high


def _changes(values: Sequence[float | None], first: int) -> list[Change]:
    """Return the changes in one epoch; of logarithms, so that they read in percent, as the verdicts do."""
    from harness.history.checking.change_points import MIN_RUNS, change_points

    logs = [math.log(value) if value is not None and value > 0 else math.nan for value in values]
    if sum(map(math.isfinite, logs)) < MIN_RUNS:
        return []
    return [
        Change(first + point.index, point.kind.value, _shift(point.shift, point.error), point.lasting)
        for point in change_points(logs)
    ]


def _shift(shift: float, error: float) -> str:
    """Return a change of a logarithm as a percentage with its 95 % interval, two standard errors wide each way."""
    low, high = (percent(math.expm1(shift + side * 1.96 * error), signed=True) for side in (-1, 1))
    return f"{percent(math.expm1(shift), signed=True)} ({low} to {high})"
