"""Numbers as a reader wants them: units, rounding and intervals, alike within one column."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "COUNT",
    "UNKNOWN",
    "MeasuredValue",
    "Unit",
    "finite",
    "percent",
    "plain",
    "plus_minus",
    "unit_for",
    "with_interval",
]

UNKNOWN = "–"
_MOST_DIGITS = 5
_THIN = "\u202f"  # between thousands: no comma that an interval could be taken apart by


def finite(value: float | None) -> float | None:
    """Return a finite number, else None: a report says "not known", never "nan"."""
    return None if value is None or not math.isfinite(value) else value


@dataclass(frozen=True, slots=True)
class MeasuredValue:
    """A value and the ends of its 95 % interval; None is what is not known, or not bounded by so few pairs."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


NOT_KNOWN = MeasuredValue()


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit for a whole column: divide by `scale`."""

    name: str
    scale: float


COUNT = Unit("", 1.0)
_TIMES = (Unit("ns", 1.0), Unit("µs", 1e3), Unit("ms", 1e6), Unit("s", 1e9))
_SIZES = (Unit("bytes", 1.0), Unit("KiB", 2.0**10), Unit("MiB", 2.0**20), Unit("GiB", 2.0**30))
_COUNTS = (COUNT, Unit("thousand", 1e3), Unit("million", 1e6))


def unit_for(values: Iterable[float | None], axis: str = "ns") -> Unit:
    """Return the unit in which the middle one of the values has one to three digits before the point.

    `axis` is ``ns`` (or ``wall_ns``) for durations and ``bytes`` for memory; anything else is a count, with its own
    name left to the caller.
    """
    units = _TIMES if axis in {"ns", "wall_ns"} else _SIZES if axis == "bytes" else _COUNTS
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
    if 0.99 < known < 1:
        # Nearly all is not all.
        return f"{sign}{_fixed(known * 100, _decimals((1 - known) * 100)).rstrip('0')}{_THIN}%"
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
