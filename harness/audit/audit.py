"""Comparison of three accounts of one run: the ledger, the endpoint's page, and what the scraper stored."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from harness.audit.bounds import sum_tolerance
from harness.audit.descriptions import check_descriptions
from harness.audit.findings import Finding, Name, Severity, unseen
from harness.audit.forks import Forked, explain
from harness.audit.scrape_checks import parts_of
from harness.expected import Expected, SeriesTruth
from harness.exposition.page import FOLDED, Page, SeriesShown, Shown, fold
from harness.views import Aggregation, Tags, View

__all__ = ["Audit", "AuditOutcome", "audit", "conserved", "worst_outcome"]

MAX_EXAMPLES = 5
# Unit roundoff of a double, the relative error of one rounding.
_ROUNDOFF = 2.0**-53

# Each says by itself why nothing was compared with the store.
_NO_STORE = {Name.SCRAPER_DIED, Name.STORE_UNREADABLE, Name.PUSHED}


class AuditOutcome(StrEnum):
    """The outcome of an audit."""

    CONSERVED = "conserved"
    NOT_CONSERVED = "not_conserved"
    NOT_VERIFIED = "not_verified"


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of the comparison."""

    findings: tuple[Finding, ...]

    @property
    def outcome(self) -> AuditOutcome:
        """Not conserved where an error was found, else not verified where something could not be compared.

        Conserved means that everything was compared, and that no value was lost, invented or misplaced.
        """
        errors = [finding for finding in self.findings if finding.severity is Severity.ERROR]
        if not errors:
            return AuditOutcome.CONSERVED
        return AuditOutcome.NOT_VERIFIED if all(unseen(error.name) for error in errors) else AuditOutcome.NOT_CONSERVED

    @property
    def conserved(self) -> bool | None:
        """The outcome in short: None where it could not be verified."""
        return conserved(self.outcome)


def conserved(outcome: AuditOutcome) -> bool | None:
    """Return an outcome in short: None where it could not be verified."""
    return None if outcome is AuditOutcome.NOT_VERIFIED else outcome is AuditOutcome.CONSERVED


def worst_outcome(outcomes: Sequence[AuditOutcome], *, unseen: bool = False) -> AuditOutcome:
    """Return what several audits come to together; `unseen` says that there is something that none looked at."""
    if AuditOutcome.NOT_CONSERVED in outcomes:
        return AuditOutcome.NOT_CONSERVED
    if unseen or AuditOutcome.NOT_VERIFIED in outcomes:
        return AuditOutcome.NOT_VERIFIED
    return AuditOutcome.CONSERVED


def audit(
    expected: Expected | None,
    views: Sequence[View],
    page: Page | None,
    stored: Shown | None = None,
    *,
    raised: int = 0,
    others: Sequence[Finding] = (),
    forked: Forked | None = None,
) -> Audit:
    """Compare the ledger's truth with the page, series by series and bucket by bucket, and the page with the store.

    `expected` is None for an instrument that exposes nothing by design; `page` is None when it could not be fetched
    (give the reason among `others`, as `PAGE_UNREADABLE`); `stored` is None when nothing is ever stored. `raised` is
    the number of lines on which recording raised. `others` are findings from elsewhere, such as the scraper's.
    `forked` is known of a page of forked workers.
    """
    findings = list(others)
    if raised:
        findings.append(Finding(Name.RECORD_RAISED, raised))
    if expected is None:
        return Audit((*findings, Finding(Name.NOTHING_EXPOSED)))
    if page is None:
        if not any(finding.name is Name.PAGE_UNREADABLE for finding in findings):
            findings.append(Finding(Name.PAGE_UNREADABLE, 1, {"reason": "it was not fetched"}))
        return Audit(tuple(findings))
    shown = fold(page.samples, views)
    of_forks, expected = explain(expected, forked, views, shown)
    findings[:0] = of_forks
    findings += check_descriptions(page, [view for view in views if shown[view.name]])
    for view in views:
        findings += _compare_view(view, expected.get(view.name, {}), shown[view.name])
    findings += _of_store(shown, stored, findings)
    if page.repeated:
        detail = {"families": len(page.repeated), "examples": sorted(page.repeated)[:MAX_EXAMPLES]}
        findings.append(Finding(Name.HELP_TYPE_REPEATED, sum(page.repeated.values()), detail))
    return Audit(tuple(findings))


