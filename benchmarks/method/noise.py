"""Noise between runs as the simulations of the history assume it."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["PHIS", "Series", "ar1"]

Series = NDArray[np.float64]
PHIS = (0.0, 0.5, 0.8)


def ar1(rng: np.random.Generator, series: int, runs: int, phi: float) -> Series:
    """Return stationary AR(1) noise of marginal standard deviation 1, series x runs."""
    shocks = rng.standard_normal((series, runs))
    noise = np.empty((series, runs))
    noise[:, 0] = shocks[:, 0]
    for t in range(1, runs):
        noise[:, t] = phi * noise[:, t - 1] + np.sqrt(1 - phi * phi) * shocks[:, t]
    return noise
