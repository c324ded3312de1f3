"""The figures of docs/event-loops.md: the stall of an event loop by deployment and size of page (an hour).

Measured through the same code as `harness overhead loop`; the whole answer is stored, and the page's block is written
from it. ``--render`` writes the block again from the stored answer.
"""

import time

from benchmarks.stored_answer import SEED, answer_block, publish_answer, tell
from benchmarks.stored_block import ROOT
from harness.measure.questions.answer import Answer, outcome_of
from harness.measure.questions.event_loop.loop import LoopPlan, measure_loops
from harness.measure.service.deployments import available
from harness.report.sections.service.loops import loops_section

NAME = "event-loops"
PAGE = ROOT / "docs" / "event-loops.md"


def block(answer: Answer) -> str:
    """Return the block of the page: tables, laws and environment of a stored answer."""
    return answer_block(loops_section(answer.loops), answer, NAME)


def measured(plan: LoopPlan) -> Answer:
    """Measure a plan, telling on standard error how far it is."""
    began = time.monotonic()
    effects, interrupted = measure_loops(plan, tell)
    if interrupted:
        raise SystemExit(130)
    return outcome_of("loop", loops=effects, elapsed_s=time.monotonic() - began)


if __name__ == "__main__":
    plan = LoopPlan(deployments=tuple(available()), seed=SEED)
    publish_answer(NAME, PAGE, block, lambda: measured(plan), __doc__)
