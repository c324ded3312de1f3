"""Processes of an event loop without any process: windows, requests and a heartbeat under a stall of known size."""

import numpy as np

from harness.measure.questions.event_loop.effect import LoopEffect, LoopPoint, LoopTrace, loop_effect
from harness.measure.questions.scraping.gate import Windows

MS = 1_000_000
BEAT_NS = MS
REST_NS = 50_000


def loop_trace(
    stall_ms: float, seed: int = 1, windows: int = 10, page_kib: float = 100.0, lost: int = 0, failed: int = 0
) -> LoopTrace:
    """Return a process whose loop stands still for `stall_ms` in each scrape, and else runs everything 50 µs late."""
    rng = np.random.default_rng(seed)
    flags = tuple(bool(each) for each in rng.permutation([i % 2 == 0 for i in range(windows)]))
    schedule = Windows(1000 * MS, 500 * MS, flags)
    stall_ns = round(stall_ms * MS)
    begins = [schedule.start_ns + i * schedule.window_ns + 150 * MS for i, scraped in enumerate(flags) if scraped]
    served = np.array([(begin, begin + max(stall_ns, MS)) for begin in begins], dtype=np.int64).reshape(-1, 2)
    beats = schedule.start_ns + np.arange(windows * 500, dtype=np.int64) * BEAT_NS
    due = schedule.start_ns + np.arange(windows * 200, dtype=np.int64) * 2_500_000
    ends = due + _delays(due, begins, stall_ns)
    ends[:failed] = 0
    return LoopTrace(
        schedule=schedule, served=served, beats=_delays(beats, begins, stall_ns), beat_ns=BEAT_NS, due=due,
        starts=due + 10_000, ends=ends, page_bytes=round(page_kib * 1024), series=1000, recorded=len(due),
        shown=len(due) - lost,
    )  # fmt: skip


def _delays(due: np.ndarray, begins: list[int], stall_ns: int) -> np.ndarray:
    """Return how late what is due runs, where nothing runs from each of `begins` for `stall_ns`."""
    delays = np.full(len(due), REST_NS, dtype=np.int64)
    for begin in begins:
        held = (due >= begin) & (due < begin + stall_ns)
        delays[held] += begin + stall_ns - due[held]
    return delays


def effect_of(
    deployment: str, stall_ms: float, page_kib: float, series: int = 1000, processes: int = 5, **changed: int
) -> LoopEffect:
    """Return the effect of processes whose stalls are within 2 % of `stall_ms`."""
    traces = [
        loop_trace(stall_ms * (1 + 0.01 * (i - processes // 2)), i + 1, page_kib=page_kib, **changed)
        for i in range(processes)
    ]
    return loop_effect(LoopPoint(deployment, series), traces, rate=400.0)
