"""Checks of each scrape against the ones before: no fall, no vanished series, no NaN, count equal to +Inf bucket."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.audit.findings import Finding, Name
from harness.exposition.page import SeriesShown, Shown
from harness.views import QUICKSTART_VIEWS, Aggregation, Tags, View

__all__ = ["Checker", "ScrapeProblems", "Tally", "parts_of", "sample_names", "written"]

MAX_EXAMPLES = 5
# So many findings are told apart by scrape; above that they are added up.
_MAX_APART = 4096


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
    """Checker of the views in successive scrapes; stores what was wrong until it is taken."""

    def __init__(self, views: Sequence[View] = QUICKSTART_VIEWS) -> None:
        self._views = views
        # What was last shown of each series, whether or not the last scrape had it.
        self._last: dict[str, dict[Tags, SeriesShown]] = {view.name: {} for view in views}
        # When the last scrape began that had the series that are missing now.
        self._missing: dict[str, dict[Tags, int]] = {view.name: {} for view in views}
        self._before_ns = -1
        self._tallies: dict[tuple[int, Name], Tally] = {}

    def observe(self, shown: Shown, begin_ns: int = 0) -> None:
        """Compare a successful scrape, requested at `begin_ns`, with the scrapes before it."""
        for view in self._views:
            series_of, last, missing = shown[view.name], self._last[view.name], self._missing[view.name]
            for tags in last:
                if tags not in series_of and tags not in missing:
                    missing[tags] = self._before_ns
                    example = f"{written(view.family, tags)} was {last[tags].count!r}"
                    self._add(Name.SERIES_VANISHED, self._before_ns, 1, example)
            for tags, series in series_of.items():
                before = last.get(tags)
                since_ns = missing.pop(tags, self._before_ns)
                last[tags] = series
                if before is None or not _only_grew(before, series):
                    self._compare(view, tags, before, series, since_ns)
                if view.aggregation is Aggregation.DISTRIBUTION:
                    self._check_count(view, tags, series)
        self._before_ns = begin_ns

    def _add(self, name: Name, since_ns: int, amount: float, example: str) -> None:
        self._tallies.setdefault((since_ns, name), Tally()).add(amount, example)

    def _compare(self, view: View, tags: Tags, before: SeriesShown | None, series: SeriesShown, since_ns: int) -> None:
        now, then = dict(parts_of(series)), dict(parts_of(before))
        for part, value in now.items():
            previous = then.pop(part, None)
            if math.isnan(value):
                if previous is None or not math.isnan(previous):
                    self._add(Name.VALUE_NOT_A_NUMBER, since_ns, 1, f"{written(view.family, tags)} {part}")
            elif previous is not None and value < previous:
                name = Name.SUM_DECREASED if part == "sum" else Name.COUNTER_DECREASED
                example = f"{written(view.family, tags)} {part}: {previous!r} -> {value!r}"
                self._add(name, since_ns, previous - value, example)
        for part, value in then.items():
            self._add(Name.SERIES_VANISHED, since_ns, 1, f"{written(view.family, tags)} {part} was {value!r}")

    def _check_count(self, view: View, tags: Tags, series: SeriesShown) -> None:
        infinite, count = series.cumulative.get(math.inf), series.count
        if infinite == count or (count is not None and math.isnan(count)):
            return
        example = f"{written(view.family, tags)} count {_shown(count)}, +Inf {_shown(infinite)}"
        self._add(Name.COUNT_NOT_INF_BUCKET, self._before_ns, 1, example)

    def take(self) -> list[tuple[int, Finding]]:
        """Return the findings since the last call, each with the begin (ns) of the scrape that was compared with.

        That is the last one before which had the series, or -1 for the first scrape of all.
        """
        taken, self._tallies = self._tallies, {}
        return [(since_ns, _finding(name, tally)) for (since_ns, name), tally in taken.items()]

    def findings(self) -> list[Finding]:
        """Return the findings until now that were not taken."""
        return _merged(_finding(name, tally) for (_, name), tally in self._tallies.items())


class ScrapeProblems:
    """The problems of single scrapes, as `Checker.take` returns them for each.

    At a restart counters fall and series vanish; nowhere else may a scrape show that.
    """

    def __init__(self) -> None:
        # From which scrape's begin to which scrape's end something changed, and what was found.
        self._found: list[tuple[int, int, Finding]] = []

    def add(self, end_ns: int, found: Sequence[tuple[int, Finding]]) -> None:
        """Store what was taken after a scrape that was received by `end_ns` (``time.monotonic_ns``)."""
        self._found += [(since_ns, end_ns, finding) for since_ns, finding in found]
        if len(self._found) > _MAX_APART:
            # No restart explains these any more.
            whole = _merged(finding for _, _, finding in self._found)
            self._found = [(end_ns, end_ns, finding) for finding in whole]

    def findings(self, restarts_ns: Sequence[int] = ()) -> list[Finding]:
        """Return the problems of all scrapes, without what a restart at one of these moments explains."""
        return _merged(
            finding
            for since_ns, end_ns, finding in self._found
            if finding.name not in _BY_RESTART or not any(since_ns < moment <= end_ns for moment in restarts_ns)
        )


_ORDER = (
    Name.COUNTER_DECREASED,
    Name.SERIES_VANISHED,
    Name.VALUE_NOT_A_NUMBER,
    Name.SUM_DECREASED,
    Name.COUNT_NOT_INF_BUCKET,
)
_BY_RESTART = {Name.COUNTER_DECREASED, Name.SUM_DECREASED, Name.SERIES_VANISHED}


def _finding(name: Name, tally: Tally) -> Finding:
    return Finding(name, tally.times, {"fallen": tally.amount, "examples": list(tally.examples)})


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding of each name: sizes and falls added up, the first few examples."""
    tallies: dict[Name, Tally] = {}
    for finding in findings:
        tally = tallies.setdefault(finding.name, Tally())
        tally.times += int(finding.size)
        tally.amount += finding.detail["fallen"]
        tally.examples = [*tally.examples, *finding.detail["examples"]][:MAX_EXAMPLES]
    return [_finding(name, tallies[name]) for name in _ORDER if name in tallies]


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