def _of_store(shown: Shown, stored: Shown | None, findings: Sequence[Finding]) -> list[Finding]:
    names = {finding.name for finding in findings}
    if stored is None:
        return [] if names & _NO_STORE else [Finding(Name.NOT_STORED)]
    # Where workers count apart, the last scrape may have met another one.
    return [] if Name.WORKERS_COUNTED_APART in names else _compare_stored(shown, stored)


def _compare_view(view: View, truth: Mapping[Tags, SeriesTruth], shown: Mapping[Tags, SeriesShown]) -> list[Finding]:
    expected = {tags: series for tags, series in truth.items() if series.count}
    both = [tags for tags in expected if tags in shown]
    missing = [tags for tags in expected if tags not in shown]
    folded = _folded(view, missing, expected, shown)
    if folded is not None:
        missing, shown = [], {tags: series for tags, series in shown.items() if tags != FOLDED}
    # A child that was made beforehand and never used is nothing to complain about.
    invented = [tags for tags, series in shown.items() if tags not in truth and not _is_zero(series)]
    findings = [
        folded,
        _of_series(Name.SERIES_MISSING, view, missing, sum(expected[tags].count for tags in missing)),
        _of_series(Name.SERIES_UNEXPECTED, view, invented, sum(shown[tags].count or 0.0 for tags in invented)),
        _repeated(view, shown),
        _counts(view, {tags: (expected[tags], shown[tags]) for tags in both}),
    ]
    if view.aggregation is Aggregation.DISTRIBUTION:
        pairs = {tags: (expected[tags], shown[tags]) for tags in both}
        findings += [*_buckets(view, pairs), _torn(view, shown), *_sums(view, pairs)]
    return [finding for finding in findings if finding is not None]


def _folded(
    view: View, missing: Sequence[Tags], expected: Mapping[Tags, SeriesTruth], shown: Mapping[Tags, SeriesShown]
) -> Finding | None:
    """Return the series that were folded into one, where it has all of their values; None otherwise."""
    values = sum(expected[tags].count for tags in missing)
    if FOLDED not in shown or shown[FOLDED].count != values:
        return None
    return _of_series(Name.SERIES_FOLDED, view, missing, values)


_Pairs = Mapping[Tags, tuple[SeriesTruth, SeriesShown]]


def _is_zero(series: SeriesShown) -> bool:
    return not series.count and not series.total and not any(series.cumulative.values())


def _of_series(name: Name, view: View, which: Sequence[Tags], values: float) -> Finding | None:
    if not which:
        return None
    examples = [_written(tags) for tags in which[:MAX_EXAMPLES]]
    return Finding(name, len(which), {"view": view.name, "values": values, "examples": examples})


def _repeated(view: View, shown: Mapping[Tags, SeriesShown]) -> Finding | None:
    surplus = {tags: series.surplus for tags, series in shown.items() if series.surplus}
    if not surplus:
        return None
    return Finding(Name.SERIES_REPEATED, sum(surplus.values()), {"view": view.name, "examples": _examples(surplus)})


def _counts(view: View, pairs: _Pairs) -> Finding | None:
    """Return the total absolute difference of the counts."""
    wrong: dict[Tags, str] = {}
    size = 0.0
    for tags, (truth, series) in pairs.items():
        if series.count == truth.count:
            continue
        size += _distance(series.count, truth.count)
        wrong[tags] = f"ledger {truth.count}, page {_number(series.count)}"
    if not wrong:
        return None
    return Finding(Name.COUNT_MISMATCH, size, {"view": view.name, "series": len(wrong), "examples": _examples(wrong)})


def _buckets(view: View, pairs: _Pairs) -> list[Finding]:
    """Return the values in a wrong bucket: by the exclusive rule, or by no known rule."""
    moved = 0
    wrong: dict[Tags, str] = {}
    misplaced = 0.0
    for tags, (truth, series) in pairs.items():
        shown = [series.cumulative.get(bound) for bound in (*view.bounds, math.inf)]
        inclusive = _cumulated(truth.buckets)
        exclusive = [
            *(total - equal for total, equal in zip(inclusive, truth.at_bound, strict=False)),
            *inclusive[len(view.bounds) :],
        ]
        surplus = sorted(set(series.cumulative) - {*view.bounds, math.inf})
        if not surplus and shown == inclusive:
            continue
        if not surplus and shown == exclusive:
            moved += sum(truth.at_bound)
            continue
        distance = max(_distance(a, b) for a, b in zip(shown, inclusive, strict=True))
        misplaced += max(1.0, distance)
        wrong[tags] = _first_difference(view.bounds, inclusive, shown, surplus)
    findings = []
    if moved:
        findings.append(Finding(Name.BUCKET_BOUND_EXCLUSIVE, moved, {"view": view.name}))
    if wrong:
        detail = {"view": view.name, "series": len(wrong), "examples": _examples(wrong)}
        findings.append(Finding(Name.BUCKET_MISMATCH, misplaced, detail))
    return findings


