"""Waiting for a quiet moment of the processors that measure, within a time limit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.measure.pairs.side import cores
from harness.progress import Progress, Step

__all__ = ["BUSY", "Moment", "Watch", "processors", "wait_for_quiet"]

# Up to this share of a processor's time is what an idle system does by itself.
BUSY = 0.1
# How long one look takes; a shorter one would take a pause between two bursts for quiet.
_LOOK_S = 2.0
# Linux: ticks since boot, of each processor, by what they were spent on.
_STAT = Path("/proc/stat")
_IDLE, _IOWAIT = 3, 4
_TICK_COLUMNS = 8

Watch = Callable[[float], float | None]


@dataclass(frozen=True, slots=True)
class Moment:
    """The result of waiting: whether it is quiet now, the seconds waited, and how busy a processor was at the end.

    `busy` is the share of the time of the busiest processor of those that measure, steal by other guests included; None
    where the system has no figures, and then it counts as quiet.
    """

    quiet: bool
    waited_s: float
    busy: float | None


def _ticks() -> dict[int, tuple[int, int]]:
    """Return the idle ticks and all ticks of each processor; empty where the system has none."""
    result = {}
    try:
        for line in _STAT.read_text(encoding="ascii").splitlines():
            name, *columns = line.split()
            if name.startswith("cpu") and name != "cpu":
                # What guests of this machine take is counted in user time already.
                ticks = [int(column) for column in columns[:_TICK_COLUMNS]]
                result[int(name[3:])] = ticks[_IDLE] + ticks[_IOWAIT], sum(ticks)
    except (OSError, ValueError, IndexError):
        return {}
    return result


def processors(seconds: float) -> float | None:
    """Sleep `seconds` and return how busy the busier of the measuring processors was meanwhile, as a share."""
    before = _ticks()
    time.sleep(seconds)
    after, chosen = _ticks(), cores()
    shares = [
        1 - (after[core][0] - before[core][0]) / elapsed
        for core in {chosen.measured, chosen.home}
        if core in before and core in after and (elapsed := after[core][1] - before[core][1]) > 0
    ]
    return min(1.0, max(0.0, *shares)) if shares else None


def wait_for_quiet(
    longest_s: float,
    watch: Watch = processors,
    progress: Progress = lambda _step: None,
    *,
    bearable: float = BUSY,
    now: Callable[[], float] = time.monotonic,
) -> Moment:
    """Wait until the processors are at most `bearable` busy, for at most `longest_s` seconds; look once in any case.

    Apart from the first, no look ends later than that.
    """
    started, busy = now(), None
    while True:
        busy = watch(_LOOK_S)
        waited = now() - started
        if busy is None or busy <= bearable:
            return Moment(quiet=True, waited_s=waited, busy=busy)
        if waited + _LOOK_S > longest_s:
            return Moment(quiet=False, waited_s=waited, busy=busy)
        progress(Step(waited / longest_s, longest_s - waited, f"waiting for a quiet moment ({busy:.0%} busy)"))
