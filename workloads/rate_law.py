r"""The law of a rate: the number of lines due by an instant, and its inverse, in pieces without accumulated error.

A law consists of pieces played once, followed by pieces that repeat:

    rate      once      cycle     cycle
      ^      ┌────┐  /\      /\
      |   ┌──┘    │ /  \    /  \
      |───┘       └/    \__/    \__ ...
      +--------------------------------> time

Each piece lasts a whole number of nanoseconds and holds an exact (rational) number of lines, so where any piece of any
cycle starts, in time and in lines, is computed exactly, whatever its number. Rounding happens only inside a piece.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["NS", "Flat", "Piece", "Place", "RateLaw", "Slope", "Wave"]

NS = 10**9
# Numerators below this, times a block's size, stay inside 64 bits.
_SMALL = 2**40
_AT_ONCE = 2**20


class Piece(Protocol):
    """A stretch of time with a rate of its own."""

    @property
    def span_ns(self) -> int:
        """Its duration."""

    @property
    def mass(self) -> Fraction:
        """The exact number of its lines."""

    def after(self, lines: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the nanosecond (floor) at which that many lines were due; 0 <= lines < mass, never decreasing."""

    def count(self, ns: int) -> float:
        """Return the number of lines of its first `ns` nanoseconds."""


@dataclass(frozen=True, slots=True)
class Flat:
    """A constant rate: N(t) = mass * t / span.

    rate ^ ────────
         +--------> t
    """

    span_ns: int
    mass: Fraction

    def after(self, lines: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return lines * span / mass."""
        ns = (lines * float(self.span_ns / self.mass)).astype(np.int64)
        return np.minimum(ns, self.span_ns - 1)

    def count(self, ns: int) -> float:
        """N(t)."""
        return float(self.mass * ns / self.span_ns)

    def after_exactly(self, first: Fraction, n: int) -> NDArray[np.int64]:
        """Return floor(t) for first, first + 1, … first + n - 1 lines, in whole numbers only."""
        pace = self.span_ns / self.mass
        start = first * pace
        bottom = pace.denominator * start.denominator
        step, step_rest = divmod(pace.numerator * start.denominator, bottom)
        base, base_rest = divmod(start.numerator * pace.denominator, bottom)
        if bottom >= _SMALL or n > _AT_ONCE:
            return np.array([base + k * step + (k * step_rest + base_rest) // bottom for k in range(n)], dtype=np.int64)
        k = np.arange(n, dtype=np.int64)
        return base + k * step + (k * step_rest + base_rest) // bottom


@dataclass(frozen=True, slots=True)
class Slope:
    """A rate that moves evenly from one value to another: N(t) = start * t + (end - start) * t^2 / (2 span).

    rate ^     _-‾
         | _-‾
         +--------> t
    """

    span_ns: int
    start: Fraction
    """Lines per nanosecond at its beginning."""
    end: Fraction
    """Lines per nanosecond at its end."""

    @property
    def mass(self) -> Fraction:
        """The area under the line."""
        return (self.start + self.end) / 2 * self.span_ns

    def after(self, lines: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the root of the quadratic, moved to the nanosecond where N passes `lines`."""
        cell = np.zeros(1, dtype=np.int64)
        rates = np.array([[float(self.start), float(self.end)]])
        return _invert(lines, rates[cell, 0], rates[cell, 1], np.array([self.span_ns]))

    def count(self, ns: int) -> float:
        """N(t)."""
        return float(self.start * ns + (self.end - self.start) * ns * ns / (2 * self.span_ns))


class Wave:
    """One swing of a sine: N(t) = rate * (t + amplitude * span / (2 pi) * (1 - cos(2 pi t / span))).

    rate ^ _-‾-_
         |‾     ‾-_   _-
         |         ‾-‾
         +---------------> t

    The swing is cut into thousands of slopes whose ends lie on the exact curve. Between them the error is below
    amplitude * span * 2e-15, a fifth of a nanosecond for a day.
    """

    __slots__ = ("_amplitude", "_counts", "_knots", "_rates", "mass", "span_ns")

    _CELLS = 2**16

    def __init__(self, span_ns: int, mass: Fraction, amplitude: float) -> None:
        self.span_ns = span_ns
        self.mass = mass
        self._amplitude = amplitude
        cells = min(self._CELLS, max(16, span_ns // 16))
        self._knots = np.array([span_ns * k // cells for k in range(cells + 1)], dtype=np.int64)
        angle = self._knots * (2 * np.pi / span_ns)
        # 1 - cos x as 2 sin^2(x / 2): no digits are lost where it is small.
        counts = float(mass) * (self._knots / span_ns + amplitude / np.pi * np.sin(angle / 2) ** 2)
        counts[-1] = float(mass)
        self._counts = np.maximum.accumulate(counts)
        rates = np.maximum(float(mass) / span_ns * (1 + amplitude * np.sin(angle)), 0)
        ends = np.stack([rates[:-1], rates[1:]], axis=1)
        # Each slope holds exactly the lines of its stretch of the curve.
        held = ends.mean(axis=1) * np.diff(self._knots)
        true = np.diff(self._counts)
        ends *= np.divide(true, held, out=np.ones_like(true), where=held > 0)[:, None]
        self._rates = ends

    def after(self, lines: NDArray[np.float64]) -> NDArray[np.int64]:
        """Find the slope, then its root."""
        cell = np.minimum(self._counts.searchsorted(lines, "right") - 1, len(self._rates) - 1)
        knots = self._knots
        rates = self._rates[cell]
        spans = knots[cell + 1] - knots[cell]
        return knots[cell] + _invert(lines - self._counts[cell], rates[:, 0], rates[:, 1], spans)

    def count(self, ns: int) -> float:
        """N(t)."""
        swing = self._amplitude / np.pi * np.sin(np.pi * ns / self.span_ns) ** 2
        return float(self.mass) * float(ns / self.span_ns + swing)


def _invert(
    lines: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64], span: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the largest whole t in [0, span) with N(t) <= lines, for rates from `start` to `end` (lines per ns).

    The closed form is correct to a few units in the last place; the following steps make t the answer by comparison
    with N, which never decreases in floating point either, so that t never decreases when lines do not.
    """
    width = span.astype(np.float64)
    bend = (end - start) / width
    root = np.sqrt(np.maximum(start * start + 2 * bend * lines, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        guess = np.where(lines > 0, 2 * lines / (start + root), 0.0)
    ns = np.clip(guess, 0, width - 1).astype(np.int64)
    low, high = np.minimum(start, end), np.maximum(start, end)
    half = (high - low) / (2 * width)
    whole = width * (low + half * width)
    rising = end >= start

    def count(at: NDArray[np.int64]) -> NDArray[np.float64]:
        # A falling slope is a rising one seen from its end.
        seen = np.where(rising, at, span - at).astype(np.float64)
        up = seen * (low + half * seen)
        return np.where(rising, up, whole - up)

    for _ in range(2):
        ns -= (count(ns) > lines) & (ns > 0)
        ns += (count(ns + 1) <= lines) & (ns + 1 < span)
    return ns


@dataclass(frozen=True, slots=True)
class Place:
    """A piece at its position: from which instant, and after how many lines."""

    piece: Piece
    start_ns: int
    before: Fraction

    @property
    def end(self) -> Fraction:
        """The number of lines due when it ends."""
        return self.before + self.piece.mass


class RateLaw:
    """Pieces played once, then a cycle that repeats forever; without a cycle the law ends and `total` is finite."""

    __slots__ = ("_cycle", "_cycle_mass", "_cycle_ns", "_cycle_start", "_cycle_starts", "_once")

    def __init__(self, once: Sequence[Piece], cycle: Sequence[Piece] = ()) -> None:
        self._once = _placed(once)
        start_ns, before = _end(self._once)
        self._cycle = _placed(cycle)
        self._cycle_start = (start_ns, before)
        self._cycle_ns, self._cycle_mass = _end(self._cycle)

    @property
    def total(self) -> Fraction | None:
        """The exact total number of lines; None if it never ends."""
        return None if self._cycle else self._cycle_start[1]

    def at(self, lines: Fraction) -> Place:
        """Return the piece in which the next line is due after that many (exact) lines; `lines` is below `total`."""
        start_ns, before = self._cycle_start
        if lines < before or not self._cycle:
            return _find(self._once, lines)
        turn = (lines - before) // self._cycle_mass
        before += turn * self._cycle_mass
        result = _find(self._cycle, lines - before)
        return Place(result.piece, start_ns + turn * self._cycle_ns + result.start_ns, before + result.before)

    def count(self, ns: int) -> Fraction:
        """Return N(ns), the lines due before that nanosecond; exact between pieces, a float's precision inside one."""
        start_ns, before = self._cycle_start
        if ns < start_ns or not self._cycle:
            return _count(self._once, ns)
        turn, rest = divmod(ns - start_ns, self._cycle_ns)
        return before + turn * self._cycle_mass + _count(self._cycle, rest)


def _placed(pieces: Sequence[Piece]) -> list[Place]:
    starts = accumulate((piece.span_ns for piece in pieces), initial=0)
    before = accumulate((piece.mass for piece in pieces), initial=Fraction(0))
    return [Place(*place) for place in zip(pieces, starts, before, strict=False)]


def _end(places: list[Place]) -> tuple[int, Fraction]:
    return (places[-1].start_ns + places[-1].piece.span_ns, places[-1].end) if places else (0, Fraction(0))


def _find(places: list[Place], lines: Fraction) -> Place:
    """Return the piece in which the line after that many lines is due; a piece without lines is skipped."""
    index = bisect_right(places, lines, key=lambda place: place.before) - 1
    return places[index]


def _count(places: list[Place], ns: int) -> Fraction:
    index = bisect_right(places, ns, key=lambda place: place.start_ns) - 1
    place = places[index]
    inside = min(ns - place.start_ns, place.piece.span_ns)
    if isinstance(place.piece, Flat):
        return place.before + place.piece.mass * inside / place.piece.span_ns
    if inside == place.piece.span_ns:
        return place.end
    return place.before + Fraction(place.piece.count(inside))
