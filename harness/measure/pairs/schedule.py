"""Paired experiments, any number side by side, and void ones measured again: the one seam of all paired measuring."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.host.environment import environment
from harness.interrupts import interruptible
from harness.measure.pairs.campaign import Campaign, PairMeasurer, Progress, Step, Terms
from harness.measure.result import Experiments, TermsUsed
from harness.measure.verdict import Assessed, Comparison, counting, entry_of, repeated

__all__ = [
    "AssessedPairs",
    "Comparison",
    "PairMeasurer",
    "Progress",
    "Step",
    "Terms",
    "measure_assessed",
    "run_experiments",
]


@dataclass(frozen=True, slots=True)
class AssessedPairs:
    """What comparisons measured side by side came to, whether Ctrl-C ended them, and the seconds it took."""

    found: list[Assessed]
    interrupted: bool
    elapsed_s: float


def measure_assessed(
    comparisons: Sequence[Comparison],
    terms: Terms,
    measure: PairMeasurer,
    progress: Progress = lambda _step: None,
    now: Callable[[], float] = time.monotonic,
) -> AssessedPairs:
    """Measure the comparisons side by side, those that come out void again in their place, and return what was found.

    What is void is measured again under the same terms, in the share of the time that it had, at most
    `terms.repetitions` times; what was measured before goes with it. A comparison of which no pair counted loses lines
    by itself, so that nothing would change, and is left as it is. Ctrl-C ends the measuring, not the call.
    """
    began = now()
    campaign = Campaign(comparisons, terms, measure, now)
    interrupted = _run(campaign, progress)
    found = campaign.assessed()
    for repetition in range(1, terms.repetitions + 1):
        void = [i for i, each in enumerate(found) if each.verdict == "void" and counting(each.pairs)]
        if interrupted or not void:
            break
        share = None if terms.budget_s is None else terms.budget_s * len(void) / len(found)
        less = replace(terms, budget_s=share, controls=campaign.count)
        again = Campaign([comparisons[i] for i in void], less, measure, now, repetition)
        interrupted = _run(again, _later(progress))
        if interrupted:
            # Half a measurement does not take the place of a whole one, void as that is.
            break
        for i, each in zip(void, again.assessed(), strict=True):
            found[i] = repeated(each, found[i])
    return AssessedPairs(found, interrupted, now() - began)


def _run(campaign: Campaign, progress: Progress) -> bool:
    """Run a campaign and return whether Ctrl-C ended it."""
    try:
        with interruptible():
            campaign.run(progress)
    except KeyboardInterrupt:
        return True
    return False


def _later(progress: Progress) -> Progress:
    """Return a progress that does not go back: the plan is done, and what is measured again comes on top."""
    return lambda step: progress(replace(step, done=1.0))


def run_experiments(
    comparisons: Sequence[Comparison],
    terms: Terms,
    measure: PairMeasurer,
    progress: Progress = lambda _step: None,
    now: Callable[[], float] = time.monotonic,
) -> Experiments:
    """Measure the comparisons as `measure_assessed` does and return the document of what was found.

    After Ctrl-C the document holds the pairs so far and `interrupted`.
    """
    measured = measure_assessed(comparisons, terms, measure, progress, now)
    return Experiments(
        environment=environment(),
        terms=TermsUsed(
            precision=terms.precision,
            budget_s=terms.budget_s,
            rounds=terms.plan.rounds,
            block_ns=terms.plan.block_ns,
            seed=terms.seed,
            tolerance=terms.tolerance,
            fewest=terms.fewest,
            most=terms.most,
            lumpy=terms.lumpy,
            settled=terms.settled,
            comparisons=len(comparisons),
        ),
        interrupted=measured.interrupted,
        elapsed_s=measured.elapsed_s,
        experiments=[entry_of(each) for each in measured.found],
    )
