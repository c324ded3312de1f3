"""Exact sums of floating-point numbers per series, independent of order and of the division into blocks."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExactSums"]

_LIMB_BITS = 24
_LIMBS = 3
_SCALE = float(1 << _LIMB_BITS)
# Below this a whole part is added up in 64 bits for 2**40 values without overflow: 2.3 hours in milliseconds.
_WHOLE_LIMIT = float(1 << 23)


class ExactSums:
    """One exact sum for each of `size` series.

    A value is split into its whole part and three limbs of 24 bits below the point; splitting by powers of two is exact
    in floating point, and adding integers is exact in any order. That covers every multiple of 2**-72, hence every
    number of at least 1e-6 (a nanosecond in milliseconds) with a 53-bit mantissa. What is finer or larger is added as
    a fraction, one by one.
    """

    __slots__ = ("_limbs", "_others")

    def __init__(self, size: int) -> None:
        self._limbs = np.zeros((_LIMBS + 1, size), dtype=np.int64)
        self._others: dict[int, Fraction] = {}

    def add(self, series: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Add each value to the sum of its series; raises `ValueError` for a value that is not finite."""
        if not np.isfinite(values).all():
            raise ValueError("a sum takes finite values only")
        limbs, exact = _split(values)
        if not exact.all():
            for place in np.flatnonzero(~exact):
                key = int(series[place])
                self._others[key] = self._others.get(key, Fraction(0)) + Fraction(float(values[place]))
            series, limbs = series[exact], [limb[exact] for limb in limbs]
        for row, limb in zip(self._limbs, limbs, strict=True):
            np.add.at(row, series, limb.astype(np.int64))

    def merge(self, other: "ExactSums") -> None:
        """Add the other's sums, series by series."""
        self._limbs += other._limbs  # noqa: SLF001 - one of the same class, here and below
        for key, value in other._others.items():  # noqa: SLF001
            self._others[key] = self._others.get(key, Fraction(0)) + value

    def state(self) -> dict[str, Any]:
        """Return everything it holds as plain values and arrays, for `from_state` in another process."""
        return {"limbs": self._limbs, "others": {str(key): str(value) for key, value in self._others.items()}}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "ExactSums":
        """Return the sums of a `state`; raises `ValueError` where it is none."""
        limbs = state["limbs"]
        if limbs.ndim != 2 or limbs.shape[0] != _LIMBS + 1:
            raise ValueError("these are no exact sums")
        result = cls(limbs.shape[1])
        result._limbs += limbs.astype(np.int64)
        result._others = {int(key): Fraction(value) for key, value in state["others"].items()}
        return result

    def approximate(self, series: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the sums of these series as floats, each accurate to a few roundings."""
        scales = _SCALE ** -np.arange(_LIMBS + 1, dtype=np.float64)
        sums: NDArray[np.float64] = (self._limbs[:, series] * scales[:, np.newaxis]).sum(axis=0)
        if self._others:
            sums += [float(self._others.get(key, 0)) for key in series.tolist()]
        return sums

    def total(self, series: int) -> Fraction:
        """Return the exact sum of one series."""
        whole = sum(Fraction(int(limb), 1 << _LIMB_BITS * row) for row, limb in enumerate(self._limbs[:, series]))
        return whole + self._others.get(series, Fraction(0))


def _split(values: NDArray[np.float64]) -> tuple[list[NDArray[np.float64]], NDArray[np.bool_]]:
    """Return whole part and limbs of each value, and whether they represent it fully and are small enough to add up.

    Truncated towards zero: floor would turn a tiny negative number into -1 and a remainder that is rounded.
    """
    limbs = []
    rest = values
    for _ in range(_LIMBS):
        whole = np.trunc(rest)
        limbs.append(whole)
        rest = (rest - whole) * _SCALE
    whole = np.trunc(rest)
    limbs.append(whole)
    exact: NDArray[np.bool_] = (rest == whole) & (np.abs(limbs[0]) < _WHOLE_LIMIT)
    return limbs, exact
