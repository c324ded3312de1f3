"""Group-sequential inference: repeated looks at a growing sample at a fixed false-alarm rate, by alpha spending.

Each look spends part of the level alpha; the critical value of look k is the one at which, under no effect, the
probability of crossing at look k and not before equals the part spent there (Lan and DeMets 1983). The repeated
confidence intervals mean ± c_k·se hold simultaneously for all looks (Jennison and Turnbull 1989), so the reported
interval keeps its confidence whatever rule ends the experiment, "precise enough" included.

The recursion is the numerical integration of Armitage, McPherson and Rowe (1969). It is exact for a known variance. For
small numbers of pairs each critical value is converted to Student's t by its two-sided level (the significance-level
approach: Pocock 1977; Jennison and Turnbull 2000, section 3.8), which simulation confirms (tests/harness/measure).
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy  # its submodules load on first use, so that reading a document does not wait for them

__all__ = ["Looks", "obrien_fleming_spent", "t_critical"]

_NODES = 128
_WIDEST = 9.0  # no boundary beyond nine standard deviations is ever crossed; the two-sided level there is 2e-19


def obrien_fleming_spent(fraction: float, alpha: float) -> float:
    """Return the two-sided level spent at an information fraction t in [0, 1]: ``4 - 4·Phi(z(1 - alpha/4)/sqrt(t))``.

    Lan and DeMets' (1983) function of the O'Brien-Fleming type, for each side at alpha/2: it spends almost nothing
    early, so that the last look has nearly the full level.
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

    `alpha` is the total two-sided level; `spent` is the spending function: (information fraction, alpha) to the level
    spent so far. The number and times of the looks need not be known beforehand, but must not depend on the observed
    effect. Raise `ValueError` where `alpha` is not between 0 and 1.
    """

    def __init__(self, alpha: float = 0.05, spent: Callable[[float, float], float] = obrien_fleming_spent) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
        self.alpha = alpha
        self._spent = spent
        self._spent_so_far = 0.0
        self._count = 0
        # Nodes, and weights times density, of the score (a sum of standard normals) of samples that have not crossed.
        self._nodes = np.zeros(1)
        self._mass = np.ones(1)

    def look(self, count: int, fraction: float) -> float:
        """Return the two-sided critical value, in standard normal units, of a look at `count` pairs.

        `fraction` is the share of the planned information: 1 or more spends the rest of the level. Raise `ValueError`
        when `count` does not exceed that of the look before.
        """
        if count <= self._count:
            raise ValueError(f"a look at {count} pairs after one at {self._count}")
        target = max(self._spent(min(fraction, 1.0), self.alpha), self._spent_so_far)
        step = math.sqrt(count - self._count)
        boundary = self._boundary(target - self._spent_so_far, step, count)
        self._advance(boundary, step)
        self._spent_so_far, self._count = target, count
        return boundary / math.sqrt(count)

    def _exit(self, boundary: float, step: float) -> float:
        # The distribution functions of scipy.special take a tenth of the time of those of scipy.stats.
        out = scipy.special.ndtr((self._nodes - boundary) / step) + scipy.special.ndtr((-boundary - self._nodes) / step)
        return float(self._mass @ out)

    def _boundary(self, spend: float, step: float, count: int) -> float:
        widest = _WIDEST * math.sqrt(count)
        if self._exit(widest, step) >= spend:
            return widest
        return float(scipy.optimize.brentq(lambda b: self._exit(b, step) - spend, 0.0, widest, xtol=1e-10))

    def _advance(self, boundary: float, step: float) -> None:
        """Propagate the density of the samples that stayed inside ±`boundary`."""
        # Panels are at most two steps wide, or the density of a small first sample would fall between the nodes.
        panels = max(1, math.ceil(boundary / step))
        edges = np.linspace(-boundary, boundary, panels + 1)
        base, weight = _gauss(max(12, _NODES // panels))
        nodes = np.concatenate([(b - a) / 2 * base + (a + b) / 2 for a, b in pairwise(edges)])
        weights = np.concatenate([(b - a) / 2 * weight for a, b in pairwise(edges)])
        apart = (nodes[:, None] - self._nodes[None, :]) / step
        density = np.exp(-(apart**2) / 2) / (step * math.sqrt(2 * math.pi))
        self._mass = (density @ self._mass) * weights
        self._nodes = nodes
