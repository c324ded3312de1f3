"""Cost laws: how the cost of a line grows with the number of series, views, tags, buckets and threads."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy  # its parts load when first used: whoever only reads a document does not wait for them
from pydantic import BaseModel, ConfigDict, Field

from harness.errors import UsageError
from harness.measure.document import Document, Experiment
from harness.measure.experiment import Progress, Terms
from harness.measure.overhead import measure_overhead
from harness.measure.stats import standard_deviation
from harness.measure.subjects import ALL_VIEWS, Subject
from harness.measure.verdicts import Comparison
from workloads.units import format_duration

__all__ = ["FACTORS", "Fit", "Law", "Point", "fit_line", "law_comparisons", "laws_of", "measure_laws"]

# The values each factor is swept over unless told otherwise.
FACTORS: dict[str, tuple[int, ...]] = {
    "series": (1, 3, 10, 30, 100, 300, 1000),
    "views": (1, 2, 3, 4),
    "tags": (0, 1, 2, 3),
    "buckets": (1, 10, 50, 200),
    "threads": (1, 2, 4),
}
# A law whose growth over the range swept is surely below this share of its cost is called flat.
FLAT_SHARE = 0.1
_SERIES_UNDER_THREADS = 30


class Point(BaseModel):
    """The cost of a line at one value of the factor, in ns, with its standard error; what was lost beside it."""

    model_config = ConfigDict(frozen=True)

    x: float
    cost: float
    error: float
    lost: int = Field(0, description="lines whose record returned and that the page does not show")
    raised: int = Field(0, description="lines whose record raised")
    evaluated: int = 0


class Fit(BaseModel):
    """cost = a + b·x by weighted least squares, with 95 % intervals."""

    model_config = ConfigDict(frozen=True)

    a: float
    b: float
    a_interval: tuple[float, float]
    b_interval: tuple[float, float]
    flat: bool = Field(description="whether even the interval's end grows by less than a tenth over the range")
    misfit: float = Field(description="chi-squared per degree of freedom; far above 1 the line is no good description")


class Law(BaseModel):
    """One way of recording along one factor."""

    model_config = ConfigDict(frozen=True)

    instrument: str
    factor: str
    points: list[Point]
    fit: Fit | None = Field(description="null for fewer than three points, and for threads, where no line is expected")
    formula: str


def fit_line(x: Sequence[float], y: Sequence[float], errors: Sequence[float]) -> Fit:
    """Return the line through points with known standard errors.

    Weights are 1/error². The covariance is scaled by chi-squared per degree of freedom where that exceeds 1 (the Birge
    ratio; Birge 1932), so that points which scatter more than their errors widen the intervals; quantiles are
    Student's with n - 2 degrees of freedom. Raises `ValueError` for fewer than three points, for points all at one
    place, and for errors that are not positive.
    """
    if len(x) < 3 or len(set(x)) < 2:
        raise ValueError("a line with an interval needs three points at two places or more")
    if not all(error > 0 and math.isfinite(error) for error in errors):
        raise ValueError("each point needs a positive, finite error")
    design = np.column_stack([np.ones(len(x)), np.asarray(x, dtype=float)])
    weight = 1 / np.asarray(errors, dtype=float) ** 2
    covariance = np.linalg.inv(design.T @ (weight[:, None] * design))
    a, b = (float(value) for value in covariance @ (design.T @ (weight * np.asarray(y, dtype=float))))
    freedom = len(x) - 2
    misfit = float(np.sum(weight * (np.asarray(y) - a - b * np.asarray(x)) ** 2)) / freedom
    half = float(scipy.stats.t.ppf(0.975, freedom)) * np.sqrt(np.diag(covariance) * max(1.0, misfit))
    low, high = b - float(half[1]), b + float(half[1])
    span = max(x) - min(x)
    middle = abs(a + b * min(x))
    flat = max(abs(low), abs(high)) * span <= FLAT_SHARE * middle
    return Fit(
        a=a, b=b, a_interval=(a - float(half[0]), a + float(half[0])), b_interval=(low, high), flat=flat, misfit=misfit
    )


def _at(subject: Subject, factor: str, value: int) -> Subject:
    if factor == "series":
        return replace(subject, series=value)
    if factor == "threads":
        # Series that appear while other threads record are what goes wrong, where something does.
        return replace(subject, threads=value, series=_SERIES_UNDER_THREADS)
    if factor == "tags":
        return replace(subject, tags=value)
    if factor == "views":
        return replace(subject, views=ALL_VIEWS[:value])
    if factor == "buckets":
        return replace(subject, buckets=str(value))
    raise UsageError(f"--laws: there is no factor {factor!r}; choose of {', '.join(FACTORS)}")


def law_comparisons(
    instruments: Sequence[str], factor: str, values: Sequence[int] | None = None, base: str = "none"
) -> list[Comparison]:
    """Return each instrument against `base` at each value of the factor; raises `UsageError` for no such factor."""
    if factor not in FACTORS:
        _at(Subject(), factor, 1)
    return [
        Comparison(_at(Subject(instrument=base), factor, value), _at(Subject(instrument=name), factor, value))
        for value in (values or FACTORS[factor])
        for name in instruments
    ]


def _value(experiment: Experiment, factor: str) -> float:
    defaults = {"views": len(ALL_VIEWS), "tags": 3}
    return float(experiment.factors.get(factor, defaults.get(factor, 1)))


def _point(experiment: Experiment, factor: str) -> Point | None:
    differences = [pair.difference for pair in experiment.raw_pairs if not pair.void]
    error = standard_deviation(differences) / math.sqrt(len(differences)) if len(differences) > 1 else math.nan
    if experiment.cost_per_line is None or not math.isfinite(error):
        return None
    return Point(
        x=_value(experiment, factor),
        cost=experiment.cost_per_line,
        error=error,
        lost=experiment.lost,
        raised=experiment.raised,
        evaluated=experiment.evaluated,
    )


def laws_of(document: Document, factor: str) -> list[Law]:
    """Return the law of each head in a document of `law_comparisons`; points of fewer than two pairs are left out."""
    laws = []
    for name in dict.fromkeys(each.head for each in document.experiments):
        found = [_point(each, factor) for each in document.experiments if each.head == name]
        points = [point for point in found if point is not None]
        fitted = None
        if factor != "threads" and len({point.x for point in points}) > 2 and all(p.error > 0 for p in points):
            fitted = fit_line([p.x for p in points], [p.cost for p in points], [p.error for p in points])
        laws.append(
            Law(
                instrument=name,
                factor=factor,
                points=points,
                fit=fitted,
                formula=_formula(name, factor, points, fitted),
            )
        )
    return laws


def _formula(name: str, factor: str, points: Sequence[Point], fit: Fit | None) -> str:
    if not points:
        return f"{name}: too few pairs"
    if fit is None:
        told = [f"{format_duration(p.cost)} at {p.x:g}{_losses(p)}" for p in points]
        return f"{name} by {factor}: {', '.join(told)}"
    low, high = (format_duration(end) for end in fit.a_interval)
    if fit.flat:
        total = sum(1 / p.error**2 for p in points)
        mean = sum(p.cost / p.error**2 for p in points) / total
        return f"{name}: {format_duration(mean)}, flat in {factor} from {points[0].x:g} to {points[-1].x:g}"
    slope = [format_duration(end) for end in fit.b_interval]
    if fit.b_interval[0] <= 0 <= fit.b_interval[1]:
        return f"{name}: whether it grows with {factor} is undecided ({slope[0]} to {slope[1]} for each)"
    sign = "-" if fit.b < 0 else "+"
    return (
        f"{name}: {format_duration(fit.a)} ({low} to {high}) {sign} "
        f"{format_duration(abs(fit.b))} ({slope[0]} to {slope[1]}) · {factor}"
    )


def _losses(point: Point) -> str:
    if not (point.lost or point.raised):
        return ""
    return f" ({point.raised} raised and {point.lost} lost of {point.evaluated})"


def measure_laws(
    instruments: Sequence[str],
    factor: str,
    terms: Terms,
    progress: Progress = lambda _step: None,
    *,
    values: Sequence[int] | None = None,
) -> tuple[list[Law], Document]:
    """Measure the cost along one factor and return each instrument's law with the document it comes from."""
    document = measure_overhead(law_comparisons(instruments, factor, values), terms, progress)
    return laws_of(document, factor), document
