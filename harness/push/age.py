"""The age of the newest value at a sink, over the time of a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Ages", "ages"]


@dataclass(frozen=True, slots=True)
class Ages:
    """How old the newest value at the sink was, in ns, at all moments of a run: shares of the time, not of values."""

    p50: float
    p99: float
    max: float
    mean: float


def ages(arrivals: Sequence[tuple[int, int]], begin_ns: int, end_ns: int) -> Ages:
    """Return the ages from `begin_ns` to `end_ns`, from when each value was sent and when it could be read, in order.

    At any moment the age is the time since the newest value that could be read was sent. Until the first of the run
    could be read it counts from `begin_ns`, before which there was nothing to send. Without any arrival it therefore
    grows to the length of the run. Raises `ValueError` where the run took no time.
    """
    if end_ns <= begin_ns:
        raise ValueError("ages are those of a run that took some time")
    pieces = list(_pieces(arrivals, begin_ns, end_ns))
    total = end_ns - begin_ns
    # The age grows by as much as time passes, so each piece covers the ages from its first to its last evenly.
    mean = sum((last * last - first * first) / 2 for first, last in pieces) / total
    return Ages(
        _quantile(pieces, 0.5 * total), _quantile(pieces, 0.99 * total), float(max(last for _, last in pieces)), mean
    )


def _pieces(arrivals: Sequence[tuple[int, int]], begin_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last age between two arrivals."""
    newest, since = begin_ns, begin_ns
    for sent, read in arrivals:
        if read >= end_ns:
            break
        if read > since:
            yield since - newest, read - newest
            since = read
        newest = max(newest, min(sent, read))
    yield since - newest, end_ns - newest


def _quantile(pieces: Sequence[tuple[int, int]], wanted_ns: float) -> float:
    """Return the age below which the newest value was for `wanted_ns` of the time."""
    edges = sorted([(first, 1) for first, _ in pieces] + [(last, -1) for _, last in pieces])
    covered, active, before = 0.0, 0, edges[0][0]
    for age, change in edges:
        step = active * (age - before)
        if step and covered + step >= wanted_ns:
            return before + (wanted_ns - covered) / active
        covered += step
        active += change
        before = age
    return float(before)