def _cumulated(buckets: Sequence[int]) -> list[int]:
    total = 0
    return [total := total + bucket for bucket in buckets]


def _first_difference(
    bounds: Sequence[float], inclusive: Sequence[int], shown: Sequence[float | None], surplus: Sequence[float]
) -> str:
    for bound, right, result in zip((*bounds, math.inf), inclusive, shown, strict=True):
        if result != right:
            return f"le={bound:g}: ledger {right}, page {_number(result)}"
    return f"le={surplus[0]:g} is no bound of the view"


def _torn(view: View, shown: Mapping[Tags, SeriesShown]) -> Finding | None:
    torn = {
        tags: f"count {_number(series.count)}, +Inf {_number(series.cumulative.get(math.inf))}"
        for tags, series in shown.items()
        if series.cumulative.get(math.inf) != series.count
    }
    falling = {
        tags: "buckets fall"
        for tags, series in shown.items()
        if any(low > high for (_, low), (_, high) in pairwise(sorted(series.cumulative.items())))
    }
    if not torn and not falling:
        return None
    both = falling | torn
    return Finding(Name.COUNT_NOT_INF_BUCKET, len(both), {"view": view.name, "examples": _examples(both)})


def _sums(view: View, pairs: _Pairs) -> list[Finding]:
    """Return the largest relative errors of sums: of those that rounding explains, and of the others.

    Adding n non-negative doubles one by one is off by at most (n - 1) roundoffs, relatively (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., section 4.2); whole numbers add up exactly below 2^53. Four
    roundoffs are allowed in any case, for the ledger's own total and the page's decimal digits. Up to `sum_tolerance`
    more than that is a sum that was rounded on the way.
    """
    worst = dict.fromkeys((Name.SUM_MISMATCH, Name.SUM_INEXACT), 0.0)
    wrong: dict[Name, dict[Tags, str]] = {name: {} for name in worst}
    for tags, (truth, series) in pairs.items():
        allowed = _ROUNDOFF * (4 if view.measure.integer else truth.count + 4)
        error = _relative_error(series.total, truth.total)
        if error > allowed:
            name = Name.SUM_MISMATCH if error > sum_tolerance(truth.count) else Name.SUM_INEXACT
            worst[name] = max(worst[name], error)
            wrong[name][tags] = f"exact {truth.total!r}, page {_number(series.total)}"
    return [
        Finding(name, worst[name], {"view": view.name, "series": len(series), "examples": _examples(series)})
        for name, series in wrong.items()
        if series
    ]


def _relative_error(shown: float | None, exact: float) -> float:
    """Return the error as a share of the exact sum; 1 for a sum that is missing, NaN, infinite, or should be 0."""
    if shown == exact:
        return 0.0
    if shown is None or not math.isfinite(shown) or not exact:
        return 1.0
    return abs(shown - exact) / abs(exact)


def _compare_stored(page: Shown, stored: Shown) -> list[Finding]:
    """Return the number of samples that the store lacks, has in addition, or has with another value than the page."""
    differing = 0
    examples: list[str] = []
    for view_name, series in page.items():
        for tags in {**series, **stored[view_name]}:
            on_page, in_store = (dict(parts_of(shown.get(tags))) for shown in (series, stored[view_name]))
            for part in {**on_page, **in_store}:
                left, right = on_page.get(part), in_store.get(part)
                if left == right or (left != left and right != right):  # NaN equals NaN here
                    continue
                differing += 1
                if len(examples) < MAX_EXAMPLES:
                    examples.append(
                        f"{view_name} {_written(tags)} {part}: page {_number(left)}, stored {_number(right)}"
                    )
    return [Finding(Name.STORED_DIFFERS, differing, {"examples": examples})] if differing else []


def _distance(shown: float | None, right: float) -> float:
    difference = abs((shown or 0.0) - right)
    return difference if math.isfinite(difference) else float(right)


def _examples(values: Mapping[Tags, object]) -> list[str]:
    return [f"{_written(tags)} {value}" for tags, value in list(values.items())[:MAX_EXAMPLES]]


def _written(tags: Tags) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in tags._asdict().items()) + "}"


def _number(value: float | None) -> str:
    return "nothing" if value is None else repr(value)
