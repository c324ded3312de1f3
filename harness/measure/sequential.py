"""Looking several times at a growing sample without raising the false-alarm rate: alpha spending after Lan and DeMets.

Each look spends part of the level alpha; the critical value of look k is the one at which the chance, under no effect,
of crossing at look k and not before equals what is spent there (Lan and DeMets 1983). The repeated confidence intervals
mean ± c_k·se hold simultaneously for all looks (Jennison and Turnbull 1989), so whatever rule ends the experiment,
"precise enough" included, the interval reported with it keeps its confidence.

The recursion is the numerical integration of Armitage, McPherson and Rowe (1969). It is exact for a known variance. For
the few pairs at hand each critical value is carried to Student's t by its two-sided level (the significance-level
approach: Pocock 1977; Jennison and Turnbull 2000, section 3.8), which simulation confirms (tests/harness/measure).
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy  # its parts load when first used: whoever only reads a document does not wait for them

__all__ = ["Looks", "obrien_fleming_spent", "t_critical"]

_NODES = 128
_WIDEST = 9.0  # beyond nine standard deviations a boundary is never met; there the two-sided level is 2e-19


def obrien_fleming_spent(fraction: float, alpha: float) -> float:
    """Return the two-sided level spent at an information fraction t in [0, 1]: ``4 - 4·Phi(z(1 - alpha/4)/sqrt(t))``.

    Lan and DeMets' (1983) function of the O'Brien-Fleming type, for each side at alpha/2: nearly nothing early, so that
    the last look costs almost what a single one would.
    """
    if fraction <= 0:
        return 0.0
    return float(4 * scipy.stats.norm.sf(scipy.stats.norm.isf(alpha / 4) / math.sqrt(min(fraction, 1.0))))


def t_critical(z: float, count: int) -> float:
    """Return the quantile of Student's t with `count` - 1 degrees of freedom at the two-sided level of `z`.

    Infinite for fewer than two pairs.
    """
    if count < 2:
        return math.inf
    return float(scipy.stats.t.isf(scipy.stats.norm.sf(z), count - 1))


@cache
def _gauss(count: int) -> "tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]":
    """Return the nodes and weights of Gauss and Legendre's rule on -1 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


class Looks:
    """The critical values of successive looks at one growing sample.

    `alpha` is the two-sided level in all; `spent` the function by which it is spent. The number of looks and their
    places need not be known beforehand, but may not depend on the effect seen.
    """

    def __init__(self, alpha: float = 0.05, spent: Callable[[float, float], float] = obrien_fleming_spent) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
        self.alpha = alpha
        self._spent = spent
        self._used = 0.0
        self._count = 0
        # Nodes, and weights times density, of the score (the sum of standard normals) of samples that have not crossed.
        self._nodes = np.zeros(1)
        self._mass = np.ones(1)

    def look(self, count: int, fraction: float) -> float:
        """Return the two-sided critical value, in standard normal units, of a look at `count` pairs.

        `fraction` is the share of the planned information in hand: 1 or more spends all that is left. Raises
        `ValueError` when `count` does not grow.
        """
        if count <= self._count:
            raise ValueError(f"a look at {count} pairs after one at {self._count}")
        target = max(self._spent(min(fraction, 1.0), self.alpha), self._used)
        step = math.sqrt(count - self._count)
        boundary = self._boundary(target - self._used, step, count)
        self._advance(boundary, step)
        self._used, self._count = target, count
        return boundary / math.sqrt(count)

    def _exit(self, boundary: float, step: float) -> float:
        # The distribution functions of scipy.special take a tenth of the time of scipy.stats'.
        out = scipy.special.ndtr((self._nodes - boundary) / step) + scipy.special.ndtr((-boundary - self._nodes) / step)
        return float(self._mass @ out)

    def _boundary(self, spend: float, step: float, count: int) -> float:
        widest = _WIDEST * math.sqrt(count)
        if self._exit(widest, step) >= spend:
            return widest
        return float(scipy.optimize.brentq(lambda b: self._exit(b, step) - spend, 0.0, widest, xtol=1e-10))

    def _advance(self, boundary: float, step: float) -> None:
        """Carry the density on to the samples that stayed inside ±`boundary`."""
        # Panels no wider than two steps, or the density of a first small sample would fall between the nodes.
        panels = max(1, math.ceil(boundary / step))
        edges = np.linspace(-boundary, boundary, panels + 1)
        base, weight = _gauss(max(12, _NODES // panels))
        nodes = np.concatenate([(b - a) / 2 * base + (a + b) / 2 for a, b in pairwise(edges)])
        weights = np.concatenate([(b - a) / 2 * weight for a, b in pairwise(edges)])
        apart = (nodes[:, None] - self._nodes[None, :]) / step
        density = np.exp(-(apart**2) / 2) / (step * math.sqrt(2 * math.pi))
        self._mass = (density @ self._mass) * weights
        self._nodes = nodes
