"""Paired experiments: any number of comparisons side by side, with repetitions of void ones."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.host.environment import environment
from harness.interrupts import interruptible
from harness.measure.pairs.campaign import Campaign, PairMeasurer, Terms
from harness.measure.result import Experiments, TermsUsed
from harness.measure.verdict import Assessment, Comparison, counting, entry_of, repeated
from harness.progress import Progress, Step

__all__ = [
    "CampaignResult",
    "Comparison",
    "PairMeasurer",
    "Progress",
    "Step",
    "Terms",
    "measure_comparisons",
    "run_experiments",
]


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """The assessments of comparisons measured side by side, whether Ctrl-C ended them, and the seconds they took."""

    assessments: list[Assessment]
    interrupted: bool
    elapsed_s: float


def measure_comparisons(
    comparisons: Sequence[Comparison],
    terms: Terms,
    measure: PairMeasurer,
    progress: Progress = lambda _step: None,
    now: Callable[[], float] = time.monotonic,
) -> CampaignResult:
    """Measure the comparisons side by side, repeat void ones, and return the assessments in the order of comparisons.

    A void comparison is repeated under the same terms, in its share of the time, at most `terms.repetitions` times; its
    earlier attempts are part of the result. A comparison without any valid pair is not repeated: it loses lines by
    itself, and would again. Ctrl-C ends the measurement, not the call.
    """
    began = now()
    campaign = Campaign(comparisons, terms, measure, now)
    interrupted = _run(campaign, progress)
    assessments = campaign.assessments()
    for repetition in range(1, terms.repetitions + 1):
        void = [
            i for i, assessment in enumerate(assessments) if assessment.verdict == "void" and counting(assessment.pairs)
        ]
        if interrupted or not void:
            break
        share = None if terms.budget_s is None else terms.budget_s * len(void) / len(assessments)
        less = replace(terms, budget_s=share, controls=campaign.count)
        again = Campaign([comparisons[i] for i in void], less, measure, now, repetition)
        interrupted = _run(again, _later(progress))
        if interrupted:
            # An incomplete repetition does not replace a complete measurement, even a void one.
            break
        for i, assessment in zip(void, again.assessments(), strict=True):
            assessments[i] = repeated(assessment, assessments[i])
    return CampaignResult(assessments, interrupted, now() - began)


def _run(campaign: Campaign, progress: Progress) -> bool:
    """Run a campaign and return whether Ctrl-C ended it."""
    try:
        with interruptible():
            campaign.run(progress)
    except KeyboardInterrupt:
        return True
    return False


def _later(progress: Progress) -> Progress:
    """Return a progress callback for repetitions, which come after the plan and stay at a share of 1."""
    return lambda step: progress(replace(step, done=1.0))


def run_experiments(
    comparisons: Sequence[Comparison],
    terms: Terms,
    measure: PairMeasurer,
    progress: Progress = lambda _step: None,
    now: Callable[[], float] = time.monotonic,
) -> Experiments:
    """Measure the comparisons as `measure_comparisons` does and return their document.

    After Ctrl-C the document has the pairs so far and is `interrupted`.
    """
    result = measure_comparisons(comparisons, terms, measure, progress, now)
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
        interrupted=result.interrupted,
        elapsed_s=result.elapsed_s,
        experiments=[entry_of(assessment) for assessment in result.assessments],
    )
