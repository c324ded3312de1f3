"""Checks of each scrape against the ones before: no fall, no vanished series, no NaN, count equal to +Inf bucket."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.audit.findings import Finding, Name
from harness.exposition.page import SeriesShown, Shown
from harness.views import QUICKSTART_VIEWS, Aggregation, Tags, View

__all__ = ["Checker", "Tally", "parts_of", "sample_names", "written"]

MAX_EXAMPLES = 5


def sample_names(views: Sequence[View] = QUICKSTART_VIEWS) -> dict[str, str]:
    """Map the name of each sample a view can show to its part: ``counter``, ``sum``, ``count`` or ``bucket``."""
    names: dict[str, str] = {}
    for view in views:
        if view.aggregation is Aggregation.COUNT:
            names[view.family] = names[f"{view.family}_total"] = "counter"
        else:
            names |= {f"{view.family}_{part}": part for part in ("count", "sum", "bucket")}
    return names


def parts_of(series: SeriesShown | None) -> Iterator[tuple[str, float]]:
    """Yield the parts of a series: ``count``, ``sum`` and each bucket as ``le=5``, with its value."""
    if series is None:
        return
    if series.count is not None:
        yield "count", series.count
    if series.total is not None:
        yield "sum", series.total
    for bound, value in series.cumulative.items():
        yield f"le={bound:g}", value


def written(family: str, tags: Tags) -> str:
    """Return a series as a page writes it; empty labels are left out."""
    return family + "{" + ",".join(f'{name}="{value}"' for name, value in tags._asdict().items() if value) + "}"


@dataclass(slots=True)
class Tally:
    """How often something happened, its total amount, and the first few examples."""

    times: int = 0
    amount: float = 0.0
    examples: list[str] = field(default_factory=list)

    def add(self, amount: float, example: str) -> None:
        """Count one occurrence, of size `amount`."""
        self.times += 1
        self.amount += amount
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)


class Checker:
    """Checker of the views in successive scrapes; stores what was wrong."""

    def __init__(self, views: Sequence[View] = QUICKSTART_VIEWS) -> None:
        self._views = views
        # What was last shown of each series, whether or not the last scrape had it.
        self._last: dict[str, dict[Tags, SeriesShown]] = {view.name: {} for view in views}
        self._missing: dict[str, set[Tags]] = {view.name: set() for view in views}
        self._counters = Tally()
        self._sums = Tally()
        self._torn = Tally()
        self._vanished = Tally()
        self._not_numbers = Tally()

    def observe(self, shown: Shown) -> None:
        """Compare a successful scrape with the scrapes before it."""
        for view in self._views:
            series_of, last, missing = shown[view.name], self._last[view.name], self._missing[view.name]
            for tags in last:
                if tags not in series_of and tags not in missing:
                    missing.add(tags)
                    self._vanished.add(1, f"{written(view.family, tags)} was {last[tags].count!r}")
            for tags, series in series_of.items():
                before = last.get(tags)
                missing.discard(tags)
                last[tags] = series
                if before is None or not _only_grew(before, series):
                    self._compare(view, tags, before, series)
                if view.aggregation is Aggregation.DISTRIBUTION:
                    self._check_count(view, tags, series)

    def _compare(self, view: View, tags: Tags, before: SeriesShown | None, series: SeriesShown) -> None:
        now, then = dict(parts_of(series)), dict(parts_of(before))
        for part, value in now.items():
            previous = then.pop(part, None)
            if math.isnan(value):
                if previous is None or not math.isnan(previous):
                    self._not_numbers.add(1, f"{written(view.family, tags)} {part}")
            elif previous is not None and value < previous:
                tally = self._sums if part == "sum" else self._counters
                tally.add(previous - value, f"{written(view.family, tags)} {part}: {previous!r} -> {value!r}")
        for part, value in then.items():
            self._vanished.add(1, f"{written(view.family, tags)} {part} was {value!r}")

    def _check_count(self, view: View, tags: Tags, series: SeriesShown) -> None:
        infinite, count = series.cumulative.get(math.inf), series.count
        if infinite == count or (count is not None and math.isnan(count)):
            return
        self._torn.add(1, f"{written(view.family, tags)} count {_shown(count)}, +Inf {_shown(infinite)}")

    def findings(self) -> list[Finding]:
        """Return the findings until now."""
        named = (
            (Name.COUNTER_DECREASED, self._counters),
            (Name.SERIES_VANISHED, self._vanished),
            (Name.VALUE_NOT_A_NUMBER, self._not_numbers),
            (Name.SUM_DECREASED, self._sums),
            (Name.COUNT_NOT_INF_BUCKET, self._torn),
        )
        return [
            Finding(name, tally.times, {"fallen": tally.amount, "examples": list(tally.examples)})
            for name, tally in named
            if tally.times
        ]


def _only_grew(before: SeriesShown, series: SeriesShown) -> bool:
    """Return quickly whether a series shows everything it did before and nothing less; false for one that is NaN."""
    if before.count is None or series.count is None or series.count < before.count or series.count != series.count:
        return False
    if before.total is None:
        return series.total is None
    if series.total is None or not series.total >= before.total:
        return False
    then, now = before.cumulative, series.cumulative
    return then.keys() == now.keys() and all(value >= then[bound] for bound, value in now.items())


def _shown(value: float | None) -> str:
    return "missing" if value is None else f"{value:g}"
