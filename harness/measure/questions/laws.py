"""Cost laws: the cost of a line as a function of the number of series, views, tags, buckets or threads."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy  # its submodules load on first use, so that reading a document does not wait for them
from pydantic import BaseModel, ConfigDict, Field

from harness.errors import UsageError
from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.schedule import Terms
from harness.measure.result import Experiment, Experiments, Interval
from harness.measure.stats import standard_deviation
from harness.measure.subject import ALL_VIEWS, Subject
from harness.measure.verdict import Comparison
from harness.progress import Progress

__all__ = [
    "FACTORS",
    "FEWEST_PAIRS",
    "CostLaw",
    "Fit",
    "Point",
    "fit_line",
    "law_comparisons",
    "laws_of",
    "measure_laws",
]

# The default values of each factor.
FACTORS: dict[str, tuple[int, ...]] = {
    "series": (1, 3, 10, 30, 100, 300, 1000),
    "views": (1, 2, 3, 4),
    "tags": (0, 1, 2, 3),
    "buckets": (1, 10, 50, 200),
    "threads": (1, 2, 4),
}
# A law is flat where both ends of the slope's interval grow by at most this share of the cost over the range.
FLAT_SHARE = 0.1
# The variance of a Student variable is finite from this number of pairs on.
FEWEST_PAIRS = 4
_FEWEST_POINTS = 3

_Array = npt.NDArray[np.float64]
_SERIES_UNDER_THREADS = 30


class Point(BaseModel):
    """The cost of a line at one value of the factor, in ns, with its standard error and the lines lost.

    A void point has no figures, and the reason in `void`.
    """

    model_config = ConfigDict(frozen=True)

    x: float
    cost: float | None
    error: float | None
    interval: Interval = Field((None, None), description="95 %, Student's with the pairs behind it")
    pairs: int = Field(0, description="pairs behind it; 0: not stated, in documents of earlier versions")
    lost: int = Field(0, description="lines whose record returned and that the page does not show")
    raised: int = Field(0, description="lines whose record raised")
    evaluated: int = 0
    void: str = Field("", description="why its experiment does not count; empty when it does")

    @property
    def fit_for_a_line(self) -> bool:
        """Whether it can be fitted: it has a cost, an error above zero, and enough pairs for that error."""
        has_figures = self.cost is not None and self.error is not None and self.error > 0
        return has_figures and not self.void and self.pairs >= FEWEST_PAIRS


class Fit(BaseModel):
    """cost = a + b·x by weighted least squares, with 95 % intervals."""

    model_config = ConfigDict(frozen=True)

    a: float
    b: float
    a_interval: tuple[float, float]
    b_interval: tuple[float, float]
    flat: bool = Field(description="whether even the interval's end grows by less than a tenth over the range")
    misfit: float = Field(description="chi-squared per degree of freedom; far above 1 the line does not fit")


class CostLaw(BaseModel):
    """The law of one way of recording by one factor; `points` are all measured points, including void ones."""

    model_config = ConfigDict(frozen=True)

    instrument: str
    factor: str
    points: list[Point]
    fit: Fit | None = Field(description="null for threads, and where fewer than three points can be fitted")
    formula: str = Field(description="the fitted cost of a line in ns, to be evaluated; empty without a fit")
    left_out: int = Field(0, description="measured points that the fit excludes: void, or of too few pairs")


def fit_line(
    x: Sequence[float], y: Sequence[float], errors: Sequence[float], pairs: Sequence[int] | None = None
) -> Fit:
    """Return the weighted least-squares line through points with standard errors, each estimated from `pairs` pairs.

    `pairs` of None means that the errors are known exactly. Weights are 1/variance. An error s/√n estimated from n
    pairs belongs to a Student variable, whose variance is (n - 1)/(n - 3) times s²/n. The interval of a coefficient is
    the wider of two: from the points' own errors, with Student's quantile at Satterthwaite's (1946) degrees of freedom;
    and from the residuals, the covariance scaled by chi-squared per degree of freedom (the Birge ratio; Birge 1932), at
    n - 2 degrees. Raise `ValueError` for fewer than three points, for points all at one x, for errors that are not
    positive, and for a point of fewer than four pairs, whose variance is not finite.
    """
    if len(x) < _FEWEST_POINTS or len(set(x)) < 2:
        raise ValueError("a line with an interval needs three points at two places or more")
    if not all(error > 0 and math.isfinite(error) for error in errors):
        raise ValueError("each point needs a positive, finite error")
    if pairs is not None and min(pairs) < FEWEST_PAIRS:
        raise ValueError(f"each point needs at least {FEWEST_PAIRS} pairs")
    freedoms = np.array([math.inf] * len(x) if pairs is None else [count - 1.0 for count in pairs])
    widened = np.ones(len(x)) if pairs is None else freedoms / (freedoms - 2)
    variance = np.asarray(errors, dtype=float) ** 2 * widened
    design = np.column_stack([np.ones(len(x)), np.asarray(x, dtype=float)])
    covariance = np.linalg.inv(design.T @ (design / variance[:, None]))
    # Each coefficient is a sum over the points with these weights.
    weights = covariance @ (design / variance[:, None]).T
    a, b = (float(value) for value in weights @ np.asarray(y, dtype=float))
    misfit = float(np.sum((np.asarray(y) - a - b * np.asarray(x)) ** 2 / variance)) / (len(x) - 2)
    half = np.sqrt(np.diag(covariance)) * _quantiles(weights**2 * variance, freedoms, misfit)
    low, high = b - float(half[1]), b + float(half[1])
    span = max(x) - min(x)
    middle = abs(a + b * min(x))
    flat = max(abs(low), abs(high)) * span <= FLAT_SHARE * middle
    return Fit(
        a=a, b=b, a_interval=(a - float(half[0]), a + float(half[0])), b_interval=(low, high), flat=flat, misfit=misfit
    )


def _quantiles(shares: _Array, freedoms: _Array, misfit: float) -> _Array:
    """Return the half-width of each coefficient's interval, in standard errors.

    `shares` are the contributions of the points to the variance of each coefficient, of shape (2, points).
    """
    total = shares.sum(axis=1)
    inside = total**2 / np.maximum((shares**2 / freedoms).sum(axis=1), 1e-300 * total**2)
    own = scipy.stats.t.ppf(0.975, inside)
    scatter = scipy.stats.t.ppf(0.975, shares.shape[1] - 2) * math.sqrt(misfit)
    quantiles: _Array = np.maximum(own, scatter)
    return quantiles


def _at(subject: Subject, factor: str, value: int) -> Subject:
    if factor == "series":
        return replace(subject, series=value)
    if factor == "threads":
        # Series that appear while other threads record are the most likely cause of losses.
        return replace(subject, threads=value, series=_SERIES_UNDER_THREADS)
    if factor == "tags":
        return replace(subject, tags=value)
    if factor == "views":
        return replace(subject, views=ALL_VIEWS[:value])
    if factor == "buckets":
        return replace(subject, buckets=str(value))
    raise UsageError(f"there is no factor {factor!r}; choose from {', '.join(FACTORS)}", field="factor")


def law_comparisons(
    instruments: Sequence[str], factor: str, values: Sequence[int] | None = None, base: str = "none"
) -> list[Comparison]:
    """Return each instrument against `base` at each value of the factor; raise `UsageError` for an unknown factor."""
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
    counts = {"lost": experiment.lost, "raised": experiment.raised, "evaluated": experiment.evaluated}
    x = _value(experiment, factor)
    if experiment.verdict == "void":
        return Point(x=x, cost=None, error=None, pairs=experiment.pairs, void=experiment.conclusion, **counts)
    good = [pair for pair in experiment.raw_pairs if not pair.void]
    if experiment.cost_per_line is None or len(good) < 2:
        return None
    if experiment.reference_per_line is not None and experiment.ratio is not None:
        # Of (exp(log-ratio) - 1) * reference, to first order.
        spread = (
            experiment.ratio * experiment.reference_per_line * standard_deviation([pair.log_ratio for pair in good])
        )
    else:
        spread = standard_deviation([pair.difference for pair in good])
    return Point(
        x=x,
        cost=experiment.cost_per_line,
        error=spread / math.sqrt(len(good)),
        interval=experiment.cost_interval,
        pairs=len(good),
        **counts,
    )


def laws_of(document: Experiments, factor: str) -> list[CostLaw]:
    """Return the law of each head in a document of `law_comparisons`, without points of fewer than two pairs."""
    laws = []
    for name in dict.fromkeys(experiment.head for experiment in document.experiments):
        candidates = [_point(experiment, factor) for experiment in document.experiments if experiment.head == name]
        points = [point for point in candidates if point is not None]
        usable = [point for point in points if point.fit_for_a_line]
        places = len({point.x for point in usable})
        fit = _fit(usable) if factor != "threads" and places >= _FEWEST_POINTS else None
        laws.append(
            CostLaw(
                instrument=name,
                factor=factor,
                points=points,
                fit=fit,
                formula=_formula(factor, fit),
                left_out=len(points) - len(usable) if factor != "threads" else 0,
            )
        )
    return laws


def _fit(points: Sequence[Point]) -> Fit:
    # The points are `fit_for_a_line`, so that cost and error are numbers.
    return fit_line(
        [point.x for point in points],
        [point.cost or 0.0 for point in points],
        [point.error or 0.0 for point in points],
        [point.pairs for point in points],
    )


def _formula(factor: str, fit: Fit | None) -> str:
    return "" if fit is None else f"{fit.a:.6g} + {fit.b:.6g} * {factor}"


def measure_laws(
    instruments: Sequence[str],
    factor: str,
    terms: Terms,
    progress: Progress = lambda _step: None,
    *,
    values: Sequence[int] | None = None,
) -> tuple[list[CostLaw], Experiments]:
    """Measure the cost by one factor; return each instrument's law, and their document."""
    document = measure_overhead(law_comparisons(instruments, factor, values), terms, progress)
    return laws_of(document, factor), document
