"""Distributions of line length, in UTF-8 bytes without the line ending."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workloads import files, grammar
from workloads.discrete import Discrete
from workloads.errors import GrammarError
from workloads.forms import MAX_LINE_BYTES
from workloads.grammar import Term
from workloads.metrics_page import bucket_weights

__all__ = ["Lengths", "make_lengths"]

# Less probability than this between min and max, and the limits contradict the distribution.
_LEAST_MASS = 1e-9

Weights = NDArray[np.float64]


class Lengths:
    """Line lengths drawn independently from one distribution over the whole numbers from 0 to 64 KiB.

    Every distribution, mixtures included, is converted to its exact probability for each whole number of bytes: a
    continuous one is rounded to the nearest byte. `min` and `max` condition it, as if a length outside were drawn
    again, so lines do not accumulate at the limits.
    """

    __slots__ = ("_discrete",)

    def __init__(self, weights: Weights) -> None:
        self._discrete = Discrete(weights)

    @property
    def probabilities(self) -> Weights:
        """The probability of each length from 0 to the longest possible."""
        return np.concatenate([np.zeros(self._discrete.first), self._discrete.probabilities])

    @property
    def possible(self) -> NDArray[np.int64]:
        """Every length that can occur, in bytes, ascending."""
        return self._discrete.values

    def draw(self, raw: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return a length in bytes for each word of 64 random bits."""
        return self._discrete.draw(raw)

    def sample(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Return `n` lengths in bytes."""
        return self.draw(rng.bit_generator.random_raw(n))


def make_lengths(terms: Sequence[Term], bounds: Sequence[float] = ()) -> Lengths:
    """Return the distribution of parsed `lengths` terms; `bounds` (bytes) are those that ``edges`` aims at.

    Raises `GrammarError` where a file or page cannot be used, and where min and max leave nothing.
    """
    total = np.zeros(MAX_LINE_BYTES + 1)
    for term in terms:
        try:
            weights = _WEIGHTS[term.name](term, bounds)
            total += float(term.weight) * _conditioned(term, weights)
        except GrammarError as error:
            raise GrammarError(str(error), field="lengths", value=term.name) from None
    return Lengths(total)


def _conditioned(term: Term, weights: Weights) -> Weights:
    low, high = term.integer("min"), term.integer("max")
    if low > high:
        raise GrammarError(f"min={low} is above max={high}")
    stored = np.zeros_like(weights)
    stored[low : high + 1] = weights[low : high + 1]
    mass = stored.sum() / weights.sum()
    if not mass > _LEAST_MASS:
        raise GrammarError(f"practically no length lies between min={low} and max={high}; widen them")
    return np.asarray(stored / stored.sum(), dtype=np.float64)


def _rounded(cumulative: Callable[[Weights], Weights]) -> Weights:
    """Return the probability of each whole number that a continuous variable is rounded to.

    `cumulative` gives P(X <= x). The last number's upper edge is not special: values above it are drawn again.
    """
    edges = cumulative(np.arange(-0.5, MAX_LINE_BYTES + 1, dtype=np.float64))
    weights: Weights = np.maximum(np.diff(edges), 0)
    if not weights.sum() > _LEAST_MASS:
        raise GrammarError("practically no length lies below 64KiB; choose smaller values")
    return weights


def _constant(term: Term, _bounds: Sequence[float]) -> Weights:
    weights = np.zeros(MAX_LINE_BYTES + 1)
    weights[term.integer("bytes")] = 1
    return weights


def _uniform(_term: Term, _bounds: Sequence[float]) -> Weights:
    return np.ones(MAX_LINE_BYTES + 1)


def _normal(term: Term, _bounds: Sequence[float]) -> Weights:
    from scipy.special import ndtr  # here, because scipy takes time that most expressions need not wait for

    mean, sd = term.integer("mean"), float(term.fraction("sd"))
    return _rounded(lambda x: ndtr((x - mean) / sd))


def _lognormal(term: Term, _bounds: Sequence[float]) -> Weights:
    from scipy.special import ndtr

    centre, sigma = np.log(term.integer("median")), float(term.fraction("sigma"))

    def cumulative(x: Weights) -> Weights:
        below = np.zeros_like(x)
        below[x > 0] = ndtr((np.log(x[x > 0]) - centre) / sigma)
        return below

    return _rounded(cumulative)


def _exponential(term: Term, _bounds: Sequence[float]) -> Weights:
    mean = term.integer("mean")
    return _rounded(lambda x: -np.expm1(-np.maximum(x, 0) / mean))


def _pareto(term: Term, _bounds: Sequence[float]) -> Weights:
    alpha, least = float(term.fraction("alpha")), term.integer("min")
    return _rounded(lambda x: -np.expm1(-alpha * np.log(np.maximum(x, least) / least)))


def _zipf(term: Term, _bounds: Sequence[float]) -> Weights:
    return np.concatenate([np.zeros(1), zipf_weights(MAX_LINE_BYTES, float(term.fraction("s")))])


def zipf_weights(n: int, s: float) -> Weights:
    """Return 1/k^s for k from 1 to `n`."""
    weights: Weights = np.exp(-s * np.log(np.arange(1, n + 1, dtype=np.float64)))
    return weights


def _empirical(term: Term, _bounds: Sequence[float]) -> Weights:
    lengths = np.array([len(line) for line in files.read_lines(term.text("path"))])
    stored = lengths[lengths <= MAX_LINE_BYTES]
    if not stored.size:
        raise GrammarError(f"{grammar.quoted(term.text('path'))} has no line of at most 64 KiB")
    return np.bincount(stored, minlength=MAX_LINE_BYTES + 1).astype(np.float64)


def _histogram(term: Term, _bounds: Sequence[float]) -> Weights:
    return bucket_weights(
        files.read_page(term.text("path")), term.text("path"), term.text("metric"), term.text("label")
    )


def _edges(_term: Term, bounds: Sequence[float]) -> Weights:
    weights = np.zeros(MAX_LINE_BYTES + 1)
    near = {int(bound) + step for bound in bounds for step in (-1, 0, 1)}
    aimed = [length for length in near if 0 <= length <= MAX_LINE_BYTES]
    if not aimed:
        raise GrammarError("there is no bound between 0 and 64KiB to aim at")
    weights[aimed] = 1
    return weights


_WEIGHTS: dict[str, Callable[[Term, Sequence[float]], Weights]] = {
    "constant": _constant,
    "uniform": _uniform,
    "normal": _normal,
    "lognormal": _lognormal,
    "exponential": _exponential,
    "pareto": _pareto,
    "zipf": _zipf,
    "empirical": _empirical,
    "histogram": _histogram,
    "edges": _edges,
}
