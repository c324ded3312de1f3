"""Values of the tag ``method``, which set the number of series."""

from collections.abc import Sequence

import numpy as np

from workloads.discrete import Discrete
from workloads.grammar import Term
from workloads.lengths import zipf_weights
from workloads.tags import Tags

__all__ = ["make_series", "method_names"]


def make_series(terms: Sequence[Term]) -> Discrete:
    """Return the distribution of the index of a line's method for parsed `series`."""
    (term,) = terms
    n = term.integer("n")
    weights = zipf_weights(n, float(term.fraction("s"))) if term.name == "zipf" else np.ones(n)
    return Discrete(weights)


def method_names(series: Discrete) -> tuple[str, ...]:
    """Return the methods' names: the quickstart's own if there is only one, otherwise numbered from zero."""
    n = series.probabilities.size
    if n == 1:
        return (Tags().method,)
    width = len(str(n - 1))
    return tuple(f"{Tags().method}-{i:0{width}}" for i in range(n))
