"""A histogram on a /metrics page as a distribution of lengths."""

import math
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from workloads.errors import GrammarError
from workloads.forms import MAX_LINE_BYTES
from workloads.grammar import quoted

__all__ = ["bucket_weights"]

# No bucket is wider than this, so that sums stay whole numbers a float holds exactly.
_HUGE = 2**50


def bucket_weights(page: str, source: str, metric: str = "", label: str = "") -> NDArray[np.float64]:
    """Return the weight of each length from 0 to 64 KiB, as the page's histogram counts them.

    `source` names the page in error lines, `metric` is the family (it may be left out if the page has one histogram),
    `label` is ``name:value`` and selects only the series that carry it; the selected series are added up. Lengths are
    whole numbers of bytes, and a bucket's count is spread evenly over those above the previous bound, up to and
    including its own (Prometheus' rule ``value <= le``). The +Inf bucket has no upper bound: its count is spread up to
    twice the last bound, which keeps it above that bound without extreme lengths. Lengths above 64 KiB are left out.

    Raises `GrammarError` if the page cannot be parsed, has no such histogram, or the histogram is empty.
    """
    cumulative = _cumulative_counts(page, source, metric, label)
    bounds = sorted(cumulative)
    weights = np.zeros(MAX_LINE_BYTES + 1)
    below, lowest = 0.0, 0
    for bound in bounds:
        upper = 2 * max(lowest - 1, 1) if math.isinf(bound) else math.floor(min(bound, _HUGE))
        count, below = cumulative[bound] - below, cumulative[bound]
        if count < 0:
            raise GrammarError(f"{quoted(source)}: the buckets' counts fall from one bound to the next")
        if upper >= lowest:
            weights[lowest : upper + 1] += count / (upper + 1 - lowest)
            lowest = upper + 1
        else:
            # No whole number lies in the bucket: its lines are as long as the bound before it, rounded down.
            weights[min(max(upper, 0), MAX_LINE_BYTES)] += count
    if not (math.isfinite(weights.sum()) and weights.sum() > 0):
        raise GrammarError(f"{quoted(source)}: the histogram is empty; nothing can be drawn from it")
    return weights


def _cumulative_counts(page: str, source: str, metric: str, label: str) -> dict[float, float]:
    families = _bucket_families(page, source)
    if not metric:
        if len(families) != 1:
            known = f"write metric= one of {', '.join(sorted(families))}" if families else "it has no histogram"
            raise GrammarError(f"{quoted(source)} does not hold just one histogram; {known}")
        metric = next(iter(families))
    if metric not in families:
        known = ", ".join(sorted(families)) or "none at all"
        raise GrammarError(f"{quoted(source)} has no histogram {quoted(metric)} (there: {known})")
    name, colon, value = label.partition(":")
    if label and not colon:
        raise GrammarError(f"label={quoted(label)} is not name:value, as in method:repl")
    total: dict[float, float] = defaultdict(float)
    for labels, count in families[metric]:
        if not label or labels.get(name) == value:
            total[float(labels["le"])] += count
    if not total:
        raise GrammarError(f"{quoted(metric)} has no series with {name}={quoted(value)}")
    return total


def _bucket_families(page: str, source: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return each histogram's buckets; a family that is repeated on the page, as some exporters do, counts as one."""
    result: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
    try:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name.endswith("_bucket") and not math.isnan(float(sample.labels.get("le", "nan"))):
                    result[sample.name.removesuffix("_bucket")].append((dict(sample.labels), float(sample.value)))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise GrammarError(f"{quoted(source)} is not a /metrics page: {quoted(str(error))}") from None
    return result
