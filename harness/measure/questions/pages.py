"""The differences between the pages of two libraries after the same workload, as they matter to dashboards."""

import math
import re
from collections.abc import Sequence

from prometheus_client.exposition import generate_latest
from pydantic import BaseModel, ConfigDict, Field

from harness.exposition.page import Family, Page, Sample, parse_page
from harness.instruments.catalog import create
from harness.measure.pairs.side import Lines
from harness.repl import Repl
from harness.views import QUICKSTART_VIEWS, View

__all__ = [
    "ASPECTS",
    "ExpositionDiff",
    "FamilyShown",
    "ShownPages",
    "diff_pages",
    "exposition_diff",
    "page_after",
    "shown_of",
]

# The creation time of a series is not part of the data of a view.
_CREATED = "_created"
_SUFFIX = re.compile(r"_(?:total|count|sum|bucket|created)$")


class FamilyShown(BaseModel):
    """One view on the page of one library."""

    model_config = ConfigDict(frozen=True)

    names: list[str] = Field(description="sample names, suffixes included")
    type: str
    help: str
    descriptions: int = Field(description="HELP and TYPE lines; 2 is what the format allows")
    labels: list[str] = Field(description="label names, `le` left out")
    label_sets: list[str] = Field(description="each series' labels as written")
    le: list[str] = Field(description="bucket bounds as written")
    inclusive: bool | None = Field(
        description="whether a value equal to a bound counts in its bucket; null if untested"
    )
    count: float | None
    sum: float | None
    sum_error: float | None = Field(description="relative error of the sum against the exact one; null without a sum")


class ShownPages(BaseModel):
    """All views on the page of one library; null for a view that is not on it."""

    model_config = ConfigDict(frozen=True)

    instrument: str
    views: dict[str, FamilyShown | None]
    other_families: list[str] = Field(description="families on the page that belong to no view")


class ExpositionDiff(BaseModel):
    """Two pages, and their differences by view, in words."""

    model_config = ConfigDict(frozen=True)

    left: ShownPages
    right: ShownPages
    differences: dict[str, list[str]]


class _StandingClock:
    """A clock that advances by 0.25 ms at each reading, so that latencies are the same on both sides."""

    def __init__(self) -> None:
        self._ns = 0

    def now_ns(self) -> int:
        self._ns += 250_000
        return self._ns


class _Nowhere:
    def write(self, text: str, /) -> None:
        del text


def page_after(
    instrument: str, lines: Lines, views: Sequence[View] = QUICKSTART_VIEWS
) -> tuple[Page, dict[str, list[float]]]:
    """Return the page of `instrument` after `lines`, and the true values of each measure in order.

    By a simulated clock every line takes 0.25 ms. Raise `UsageError` or `InstrumentError` where the instrument cannot
    be built.
    """
    recorder = create(instrument, tuple(views), "diff")
    latencies: list[float] = []
    repl = Repl(recorder, _StandingClock(), _Nowhere(), latencies.append)
    try:
        for text, tags in zip(lines.texts, lines.tags, strict=True):
            repl.evaluate(text, tags)
        page = parse_page(generate_latest(recorder.registry).decode())
    finally:
        recorder.close()
    lengths = [float(len(text.encode("utf-8", "surrogateescape"))) for text in lines.texts]
    return page, {"repl_latency": latencies, "repl_line_lengths": lengths}


