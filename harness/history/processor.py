"""Processor time in the pairs of an experiment: its ratio, whether the head waits, and how busy the processor was.

Other programs take processors away for milliseconds at a time; in the ratio of elapsed times that is noise, in the
ratio of processor times it is absent. Time the head waits is absent as well, so it is reported separately.

The ratio is the 20 % trimmed mean over pairs, since disturbances of single pairs are no property of the code, and the
differences between runs are seen from run to run. Its standard error is that of Tukey and McLaughlin (1963), from the
variance of the values with the trimmed ones replaced by the nearest remaining one.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["NOT_KEPT", "Processor", "processor_of"]

# As in the ratio of elapsed times: a round that was disturbed is one of many (see `harness.measure.pairs.pair`).
_TRIM = 0.2
# A head that waits for less than this share of its time cannot hide a slowdown that matters.
_WAITS = 0.01
_WAITS_ERRORS = 3.0
_FEWEST = 3
_NUMBERS = frozenset({int, float})


@dataclass(frozen=True, slots=True)
class Processor:
    """The ratio of processor times, the standard error of its logarithm, and the share of time off the processor.

    `ratio` and `error` are None where processor times were not stored, or are not meaningful (several threads share
    them). `off_cpu` is the mean share over all pairs of the time in which the control's blocks did not run. `spread` is
    the scatter of the pairs' log-ratio of processor times, `elapsed_spread` that of elapsed times: median absolute
    deviations, scaled to standard deviations, which a few outliers do not affect.
    """

    ratio: float | None = None
    error: float | None = None
    waits: bool = False
    off_cpu: float | None = None
    spread: float | None = None
    elapsed_spread: float | None = None


NOT_KEPT = Processor()


def processor_of(experiment: Mapping[str, Any], terms: Mapping[str, Any]) -> Processor:
    """Return the processor time of a stored timed experiment; malformed values count as not stored."""
    factors = experiment.get("factors")
    factors = factors if isinstance(factors, Mapping) else {}
    pairs, nulls = _pairs(experiment.get("raw_pairs")), _pairs(experiment.get("raw_null"))
    shares = [share for pair in (*pairs, *nulls) if (share := _off_cpu(pair)) is not None]
    off_cpu = math.fsum(shares) / len(shares) if shares else _number(experiment.get("off_cpu"))
    elapsed = [log for pair in pairs if (log := _number(pair.get("log_ratio"))) is not None]
    elapsed_spread = _deviation(elapsed) if elapsed else _number(experiment.get("log_ratio_sd"))
    unknown = Processor(off_cpu=off_cpu, elapsed_spread=elapsed_spread)
    if factors.get("threads", 1) != 1:
        return unknown
    lumpy = terms.get("lumpy") is True or factors.get("scraped") is True
    logs = [log for pair in pairs if (log := _log_ratio(pair, lumpy=lumpy)) is not None]
    if len(logs) < _FEWEST or len(logs) < len(pairs):
        return unknown
    mean, error = _trimmed(logs)
    waits = False
    if len(elapsed) == len(logs):
        excess, excess_error = _trimmed([wall - log for wall, log in zip(elapsed, logs, strict=True)])
        waits = excess > max(_WAITS, _WAITS_ERRORS * excess_error)
    return replace(unknown, ratio=math.exp(mean), error=error, waits=waits, spread=_deviation(logs))


def _pairs(value: object) -> list[Mapping[str, Any]]:
    items = value if isinstance(value, list | tuple) else []
    return [item for item in items if isinstance(item, Mapping) and not item.get("void")]


def _off_cpu(pair: Mapping[str, Any]) -> float | None:
    """Return the control's share, since a head may wait for its own reasons; both sides' where it was not stored."""
    processor = _times(pair.get("base_cpu"))
    if processor and len(wall := _times(pair.get("base_blocks"))) == len(processor):
        return max(0.0, 1 - math.fsum(processor) / math.fsum(wall))
    return _number(pair.get("off_cpu"))


def _log_ratio(pair: Mapping[str, Any], *, lumpy: bool) -> float | None:
    base, head = _times(pair.get("base_cpu")), _times(pair.get("head_cpu"))
    lines = _number(pair.get("base_lines")), _number(pair.get("head_lines"))
    if not base or len(base) != len(head) or not lines[0] or not lines[1]:
        return None
    per_line = math.log(lines[0] / lines[1])
    if lumpy:
        return math.log(math.fsum(head) / math.fsum(base)) + per_line
    ratios = sorted(math.log(high / low) for low, high in zip(base, head, strict=True))
    cut = int(_TRIM * len(ratios))
    stored = ratios[cut : len(ratios) - cut]
    return math.fsum(stored) / len(stored) + per_line


def _trimmed(values: Sequence[float]) -> tuple[float, float]:
    """Return the trimmed mean and its standard error; few values are not trimmed."""
    ordered, n = sorted(values), len(values)
    cut = int(_TRIM * n)
    stored = ordered[cut : n - cut]
    drawn_in = [min(max(value, stored[0]), stored[-1]) for value in ordered]
    middle = math.fsum(drawn_in) / n
    variance = math.fsum((value - middle) ** 2 for value in drawn_in) / (n - 1)
    return math.fsum(stored) / len(stored), math.sqrt(variance * n) / (n - 2 * cut)


def _deviation(values: Sequence[float]) -> float:
    middle = statistics.median(values)
    # 1.4826 makes the median absolute deviation a standard deviation for Gaussian noise.
    return 1.4826 * statistics.median(abs(value - middle) for value in values)


def _times(value: object) -> Sequence[float]:
    """Return positive times; empty where one of them is none."""
    if not isinstance(value, list | tuple) or not value:
        return []
    # Thousands of kept runs are read at once.
    return value if all(type(item) in _NUMBERS and 0 < item < math.inf for item in value) else []


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
