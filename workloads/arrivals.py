"""Due times of lines, in exact nanoseconds from the start: a pure function of the line's number."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workloads import files
from workloads.errors import GrammarError
from workloads.grammar import Term, quoted
from workloads.poisson import BITS, LEAF, UnitPoisson
from workloads.rate_law import NS, Flat, Piece, RateLaw, Slope, Wave

__all__ = ["Arrivals", "ClosedLoop", "Jittered", "Scheduled", "Timestamps", "make_arrivals"]

# Some 146 years; twice as many nanoseconds would leave 64 bits.
_MAX_DUE_NS = 2**62
_HOUR_NS = 3600 * NS
_CHUNK = 2**16


class Arrivals(Protocol):
    """The due times of all lines, available at any position."""

    @property
    def total(self) -> int | None:
        """The number of lines; None if they never end."""

    def due(self, first: int, n: int) -> NDArray[np.int64]:
        """Return nanoseconds from the start for lines first … first + n - 1, never decreasing; they must exist.

        Neither the time this takes nor its error grows with `first`.
        """

    def count_until(self, duration_ns: int) -> int:
        """Return the number of lines due before that instant."""


class Scheduled:
    """Schedule without jitter: line i is due when the law has reached i lines, rounded down to a nanosecond.

    lines ^        _-i
          |     _-‾  |
          |  _-‾     |
          +----------+--> t        due(i) = floor(min { t : N(t) >= i })
    """

    __slots__ = ("_law",)

    def __init__(self, law: RateLaw) -> None:
        self._law = law

    @property
    def total(self) -> int | None:
        """The number of lines of the law, its first one at zero lines."""
        total = self._law.total
        return None if total is None else math.ceil(total)

    def due(self, first: int, n: int) -> NDArray[np.int64]:
        """Return the nanoseconds at which the law reaches first, first + 1, … lines."""
        out = np.empty(n, dtype=np.int64)
        done = 0
        while done < n:
            line = first + done
            place = self._law.at(Fraction(line))
            inside = line - place.before
            take = min(n - done, math.ceil(place.end) - line, _CHUNK)
            if isinstance(place.piece, Flat):
                ns = place.piece.after_exactly(inside, take)
            else:
                # Counted from the piece's first line, whoever asks, so that rounding never depends on the block.
                k = inside.numerator // inside.denominator
                lines = np.arange(k, k + take, dtype=np.float64) + float(inside - k)
                ns = place.piece.after(lines)
            out[done : done + take] = ns
            out[done : done + take] += place.start_ns
            done += take
        return out

    def count_until(self, duration_ns: int) -> int:
        """Return the number of lines due before that instant: the law there, rounded up."""
        return _settle(self, math.ceil(self._law.count(duration_ns)), duration_ns)


class Jittered:
    """Poisson process that follows the law: line i is due when the law reaches the (i+1)-th event of a unit process.

    The events T_1, T_2, … of a process of rate one, mapped through the inverse of N, have the rate N' (Cinlar:
    "Introduction to stochastic processes", 1975, 4.7).
    """

    __slots__ = ("_law", "_unit")

    def __init__(self, law: RateLaw, seed: int) -> None:
        self._law = law
        self._unit = UnitPoisson(seed)

    @property
    def total(self) -> int | None:
        """The number of events before the law ended."""
        total = self._law.total
        return None if total is None else self._events_before(total)

    def due(self, first: int, n: int) -> NDArray[np.int64]:
        """Return the nanoseconds at which the law reaches the events first + 1, first + 2, …."""
        out = np.empty(n, dtype=np.int64)
        done = 0
        while done < n:
            leaf, skip = divmod(first + done, LEAF)
            take = min(n - done, LEAF - skip)
            start, offsets = self._unit.leaf(leaf)
            out[done : done + take] = self._through_law(start, offsets[skip : skip + take])
            done += take
        return out

    def _through_law(self, start: int, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        out = np.empty(offsets.size, dtype=np.int64)
        done = 0
        while done < offsets.size:
            place = self._law.at(Fraction(start + int(offsets[done]), 2**BITS))
            # What the piece holds, in the process' units; floors keep every comparison in whole numbers.
            before, end = (math.ceil(lines * 2**BITS) for lines in (place.before, place.end))
            take = max(int(offsets[done:].searchsorted(end - start, "left")), 1) if end - start < 2**62 else None
            part = offsets[done:] if take is None else offsets[done : done + take]
            lines = _difference(start - before, part, place.piece.mass)
            out[done : done + part.size] = place.piece.after(lines) + place.start_ns
            done += part.size
        return out

    def count_until(self, duration_ns: int) -> int:
        """Return the number of lines due before that instant."""
        return _settle(self, self._events_before(self._law.count(duration_ns)), duration_ns)

    def _events_before(self, lines: Fraction) -> int:
        """Return the number of events T with T < lines."""
        bound = math.ceil(lines * 2**BITS)
        low, high = 0, 1
        while self._unit.start(high) < bound:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._unit.start(middle) < bound else (low, middle)
        start, offsets = self._unit.leaf(low)
        return low * LEAF + int(offsets.searchsorted(min(bound - start, 2**62), "left"))


def _difference(base: int, offsets: NDArray[np.int64], mass: Fraction) -> NDArray[np.float64]:
    """Return (base + offsets) / 2^BITS as floats that never decrease, whatever the block.

    Computed in whole numbers, coarse enough for a piece's `mass` lines to fit into 62 bits, so that only the last step
    rounds, and rounding preserves the order.
    """
    shift = max(0, (math.ceil(mass) << BITS).bit_length() - 61)
    high, low = divmod(base, 1 << shift)
    whole = ((offsets + low) >> shift) + high
    lines: NDArray[np.float64] = np.maximum(whole, 0).astype(np.float64) * 2.0 ** (shift - BITS)
    return lines


def _settle(arrivals: Arrivals, guess: int, duration_ns: int) -> int:
    """Return the exact number of lines due before that instant, from a guess with a rounding error."""
    total = arrivals.total
    while guess > 0 and int(arrivals.due(guess - 1, 1)[0]) >= duration_ns:
        guess -= 1
    while (total is None or guess < total) and int(arrivals.due(guess, 1)[0]) < duration_ns:
        guess += 1
    return guess


class Timestamps:
    """Due times read from a file, counted from its first timestamp."""

    __slots__ = ("_due",)

    def __init__(self, due_ns: NDArray[np.int64]) -> None:
        self._due = due_ns

    @property
    def total(self) -> int:
        """The number of timestamps."""
        return self._due.size

    def due(self, first: int, n: int) -> NDArray[np.int64]:
        """Return the timestamps themselves."""
        return self._due[first : first + n].copy()

    def count_until(self, duration_ns: int) -> int:
        """Return the number of timestamps before that instant."""
        return int(self._due.searchsorted(duration_ns, "left"))


class ClosedLoop:
    """No schedule: each line is due as soon as the one before it is done, so all due times are zero."""

    total = None

    def due(self, _first: int, n: int) -> NDArray[np.int64]:
        """Return zeros."""
        return np.zeros(n, dtype=np.int64)

    def count_until(self, _duration_ns: int) -> int:
        """Raise: without a schedule the number depends on a clock."""
        raise ValueError("a closed loop has no due times to count")


def make_arrivals(terms: Sequence[Term], seed: int) -> Arrivals:
    """Return the arrivals of parsed `arrivals`; raises `GrammarError` where the values contradict each other."""
    (term,) = terms
    try:
        if term.name == "max":
            return ClosedLoop()
        if term.name == "replay":
            return Timestamps(_timestamps(term))
        law = _LAWS[term.name](term)
        if term.name == "poisson" or term.text("jitter") == "poisson":
            return Jittered(law, seed)
        return Scheduled(law)
    except GrammarError as error:
        raise GrammarError(str(error), field="arrivals", value=term.name) from None


def _steady(rate: Fraction) -> list[Piece]:
    # An hour at a time, so that numbers inside a piece stay small for ever.
    return [Flat(_HOUR_NS, rate * (_HOUR_NS // NS))] if rate else []


def _constant(term: Term) -> RateLaw:
    return RateLaw([], _steady(term.fraction("rate")))


def _ramp(term: Term) -> RateLaw:
    start, end, over = term.fraction("from"), term.fraction("to"), term.integer("over")
    if not start and not end:
        raise GrammarError("from and to must not both be 0")
    piece: Piece = Flat(over, start * over / NS) if start == end else Slope(over, start / NS, end / NS)
    return RateLaw([piece], _steady(end))


def _steps(term: Term) -> RateLaw:
    rates, each = term.fractions("rates"), term.integer("each")
    if not any(rates):
        raise GrammarError("one of the rates must be above 0")
    return RateLaw([Flat(each, rate * each / NS) for rate in rates], _steady(rates[-1]))


def _sine(term: Term) -> RateLaw:
    rate, span = term.fraction("rate"), term.integer("period")
    return RateLaw([], [Wave(span, rate * span / NS, float(term.fraction("amplitude")))])


def _burst(term: Term) -> RateLaw:
    rate, span = term.fraction("rate"), term.integer("period")
    busy = math.floor(span * term.fraction("duty"))
    pieces: list[Piece] = [Flat(busy, rate * span / NS)]
    if span > busy:
        pieces.append(Flat(span - busy, Fraction(0)))
    return RateLaw([], pieces)


# Traffic at each full hour, relative to the others: a night, a late morning, lunch, an afternoon, an evening.
_HOURS = (20, 14, 10, 8, 8, 12, 25, 50, 90, 130, 155, 160, 140, 135, 150, 158, 150, 130, 105, 85, 70, 55, 40, 28)


def _day(term: Term) -> RateLaw:
    span = term.integer("period")
    ends = [span * hour // len(_HOURS) for hour in range(len(_HOURS) + 1)]
    first = term.integer("from") % len(_HOURS)
    hours = (*_HOURS[first:], *_HOURS[:first])
    around = (*hours, hours[0])
    # Hours of a compressed day may differ by a nanosecond; the day holds exactly the lines of its mean rate even so.
    area = sum(Fraction(a + b, 2) * (y - x) for (x, y), (a, b) in zip(pairwise(ends), pairwise(around), strict=True))
    levels = [level * term.fraction("rate") * span / NS / area for level in around]
    slopes = [
        Flat(end - start, low * (end - start)) if low == high else Slope(end - start, low, high)
        for (start, end), (low, high) in zip(pairwise(ends), pairwise(levels), strict=True)
    ]
    return RateLaw([], slopes)


_LAWS: dict[str, Callable[[Term], RateLaw]] = {
    "constant": _constant,
    "poisson": _constant,
    "ramp": _ramp,
    "steps": _steps,
    "sine": _sine,
    "burst": _burst,
    "day": _day,
}
_UNITS = {"s": 9, "ms": 6, "us": 3, "ns": 0}


def _timestamps(term: Term) -> NDArray[np.int64]:
    path = term.text("path")
    scale, speed = 10 ** _UNITS[term.text("unit")], term.fraction("speed")
    times = [_timestamp(path, number, line) for number, line in enumerate(files.read_lines(path), 1)]
    due = [int((time - times[0]) * scale / speed) for time in times]
    for number, (earlier, later) in enumerate(pairwise(due), 2):
        if later < earlier:
            raise GrammarError(f"line {number} of {quoted(path)} is earlier than the one before; sort the file")
    if due[-1] > _MAX_DUE_NS:
        raise GrammarError(f"the timestamps of {quoted(path)} span more than 146 years; is the unit right?")
    return np.array(due, dtype=np.int64)


def _timestamp(path: str, number: int, line: bytes) -> Fraction:
    try:
        value = Decimal(line.decode().strip())
        if value.is_finite() and abs(value.adjusted()) < 40:
            return Fraction(value)
    except (InvalidOperation, UnicodeDecodeError, ValueError):
        pass
    raise GrammarError(f"line {number} of {quoted(path)} is not a timestamp; each line holds one number")
