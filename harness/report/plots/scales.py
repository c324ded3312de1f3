"""Scales and ticks of an axis: from a figure to its place, and the round numbers to label."""

import math
from collections.abc import Callable

__all__ = ["Scale", "linear_scale", "linear_ticks", "log_scale", "log_ticks"]

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
