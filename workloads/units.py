"""Rates, durations, sizes, counts and fractions as people write them: ``5k/s``, ``250ms``, ``64KiB``, ``2%``."""

import math
import re
from fractions import Fraction

from workloads.errors import GrammarError

__all__ = [
    "format_duration",
    "format_exact_duration",
    "format_size",
    "parse_count",
    "parse_duration_ns",
    "parse_fraction",
    "parse_number",
    "parse_rate",
    "parse_share",
    "parse_size",
]

_NUMBER = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?)\s*(\S*)\s*", re.ASCII | re.IGNORECASE)

_DURATIONS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # MICRO SIGN
    "μs": 10**3,  # GREEK SMALL LETTER MU
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
_SIZES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_MULTIPLES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}

MAX_DURATION_NS = 366 * _DURATIONS["d"]
MIN_RATE = Fraction(1, 86_400)
MAX_RATE = 10**9
MAX_COUNT = 10**15
MAX_SIZE = 2**30
# Longer numbers than this mean nothing here, and Python refuses to convert several thousand digits.
_MAX_DIGITS = 60


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _MAX_DIGITS else f"{text[:_MAX_DIGITS]}…")


def _split(text: str, what: str, example: str) -> tuple[Fraction, str]:
    match = _NUMBER.fullmatch(text)
    if match is None or len(match[1]) > _MAX_DIGITS:
        shown = text if len(text) <= _MAX_DIGITS else f"{text[:_MAX_DIGITS]}…"
        raise GrammarError(f"{shown!a} is not a {what}; write it like {example}")
    # Fraction reads decimals exactly, so 0.1s is 100 000 000 ns and not one less.
    return Fraction(match[1].replace("_", "")), match[2]


def _scaled(text: str, what: str, example: str, units: dict[str, int]) -> Fraction:
    number, unit = _split(text, what, example)
    scale = units.get(unit) or units.get(unit.lower())
    if scale is None:
        known = ", ".join(u for u in units if u and u.isascii())
        raise GrammarError(
            f"{_quoted(text)} has an unknown unit {_quoted(unit)}; a {what} is written like {example} (units: {known})"
        )
    return number * scale


def _bounded(value: Fraction, text: str, what: str, low: int, high: int, example: str) -> Fraction:
    if not low <= value <= high:
        raise GrammarError(f"{_quoted(text)} is out of range for a {what}; write something like {example}")
    return value


def parse_duration_ns(text: str) -> int:
    """Return the nanoseconds of a duration such as ``250ms``, ``10s``, ``2m`` or ``1.5h``; a unit is required.

    Raises `GrammarError` for anything else, for zero, negatives, and more than 366 days.
    """
    value = _scaled(text, "duration", "250ms, 10s or 2m", {**_DURATIONS})
    return int(_bounded(value, text, "duration", 1, MAX_DURATION_NS, "250ms, 10s or 2m"))


def parse_rate(text: str) -> Fraction:
    """Return lines per second, exactly, from ``5000``, ``5k``, ``5000/s``, ``1.5k/s``, ``300/m`` or ``10/h``.

    Raises `GrammarError` for zero, negatives, less than one a day, and more than a billion a second.
    """
    number, _, per = text.partition("/")
    if "/" in text and per.strip() not in {"s", "m", "min", "h", "d"}:
        raise GrammarError(f"{_quoted(text)} is not a rate; write it like 5000, 5k, 5000/s or 300/m")
    value = _scaled(number, "rate", "5000, 5k or 5000/s", _MULTIPLES)
    seconds = _DURATIONS[per.strip() or "s"] // _DURATIONS["s"]
    value /= seconds
    if not MIN_RATE <= value <= MAX_RATE:
        raise GrammarError(f"{_quoted(text)} is out of range for a rate; write something like 5000, 5k or 5000/s")
    return value


def parse_size(text: str) -> int:
    """Return the bytes of a size such as ``80``, ``200B``, ``4kB`` or ``64KiB``; zero is allowed, 1 GiB the most."""
    value = _bounded(_scaled(text, "size", "80, 200B or 64KiB", _SIZES), text, "size", 0, MAX_SIZE, "80 or 64KiB")
    if value.denominator != 1:
        raise GrammarError(f"{_quoted(text)} is not a whole number of bytes; write it like 80, 200B or 64KiB")
    return int(value)


def parse_count(text: str) -> int:
    """Return a count such as ``10000``, ``10k`` or ``2M``; at least one."""
    value = _bounded(
        _scaled(text, "count", "10000, 10k or 2M", _MULTIPLES), text, "count", 1, MAX_COUNT, "10000 or 10k"
    )
    if value.denominator != 1:
        raise GrammarError(f"{_quoted(text)} is not a whole number; write it like 10000, 10k or 2M")
    return int(value)


def parse_share(text: str) -> Fraction:
    """Return a share between 0 and 1, exactly, from ``0.02`` or ``2%``."""
    value = _scaled(text, "share", "0.02 or 2%", {"": 100, "%": 1}) / 100
    return _bounded(value, text, "share", 0, 1, "0.02 or 2%")


def parse_fraction(text: str) -> float:
    """Return a share between 0 and 1 from ``0.02`` or ``2%``."""
    return float(parse_share(text))


def parse_number(text: str) -> Fraction:
    """Return a plain number, exactly, from ``0.8``, ``12`` or ``1e3``; its range is the caller's to check."""
    return _scaled(text, "number", "0.8 or 12", {"": 1})


def format_exact_duration(ns: int) -> str:
    """Return nanoseconds as a user would write them, without rounding: ``24h``, ``90s``, ``250ms``."""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        scale = _DURATIONS[unit]
        if ns and ns % scale == 0 and not (unit == "d" and ns == scale):
            return f"{ns // scale}{unit}"
    return f"{ns}ns"


def format_size(size: int) -> str:
    """Return bytes as a user would write them, without rounding: ``80``, ``64KiB``, ``1GiB``."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size and size % scale == 0:
            return f"{size // scale}{unit}"
    return str(size)


def format_duration(ns: float) -> str:
    """Return nanoseconds for a reader, three significant digits and the unit that suits: ``1.25 ms``."""
    if math.isnan(ns):
        return "n/a"
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        # What rounds to a thousand of a unit is one of the next.
        if abs(ns) >= 0.9995 * scale:
            return f"{ns / scale:.3g} {unit}" if abs(ns) < 999.5 * scale else f"{ns / scale:.0f} {unit}"
    return f"{ns:.3g} ns" if abs(ns) < 1000 else f"{ns:.0f} ns"
