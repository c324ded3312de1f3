"""Comparison of each scrape with the ledger's state before and after its page was made."""

import math
from collections.abc import Sequence
from operator import le
from typing import Any

from harness.audit.findings import Finding, Name
from harness.audit.scrape_checks import Tally, written
from harness.expected import Range, TruthOverTime
from harness.exposition.page import FOLDED, SeriesShown, Shown
from harness.views import Aggregation, Tags, View

__all__ = ["SUM_TOLERANCE", "BoundsChecker", "sum_tolerance"]

# A sum that is off by more, relatively, is no matter of rounding.
SUM_TOLERANCE = 1e-9
# Unit roundoff of a double, the relative error of one rounding.
_ROUNDOFF = 2.0**-53


def sum_tolerance(count: float) -> float:
    """Return the relative error of a sum of `count` values above which rounding cannot explain it.

    Adding n non-negative doubles one by one is off by at most (n - 1) roundoffs (Higham, Accuracy and Stability of
    Numerical Algorithms, 2nd ed., section 4.2), which is more than `SUM_TOLERANCE` from nine million values on.
    """
    return max(SUM_TOLERANCE, _ROUNDOFF * (count + 4))


class BoundsChecker:
    """Checker of a run's pages in order; stores those that lie outside of what they may show."""

    def __init__(self, views: Sequence[View], truth: TruthOverTime) -> None:
        self._views = views
        self._truth = truth
        self._behind, self._ahead = Tally(), Tally()
        self._scrapes_behind = self._scrapes_ahead = 0
        # How many pages were compared, and how many could not be.
        self.compared = self.unknown = 0

    def observe(self, begin_ns: int, end_ns: int, shown: Shown) -> None:
        """Compare a page requested at `begin_ns` and received by `end_ns` (``time.monotonic_ns``)."""
        known = self._truth.between(begin_ns, end_ns)
        if known is None:
            self.unknown += 1
            return
        self.compared += 1
        behind, ahead = self._behind.times, self._ahead.times
        for view in self._views:
            series, ranges = shown[view.name], known[view.name]
            if FOLDED in series:
                # What is in no series of its own is a finding about the last page.
                ranges = {tags: allowed for tags, allowed in ranges.items() if tags in series}
                series = {tags: one for tags, one in series.items() if tags != FOLDED}
            for tags, allowed in ranges.items():
                self._compare(view, tags, series.get(tags), allowed)
            for tags, one in series.items():
                if tags not in ranges:
                    self._compare(view, tags, one, _nothing(view))
        self._scrapes_behind += self._behind.times > behind
        self._scrapes_ahead += self._ahead.times > ahead

    def _compare(self, view: View, tags: Tags, series: SeriesShown | None, allowed: Range) -> None:
        values = _values(view, series or SeriesShown())
        if None not in values and all(map(le, allowed.least, values)) and all(map(le, values, allowed.most)):
            return
        slack = sum_tolerance(allowed.most[0])
        for part, value, least, most in zip(_parts(view), values, allowed.least, allowed.most, strict=True):
            if part == "sum":
                least, most = least * (1 - slack), most * (1 + slack)
            shown = 0.0 if value is None else value
            if shown < least:
                words = "nothing" if value is None else repr(value)
                self._behind.add(least - shown, f"{written(view.family, tags)} {part}: {words}, at least {least!r}")
            elif shown > most:
                self._ahead.add(shown - most, f"{written(view.family, tags)} {part}: {value!r}, at most {most!r}")

    def findings(self) -> list[Finding]:
        """Return the findings until now."""
        named = (
            (Name.SCRAPE_BEHIND, self._behind, self._scrapes_behind),
            (Name.SCRAPE_AHEAD, self._ahead, self._scrapes_ahead),
        )
        return [
            Finding(name, scrapes, {"samples": tally.times, "compared": self.compared, "examples": tally.examples})
            for name, tally, scrapes in named
            if scrapes
        ]


def _values(view: View, series: SeriesShown) -> list[Any]:
    """Return the values shown in the order of a `Range`; None for a missing one."""
    if view.aggregation is Aggregation.COUNT:
        return [series.count]
    shown = series.cumulative.get
    return [series.count, series.total, *map(shown, view.bounds), shown(math.inf)]


def _parts(view: View) -> list[str]:
    if view.aggregation is Aggregation.COUNT:
        return ["count"]
    return ["count", "sum", *(f"le={bound:g}" for bound in (*view.bounds, math.inf))]


def _nothing(view: View) -> Range:
    size = len(view.bounds) + 3 if view.aggregation is Aggregation.DISTRIBUTION else 1
    return Range((0,) * size, (0,) * size)