def shown_of(page: Page, view: View, values: Sequence[float]) -> FamilyShown | None:
    """Return a view, with true values `values`, as a page shows it; None where it is not on the page."""
    samples = [sample for sample in page.samples if _belongs(sample, view) and not sample.name.endswith(_CREATED)]
    if not samples:
        return None
    family = next(
        (page.families[name] for name in (view.family, f"{view.family}_total") if name in page.families),
        Family(view.family, "untyped", ""),
    )
    sums = [sample.value for sample in samples if sample.name.endswith("_sum")]
    counts = [sample.value for sample in samples if sample.name.endswith(("_count", "_total"))]
    total, exact = math.fsum(sums) if sums else None, math.fsum(values)
    return FamilyShown(
        names=list(dict.fromkeys(sample.name for sample in samples)),
        type=family.type,
        help=family.help,
        descriptions=2 + page.repeated.get(family.name, 0),
        labels=sorted({label for sample in samples for label in sample.labels} - {"le"}),
        label_sets=sorted({_label_set(sample) for sample in samples}),
        le=list(dict.fromkeys(sample.labels["le"] for sample in samples if "le" in sample.labels)),
        inclusive=_inclusive(samples, view, values),
        count=math.fsum(counts) if counts else None,
        sum=total,
        sum_error=abs(total - exact) / exact if total is not None and exact else None,
    )


def _belongs(sample: Sample, view: View) -> bool:
    return sample.name == view.family or _SUFFIX.sub("", sample.name) == view.family


def _label_set(sample: Sample) -> str:
    inner = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()) if key != "le")
    return f"{{{inner}}}"


def _inclusive(samples: Sequence[Sample], view: View, values: Sequence[float]) -> bool | None:
    """Return whether a value equal to a bound counts in its bucket; None where no value equals a bound."""
    for bound in view.bounds:
        below = sum(value < bound for value in values)
        upto = sum(value <= bound for value in values)
        count = math.fsum(
            sample.value for sample in samples if "le" in sample.labels and float(sample.labels["le"]) == bound
        )
        if below != upto and count in {below, upto}:
            return count == upto
    return None


def _side(instrument: str, lines: Lines, views: Sequence[View]) -> ShownPages:
    page, values = page_after(instrument, lines, views)
    families = {view.name: shown_of(page, view, values.get(view.measure.name, [])) for view in views}
    ours = {name for view in views for name in (view.family, f"{view.family}_total")}
    others = sorted(name for name in page.families if _SUFFIX.sub("", name) not in ours and name not in ours)
    return ShownPages(instrument=instrument, views=families, other_families=others)


def diff_pages(left: ShownPages, right: ShownPages) -> dict[str, list[str]]:
    """Return the differences in words, for each view in which the sides differ."""
    differences: dict[str, list[str]] = {}
    for name in left.views:
        one, two = left.views[name], right.views.get(name)
        if one is None or two is None:
            lines = [] if one is two else [f"only {(right if one is None else left).instrument} shows it"]
        else:
            lines = _family_diff(one, two)
        if lines:
            differences[name] = lines
    if left.other_families != right.other_families:
        differences["other families"] = [f"{', '.join(page.other_families) or 'none'}" for page in (left, right)]
    return differences


# The compared aspects of a family: the field of `FamilyShown`, and its name for a reader.
ASPECTS = (
    ("names", "sample names"),
    ("type", "TYPE"),
    ("help", "HELP"),
    ("descriptions", "HELP and TYPE lines"),
    ("labels", "labels"),
    ("label_sets", "label sets"),
    ("le", "bounds as written"),
    ("inclusive", "a value at its bound counts in that bucket"),
    ("count", "count"),
    ("sum", "sum"),
)


def _family_diff(one: FamilyShown, two: FamilyShown) -> list[str]:
    lines = []
    for field, what in ASPECTS:
        first, second = getattr(one, field), getattr(two, field)
        if first != second:
            lines.append(f"{what}: {_text(first)} / {_text(second)}")
    return lines


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(str(item) for item in value) or "none"
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def exposition_diff(left: str, right: str, lines: Lines, views: Sequence[View] = QUICKSTART_VIEWS) -> ExpositionDiff:
    """Process the same lines with two instruments, one after the other in this process, and compare their pages."""
    sides = _side(left, lines, views), _side(right, lines, views)
    return ExpositionDiff(left=sides[0], right=sides[1], differences=diff_pages(*sides))
