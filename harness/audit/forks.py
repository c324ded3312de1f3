"""Forked workers behind one page: counters that each keeps by itself, and lines whose fate a kill leaves open."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.audit.findings import Finding, Name
from harness.expected import Expected, SeriesTruth
from harness.exposition.page import SeriesShown, Shown
from harness.views import Aggregation, Tags, View

__all__ = ["KILLED", "Forked", "explain"]

# What a ledger calls the line at which a worker was killed, among the exceptions of lines that failed.
KILLED = "WorkerKilled"


@dataclass(frozen=True, slots=True)
class Forked:
    """What the audit of a page of forked workers has to know.

    `serving` has what each of those recorded that answer scrapes at the end. `doubtful` has, for each line at which a
    worker was killed, its series in each view: it may be on the page, in part or as a whole. `recycled` and `killed`
    are the numbers of workers that were replaced.
    """

    serving: tuple[Expected, ...] = ()
    doubtful: tuple[Mapping[str, Tags], ...] = ()
    recycled: int = 0
    killed: int = 0


def explain(
    expected: Expected, forked: Forked | None, views: Sequence[View], shown: Shown
) -> tuple[list[Finding], Expected]:
    """Return what forking explains of a page, as findings, and the truth that the page is to be compared with."""
    if forked is None:
        return [], expected
    killed = [Finding(Name.WORKER_KILLED, forked.killed, {"lines": len(forked.doubtful)})] if forked.killed else []
    apart = _counted_apart(expected, forked, views, shown)
    if apart is None:
        return killed, _settled_truth(expected, forked, views, shown)
    # The rest is to be explained by that worker alone.
    return [apart[0], *killed], apart[1]


def _settled_truth(expected: Expected, forked: Forked, views: Sequence[View], shown: Shown) -> Expected:
    """Return the truth with those lines in doubt that the page shows; as it was where they cannot explain the page."""
    result = {name: dict(series) for name, series in expected.items()}
    for view in views:
        lines = Counter(each[view.name] for each in forked.doubtful if view.name in each)
        for tags, count in lines.items():
            truth = result.get(view.name, {}).get(tags, _nothing(view))
            page = shown[view.name].get(tags, SeriesShown())
            one = _settled(view, truth, page, count)
            # Values that no line in doubt explains stay unexpected.
            if one.count or not page.count:
                result.setdefault(view.name, {})[tags] = one
    return result


def _settled(view: View, truth: SeriesTruth, page: SeriesShown, doubtful: int) -> SeriesTruth:
    surplus = (page.count or 0.0) - truth.count
    if not 0 <= surplus <= doubtful:
        return truth
    if view.aggregation is Aggregation.COUNT:
        return SeriesTruth(truth.count + int(surplus), truth.total + surplus)
    shown = [page.cumulative.get(bound, math.nan) for bound in (*view.bounds, math.inf)]
    buckets = [high - low for low, high in pairwise([0.0, *shown])]
    if not all(have >= right for have, right in zip(buckets, truth.buckets, strict=True)):
        return truth
    # A histogram adds to its sum before it counts, so the sum may have the value of a line that no bucket has.
    total = page.total if page.total is not None and page.total > truth.total else truth.total
    return replace(truth, count=truth.count + int(surplus), total=total, buckets=tuple(map(int, buckets)))


def _nothing(view: View) -> SeriesTruth:
    if view.aggregation is Aggregation.COUNT:
        return SeriesTruth(0, 0.0)
    return SeriesTruth(0, 0.0, (0,) * (len(view.bounds) + 1), (0,) * len(view.bounds))


def _counted_apart(
    expected: Expected, forked: Forked, views: Sequence[View], shown: Shown
) -> tuple[Finding, Expected] | None:
    """Return a finding where the page has the counts of one worker in the place of those of all, and its truth."""
    page = {view.name: _counts_shown(shown[view.name]) for view in views}
    everything = {view.name: _counts(expected.get(view.name, {})) for view in views}
    if page == everything:
        return None
    for one in forked.serving:
        if page == {view.name: _counts(one.get(view.name, {})) for view in views}:
            lines, whole = _lines(page), _lines(everything)
            detail = {"lines": whole, "workers": len(forked.serving)}
            return Finding(Name.WORKERS_COUNTED_APART, whole - lines, detail), one
    return None


def _lines(counts: Mapping[str, Mapping[Tags, float]]) -> float:
    return max((sum(series.values()) for series in counts.values()), default=0)


def _counts(series: Mapping[Tags, SeriesTruth]) -> dict[Tags, float]:
    return {tags: truth.count for tags, truth in series.items() if truth.count}


def _counts_shown(series: Mapping[Tags, SeriesShown]) -> dict[Tags, float]:
    return {tags: each.count for tags, each in series.items() if each.count}
