"""Units, rounding and axis ticks: numbers as a reader wants them, alike within one column."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.report.model import MeasuredValue, finite

__all__ = [
    "COUNT",
    "Scale",
    "Unit",
    "linear_scale",
    "linear_ticks",
    "log_scale",
    "log_ticks",
    "percent",
    "plain",
    "plus_minus",
    "unit_for",
    "with_interval",
]

UNKNOWN = "–"
_MOST_DIGITS = 5
_THIN = "\u202f"  # between thousands: no comma that an interval could be taken apart by


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit for a whole column: divide by `scale`."""

    name: str
    scale: float


COUNT = Unit("", 1.0)
_TIMES = (Unit("ns", 1.0), Unit("µs", 1e3), Unit("ms", 1e6), Unit("s", 1e9))
_COUNTS = (COUNT, Unit("thousand", 1e3), Unit("million", 1e6))


def unit_for(values: Iterable[float | None], axis: str = "ns") -> Unit:
    """Return the unit in which the middle one of the values has one to three digits before the point.

    `axis` is ``ns`` (or ``wall_ns``) for durations; anything else is a count, with its own name left to the caller.
    """
    units = _TIMES if axis in {"ns", "wall_ns"} else _COUNTS
    sizes = sorted(abs(value) for value in values if value is not None and math.isfinite(value) and value)
    if not sizes:
        return units[0]
    middle = sizes[len(sizes) // 2]
    return next((unit for unit in reversed(units) if middle >= unit.scale), units[0])


def _decimals(step: float) -> int:
    """Return how many decimals show two digits of `step`."""
    return max(0, 1 - math.floor(math.log10(step))) if step > 0 else 0


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}".replace(",", _THIN)
    nothing = not any(digit in text for digit in "123456789")
    return text.removeprefix("-") if nothing else text.replace("-", "−")


def plain(value: float | None, digits: int = 3) -> str:
    """Return a number in `digits` significant digits, whole ones whole; – for None or NaN."""
    known = finite(value)
    if known is None:
        return UNKNOWN
    # A float from arithmetic on ticks is whole but for its last bit.
    if abs(known) < 1e15 and math.isclose(known, round(known), abs_tol=1e-12):
        return _fixed(known, 0)
    size = math.floor(math.log10(abs(known)))
    if not -5 <= size <= 14:
        return f"{known:.{digits - 1}e}".replace("-", "−")
    return _fixed(known, max(0, digits - 1 - size))


def percent(share: float | None, *, signed: bool = False) -> str:
    """Return a share as a percentage in two significant digits."""
    known = finite(share)
    if known is None:
        return UNKNOWN
    sign = "+" if signed and known > 0 else ""
    return f"{sign}{plain(known * 100, 2 if abs(known) < 1 else 3)}{_THIN}%"


def with_interval(measured: MeasuredValue, unit: Unit = COUNT) -> tuple[str, str]:
    """Return value and interval as texts, both rounded to two digits of the interval's half-width.

    The interval reads ``93.1–97.5``, or ``−0.3 to 0.2`` where a sign would be lost in a dash; empty when not bounded.
    """
    value, low, high = (_scaled(part, unit) for part in (measured.value, measured.low, measured.high))
    if value is None:
        return UNKNOWN, ""
    if low is None or high is None:
        return plain(value), ""
    half = (high - low) / 2
    size = max(abs(low), abs(high))
    # More than five digits say nothing to a reader, however narrow the interval.
    most = max(0, _MOST_DIGITS - 1 - math.floor(math.log10(size))) if size > 0 else 0
    decimals = min(_decimals(half) if half > 0 else _decimals(abs(value) / 10), most)
    joint = "–" if low >= 0 else " to "
    return _fixed(value, decimals), f"{_fixed(low, decimals)}{joint}{_fixed(high, decimals)}"


def plus_minus(measured: MeasuredValue, unit: Unit = COUNT) -> str:
    """Return value and interval in one short text, ``95.3 ±1.9``; an interval that is not even keeps its ends."""
    value, interval = with_interval(measured, unit)
    if not interval or measured.value is None or measured.low is None or measured.high is None:
        return value
    below, above = measured.value - measured.low, measured.high - measured.value
    if abs(above - below) > 0.05 * (above + below):
        return f"{value} ({interval})"
    decimals = len(value.partition(".")[2])
    return f"{value} ±{_fixed((below + above) / 2 / unit.scale, decimals)}"


def _scaled(value: float | None, unit: Unit) -> float | None:
    known = finite(value)
    return None if known is None else known / unit.scale


Scale = Callable[[float], float]


def linear_scale(low: float, high: float, start: float, end: float) -> Scale:
    """Return the map of low..high to start..end; a span of nothing maps to the middle."""
    span = high - low
    if not span or not math.isfinite(span):
        return lambda _value: (start + end) / 2
    return lambda value: start + (value - low) / span * (end - start)


def log_scale(low: float, high: float, start: float, end: float) -> Scale:
    """Return the same for logarithms; what is not above zero is drawn at the low end."""
    inner = linear_scale(math.log10(low), math.log10(high), start, end)
    return lambda value: inner(math.log10(value)) if value > 0 else start


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers (1, 2 or 5 times a power of ten apart) within low..high, at most about `most`."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Return 1, 2, 5 times powers of ten within low..high, thinned to powers of ten where they would crowd."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    for ticks in (fine, [10.0**power for power in powers], [10.0**power for power in powers if power % 2 == 0]):
        inside = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(inside) <= most:
            return inside
    every = -(-len(powers) // most)
    return [10.0**power for power in list(powers)[::every] if low <= 10.0**power <= high]
