"""The reference speed: all costs of an answer at one speed of the machine, whatever speeds it had meanwhile.

A shared machine changes its speed by tens of percent within minutes. Both sides of a pair go through it alike, so that
ratios hardly move, while a difference in ns is that of the moment. The cost at the reference speed is

    cost = (ratio - 1) * reference,

where `reference` is the time of a line of the base: the geometric mean over all pairs that count of all experiments on
that base. Costs on one base are thereby comparable with each other, though they were measured at different moments. The
interval is the ratio's: it says how well the cost is known at that speed, and not how fast the machine was.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from harness.measure.result import Experiment, Interval

__all__ = ["at_reference_speed"]

# What the bare REPL does with a line does not depend on what others record.
_BARE = "none"
_RECORDED = frozenset({"series", "views", "tags", "buckets"})
_Side = tuple[str, frozenset[tuple[str, Any]]]


def at_reference_speed(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Return the experiments, the timed ones that are not void with their costs at the reference speed.

    A base that is the head of another of these experiments, as a rung of the ladder is, takes its time from that one,
    so that costs add up. Doing it again changes nothing.
    """
    timed = [each for each in experiments if each.axis == "wall_ns" and each.verdict != "void" and each.ratio]
    logs: dict[_Side, list[float]] = {}
    for each in timed:
        logs.setdefault(_base(each), []).extend(_logs(each))
    heads = {_head(each): each for each in timed}

    def reference(side: _Side, above: frozenset[_Side] = frozenset()) -> float:
        below = heads.get(side)
        if below is None or below.ratio is None or _base(below) in above | {side}:
            return math.exp(math.fsum(logs[side]) / len(logs[side]))
        return reference(_base(below), above | {side}) * below.ratio

    sound = {id(each) for each in timed if logs[_base(each)]}
    return [_costed(each, reference(_base(each))) if id(each) in sound else each for each in experiments]


def _costed(experiment: Experiment, reference: float) -> Experiment:
    ratio, check = experiment.ratio, experiment.bootstrap
    return experiment.model_copy(
        update={
            "reference_per_line": reference,
            "cost_per_line": None if ratio is None else (ratio - 1) * reference,
            "cost_interval": _scaled(experiment.ratio_interval, reference),
            "bootstrap": check.model_copy(update={"cost_interval": _scaled(check.ratio_interval, reference)}),
        }
    )


def _scaled(interval: Interval, reference: float) -> Interval:
    low, high = interval
    return (None, None) if low is None or high is None else ((low - 1) * reference, (high - 1) * reference)


def _logs(experiment: Experiment) -> Iterable[float]:
    return (math.log(pair.base_per_line) for pair in experiment.raw_pairs if not pair.void and pair.base_per_line > 0)


def _base(experiment: Experiment) -> _Side:
    return _side(experiment.base, experiment.factors | experiment.base_factors)


def _head(experiment: Experiment) -> _Side:
    return _side(experiment.head, experiment.factors)


def _side(name: str, conditions: dict[str, Any]) -> _Side:
    left_out = _RECORDED if name == _BARE else frozenset()
    if not conditions.get("scraped"):
        # Of the other side, which is scraped.
        left_out |= {"scrape_interval_ms"}
    return name, frozenset((key, value) for key, value in conditions.items() if key not in left_out)
