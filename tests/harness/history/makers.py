"""Small kept results for the tests of history."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history.envelope import Envelope
from harness.history.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
HERE = {"machine": {"cpu": "here"}, "epoch": "here", "versions": {}}
THERE = {"machine": {"cpu": "there"}, "epoch": "there", "versions": {}}


def experiment(
    ratio: float = 2.0, *, head: str = "x", half: float = 0.01, pairs: int = 20, **factors: Any
) -> dict[str, Any]:
    """Return one experiment whose ratio's 95 % interval is a factor of 1 + `half` to each side."""
    return {
        "axis": "wall_ns", "base": "none", "head": head, "factors": factors or {"series": 1}, "pairs": pairs,
        "base_per_line": 100.0, "head_per_line": 100.0 * ratio, "cost_per_line": 100.0 * (ratio - 1),
        "cost_interval": [100.0 * (ratio - 1) - 1, 100.0 * (ratio - 1) + 1], "ratio": ratio,
        "ratio_interval": [ratio / (1 + half), ratio * (1 + half)], "minimal_detectable_effect": 0.01,
        "null": {"ratio": 1.0, "ratio_interval": [0.99, 1.01]}, "verdict": "slower",
        "raw_pairs": [{"head_per_line": 100.0 * ratio * (1 + 0.01 * i), "void": ""} for i in range(4)],
    }  # fmt: skip


def overhead(*ratios: float, **options: Any) -> dict[str, Any]:
    """Return an overhead document with one experiment for each ratio, of heads a, b, c and so on."""
    return {
        "schema_version": 1,
        "experiments": [experiment(r, head=chr(97 + i), **options) for i, r in enumerate(ratios)],
    }


def keep_series(
    store: Store, ratios: Sequence[float], *, fingerprint: dict[str, Any] = HERE, first: int = 0
) -> list[Envelope]:
    """Keep one overhead document an hour, one for each ratio."""
    return [
        store.save("overhead", overhead(r), fingerprint=fingerprint, created=START + timedelta(hours=first + i))
        for i, r in enumerate(ratios)
    ]


def ar1(rng: np.random.Generator, series: int, runs: int, phi: float) -> NDArray[np.float64]:
    """Return stationary AR(1) noise of marginal standard deviation 1, series x runs."""
    shocks = rng.standard_normal((series, runs))
    noise = np.empty((series, runs))
    noise[:, 0] = shocks[:, 0]
    for t in range(1, runs):
        noise[:, t] = phi * noise[:, t - 1] + math.sqrt(1 - phi * phi) * shocks[:, t]
    return noise
