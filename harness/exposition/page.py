"""Reader of a metrics page, text format or OpenMetrics, whose samples are folded into the series of the views."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harness.errors import ScraperError
from harness.exposition.fast_reader import NotPlain, Sample, plain_samples
from harness.views import Aggregation, Tags, View

__all__ = [
    "FOLDED",
    "OPENMETRICS",
    "TEXT",
    "ExpositionError",
    "Family",
    "Page",
    "Sample",
    "SeriesShown",
    "Shown",
    "fold",
    "parse_page",
    "read_shown",
    "tags_of",
]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text"

_KEYS = Tags._fields
# Where OpenTelemetry puts the values of series beyond its limit (`otel.metric.overflow`); in place of a series' tags.
_OVERFLOW = "otel_metric_overflow"
FOLDED = Tags(_OVERFLOW, "", "")
# What the library's parsers raise for a page that is none.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, RecursionError)
_LONGEST_REASON = 200
_TYPE_LINE = re.compile(r"^# (HELP|TYPE|UNIT) (\S+)[ \t]?(.*)$", re.MULTILINE)


class ExpositionError(ScraperError):
    """What an endpoint answered is not a page of metrics."""


class Family(NamedTuple):
    """What a page says about a metric family: its name as written there, its type and its help text."""

    name: str
    type: str
    help: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page as served (`text`, `content_type`) and as read.

    `families` holds the first HELP and TYPE of each family; `repeated` counts, for each family described more than
    once, the surplus HELP, TYPE and UNIT lines.
    """

    text: str
    content_type: str
    samples: tuple[Sample, ...]
    families: Mapping[str, Family]
    repeated: Mapping[str, int]


@dataclass(slots=True)
class SeriesShown:
    """What is shown of one series; `cumulative` maps an upper bound to the number of values at or below it.

    What is not shown at all is ``None``, or absent from `cumulative`. `surplus` counts samples that repeat another
    sample's name and labels: a scraper keeps only one of them.
    """

    count: float | None = None
    total: float | None = None
    cumulative: dict[float, float] = field(default_factory=dict)
    surplus: int = 0


# View name -> tags of the series -> what is shown of it.
Shown = Mapping[str, Mapping[Tags, SeriesShown]]


def parse_page(text: str, content_type: str = TEXT) -> Page:
    """Read a page of either format.

    An OpenMetrics page that a strict parser would refuse, because a family is described twice, say, is taken all the
    same, since Prometheus itself takes such pages in; one that is cut short is not. Raises `ExpositionError` for what
    is no page.
    """
    _refuse_cut(text, content_type)
    try:
        samples = tuple(plain_samples(text))
    except NotPlain:
        samples = tuple(_unusual_samples(text, content_type))
    families, repeated = _describe(text)
    return Page(text, content_type, samples, families, repeated)


def read_shown(text: str, content_type: str, views: Sequence[View]) -> "Shown":
    """Return what a page shows of `views`, as `fold` of its samples would, without keeping them in memory.

    Raises `ExpositionError` for what is no page.
    """
    _refuse_cut(text, content_type)
    try:
        return fold(plain_samples(text), views)
    except NotPlain:
        return fold(_unusual_samples(text, content_type), views)


def _refuse_cut(text: str, content_type: str) -> None:
    if content_type.startswith(OPENMETRICS) and not text.rstrip("\n").endswith("# EOF"):
        raise ExpositionError(f"not a page of metrics (its # EOF is missing); it begins with {_beginning(text)!r}")


def _beginning(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")[:60]


def _unusual_samples(text: str, content_type: str) -> list[Sample]:
    """Read a page with prometheus-client's parsers: OpenMetrics' strict one first, then that of the text format."""
    # Imported late: nearly no page needs them.
    from prometheus_client.openmetrics import parser as openmetrics
    from prometheus_client.parser import text_string_to_metric_families as read_text

    readers = [read_text]
    if content_type.startswith(OPENMETRICS):
        readers.insert(0, openmetrics.text_string_to_metric_families)
    reason: Exception | None = None
    for read in readers:
        try:
            # Typed as numbers throughout, which a native histogram is not; no view is shown as one.
            families: Iterable[Any] = read(text)
            return [
                Sample(sample.name, sample.labels, float(sample.value))
                for family in families
                for sample in family.samples
                if sample.value is not None
            ]
        except _UNREADABLE as error:
            reason = error
    why = " ".join(str(reason).split())[:_LONGEST_REASON] or "unreadable"
    raise ExpositionError(f"not a page of metrics ({why}); it begins with {_beginning(text)!r}")


def _describe(text: str) -> tuple[dict[str, Family], dict[str, int]]:
    seen: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for keyword, name, rest in _TYPE_LINE.findall(text):
        seen[keyword, name] += 1
        first.setdefault((keyword, name), rest)
    names = dict.fromkeys(name for _, name in seen)
    families = {
        name: Family(name, first.get(("TYPE", name), "untyped"), first.get(("HELP", name), "")) for name in names
    }
    repeated: Counter[str] = Counter()
    for (_, name), times in seen.items():
        repeated[name] += times - 1
    return families, {name: surplus for name, surplus in repeated.items() if surplus}


def tags_of(labels: Mapping[str, str]) -> Tags:
    """Return the tags that labels carry; a label that is missing counts as empty, other labels are left out.

    The series into which OpenTelemetry folds others has the tags `FOLDED`.
    """
    method, status, error = _KEYS
    if labels.get(_OVERFLOW):
        return FOLDED
    return Tags(labels.get(method, ""), labels.get(status, ""), labels.get(error, ""))


def fold(samples: Iterable[Sample], views: Sequence[View]) -> Shown:
    """Return what `samples` show of each view, series by series.

    A counting view is read from ``family_total`` or, where a library adds no suffix, from ``family``; a distribution
    from ``_count``, ``_sum`` and ``_bucket``. Other families are left out, and so are ``_created`` samples.
    """
    shown: dict[str, dict[Tags, SeriesShown]] = {view.name: {} for view in views}
    roles = {name: (shown[view_name], part) for name, (view_name, part) in _roles(views).items()}
    bounds: dict[str, float] = {}
    counted: set[tuple[str, Tags]] = set()
    for sample in samples:
        role = roles.get(sample.name)
        if role is None:
            continue
        series_of, part = role
        tags = tags_of(sample.labels)
        series = series_of.get(tags)
        if series is None:
            series = series_of[tags] = SeriesShown()
        if part == "bucket":
            written = sample.labels.get("le", "")
            bound = bounds.get(written)
            if bound is None:
                bound = bounds[written] = _bound(written)
            if bound in series.cumulative:
                series.surplus += 1
            else:
                series.cumulative[bound] = sample.value
        elif (sample.name, tags) in counted:
            series.surplus += 1
        else:
            counted.add((sample.name, tags))
            if part == "count":
                series.count = sample.value
            else:
                series.total = sample.value
    return shown


def _roles(views: Sequence[View]) -> dict[str, tuple[str, str]]:
    """Map each sample name that belongs to a view to the view's name and the part of a series that it carries."""
    roles: dict[str, tuple[str, str]] = {}
    for view in views:
        if view.aggregation is Aggregation.COUNT:
            roles[view.family] = roles[f"{view.family}_total"] = (view.name, "count")
        else:
            roles |= {f"{view.family}_{part}": (view.name, part) for part in ("count", "sum", "bucket")}
    return roles


def _bound(text: str) -> float:
    """Return an upper bound however it is written (``5``, ``5.0``, ``+Inf``); NaN for one that is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan
