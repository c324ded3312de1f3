"""How many lines a second a program can afford: the highest open-loop rate that keeps response p99 under a bound."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import UsageError
from harness.measure.experiment import Progress, Step
from harness.measure.processes import cores
from harness.measure.trial import run_trial
from harness.run.result import RunResult
from harness.run.spec import RunSpec

__all__ = ["Saturation", "Trial", "find_saturation", "rate_trial", "saturate"]

# Below this share of the closed loop's rate nothing is tried: whoever fails there fails for another reason.
_LOWEST_SHARE = 1 / 64


class Trial(BaseModel):
    """One open-loop run in a fresh process."""

    model_config = ConfigDict(frozen=True)

    rate: float = Field(description="lines per second asked for")
    achieved: float
    p99_ns: int | None = Field(description="99th percentile of the response time, from the due time to the end")
    lag_p99_ns: int | None
    sustained: bool


class Saturation(BaseModel):
    """The outcome of one bisection; `rate` is sustained and `above` is not."""

    model_config = ConfigDict(frozen=True)

    instrument: str
    series: int
    bound_ns: int
    closed_loop: float = Field(description="lines per second without a schedule: the ceiling")
    rate: float = Field(description="the highest rate tried that was sustained; 0 when none was")
    above: float = Field(description="the lowest rate tried that was not")
    trials: list[Trial]


@dataclass(frozen=True, slots=True)
class _Try:
    """How a rate is tried."""

    instrument: str
    series: int
    duration: str
    core: int | None

    def run(self, arrivals: str) -> RunResult:
        spec = RunSpec(
            instrument=self.instrument,
            series=str(self.series),
            arrivals=arrivals,
            duration=self.duration,
            scraper="none",
            name="saturation",
        )
        return run_trial(spec, self.core)


def rate_trial(result: RunResult, rate: float, bound_ns: int) -> Trial:
    """Return the trial that a run was: sustained when p99 is within the bound and 99 % of the lines asked for ran."""
    p99, target, achieved = result.response_ns.p99, result.rate.target, result.rate.achieved or 0.0
    kept_up = target is not None and achieved >= 0.99 * target
    sustained = p99 is not None and p99 <= bound_ns and kept_up
    return Trial(rate=rate, achieved=achieved, p99_ns=p99, lag_p99_ns=result.lag_ns.p99, sustained=sustained)


def find_saturation(
    ceiling: float, attempt: Callable[[float], Trial], steps: int, progress: Callable[[int], object] = lambda _i: None
) -> tuple[float, float, list[Trial]]:
    """Return (highest sustained, lowest not sustained, trials in order), by bisection on the logarithm of the rate.

    Response time grows with the rate, so one bracket holds the edge: from `ceiling`, which nothing open-loop can beat,
    down to 1/64 of it. `steps` halvings leave an edge known to a factor of 64 to the power of 2^-steps. A neighbour's
    noise can only fail a rate that would have passed: what is returned is a rate that did pass.
    """
    if not (ceiling > 0 and math.isfinite(ceiling)):
        raise UsageError(f"saturation needs a rate to start from, not {ceiling}")
    low, high = ceiling * _LOWEST_SHARE, ceiling
    passed, failed, trials = 0.0, ceiling, []
    rate = ceiling * 0.7
    for i in range(steps):
        progress(i)
        trials.append(attempt(rate))
        if trials[-1].sustained:
            low = passed = rate
        else:
            high = failed = rate
        # The edge is most often within a factor of two of the ceiling: fall slowly at first, then halve.
        rate = rate / 2 if not passed and rate / 2 > low else math.sqrt(low * high)
    return passed, failed, trials


def saturate(
    instruments: Sequence[str],
    *,
    series: int = 1,
    bound_ns: int = 5_000_000,
    duration: str = "2s",
    steps: int = 8,
    progress: Progress = lambda _step: None,
) -> list[Saturation]:
    """Return the highest sustained rate of each instrument; each rate is tried in a fresh process on one core.

    Raises what building an instrument raises.
    """
    found = []
    per_instrument = steps + 1
    core = cores().measured
    for k, name in enumerate(instruments):

        def tell(i: int, name: str = name, k: int = k) -> None:
            done = (k * per_instrument + i + 1) / (per_instrument * len(instruments))
            progress(Step(done, None, f"{name}: rate {i + 1} of {steps}"))

        ways = _Try(name, series, duration, core)
        ceiling = ways.run("max").rate.achieved or 0.0

        def attempt(rate: float, ways: _Try = ways) -> Trial:
            return rate_trial(ways.run(f"poisson:rate={rate:.6g}"), rate, bound_ns)

        passed, failed, trials = find_saturation(ceiling, attempt, steps, tell)
        found.append(
            Saturation(
                instrument=name,
                series=series,
                bound_ns=bound_ns,
                closed_loop=ceiling,
                rate=passed,
                above=failed,
                trials=trials,
            )
        )
    return found
