"""The self-test: injects known delays and compares the measured costs with them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Terms
from harness.measure.result import Experiments, Interval
from harness.measure.stats import binomial_interval, power_of
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison
from harness.measure.worker.delay import FLOOR_NS
from harness.progress import Progress, part_of

__all__ = [
    "ABSOLUTE_NS",
    "SELF_TESTED",
    "SHARES",
    "Recovered",
    "SelfTest",
    "delayed_pair",
    "measure_self_test",
    "recovered",
]

SHARES = (0.005, 0.01, 0.02, 0.05, 0.10)
ABSOLUTE_NS = 5000.0
SELF_TESTED = "prometheus-client"
_CLOSE = 0.02

Overhead = Callable[[Sequence[Comparison], Terms, Progress], Experiments]


class Recovered(BaseModel):
    """One injected delay and its measurements; times in ns per line."""

    model_config = ConfigDict(frozen=True)

    share: float | None = Field(description="of the subject's own time; null for the absolute delay")
    injected: float
    recovered: float | None
    recovered_interval: Interval
    covered: bool | None = Field(
        description="whether the interval of the first valid trial contains the injected delay; null without one"
    )
    trials: int = Field(description="number of trials that were not void")
    found: int = Field(description="number of these with the verdict `slower`")
    found_interval: tuple[float, float] = Field(description="of the share detected, exact binomial, 95 %")
    predicted_power: float = Field(description="from the pairs' spread, by the noncentral t")
    close: bool | None = Field(
        description="recovered within 2 % of the injected; null where the interval is too wide for that"
    )
    void: int = Field(0, description="number of void trials, which are not used")


class SelfTest(BaseModel):
    """The power curve and the recovered delays, with the documents of all trials."""

    model_config = ConfigDict(frozen=True)

    subject: str
    subject_ns: float
    delays: list[Recovered]
    documents: list[Experiments]


def delayed_pair(instrument: str, delay_ns: float) -> Comparison:
    """Return `instrument` against itself with `delay_ns` more per line; both sides wait, so that only that differs."""
    base = Subject(instrument=instrument, delay_ns=FLOOR_NS)
    return Comparison(base, Subject(instrument=instrument, delay_ns=FLOOR_NS + delay_ns))


def recovered(injected: float, share: float | None, index: int, documents: Sequence[Experiments]) -> Recovered:
    """Return the result for one delay, `injected` ns per line: the experiment number `index` of each document."""
    experiments = [document.experiments[index] for document in documents]
    trials = [experiment for experiment in experiments if experiment.verdict != "void"]
    detections = sum(trial.verdict == "slower" for trial in trials)
    common: dict[str, Any] = {
        "share": share,
        "injected": injected,
        "trials": len(trials),
        "found": detections,
        "found_interval": binomial_interval(detections, len(trials)),
        "void": len(experiments) - len(trials),
    }
    if not trials:
        return Recovered(
            recovered=None, recovered_interval=(None, None), covered=None, predicted_power=0.0, close=None, **common
        )
    first = trials[0]
    low, high = first.cost_interval
    half = (high - low) / 2 if low is not None and high is not None else math.inf
    close = None
    if first.cost_per_line is not None and half <= _CLOSE * injected:
        close = abs(first.cost_per_line - injected) <= _CLOSE * injected
    spread = first.log_ratio_sd
    relative = injected / first.base_per_line if first.base_per_line else 0.0
    return Recovered(
        recovered=first.cost_per_line,
        recovered_interval=first.cost_interval,
        covered=low is not None and high is not None and low <= injected <= high,
        predicted_power=0.0 if spread is None else power_of(relative, spread, first.pairs),
        close=close,
        **common,
    )


def _measured_ns(instrument: str, overhead: Overhead) -> float:
    """Return the ns per line of the base, from a few short pairs."""
    quick = Terms(budget_s=0.001, fewest=3, plan=BlockPlan(rounds=5), control=False)
    per_line = overhead([delayed_pair(instrument, 0.0)], quick, lambda _step: None).experiments[0].base_per_line
    if per_line is None:
        raise RuntimeError("no pair of the self-test counted")
    return per_line


def measure_self_test(
    terms: Terms,
    progress: Progress = lambda _step: None,
    *,
    instrument: str = SELF_TESTED,
    trials: int = 1,
    overhead: Overhead | None = None,
) -> SelfTest:
    """Inject 0.5, 1, 2, 5 and 10 % of the subject's time and 5 µs, side by side, and return the measured delays.

    Each of the `trials` is a separate measurement under `terms`, with its own seed.
    """
    run: Overhead = overhead or measure_overhead
    per_line = _measured_ns(instrument, run)
    injected = [*(share * per_line for share in SHARES), ABSOLUTE_NS]
    comparisons = [delayed_pair(instrument, delay) for delay in injected]
    documents: list[Experiments] = []
    for trial in range(trials):
        report = part_of(progress, trial / trials, 1 / trials, then_s=0.0 if trials == 1 else None)
        documents.append(run(comparisons, _of_trial(terms, trial, trials), report))
        if documents[-1].interrupted:
            break
    shares = [*SHARES, None]
    delays = [recovered(delay, shares[i], i, documents) for i, delay in enumerate(injected)]
    return SelfTest(subject=instrument, subject_ns=per_line, delays=delays, documents=documents)


def _of_trial(terms: Terms, trial: int, trials: int) -> Terms:
    """Return the terms of one trial: its own seed, and as many controls in the call as there are trials."""
    return replace(terms, seed=terms.seed + trial, controls=max(terms.controls or 0, trials))
