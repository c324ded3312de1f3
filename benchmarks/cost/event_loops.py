"""The figures of docs/event-loops.md: the stall of an event loop by deployment and size of page (an hour).

Measured through the same code as `harness overhead loop`; the whole answer is stored, and the page's block is written
from it. ``--render`` writes the block again from the stored answer.
"""

import argparse
import sys
import time

from benchmarks.stored_block import ROOT, load, store, write_block
from harness.measure.questions.answer import Answer, outcome_of
from harness.measure.questions.event_loop.loop import LoopPlan, measure_loops
from harness.measure.service.deployments import available
from harness.progress import Step
from harness.report.sections.environment import environment_words
from harness.report.sections.service.loops import loops_section
from harness.report.tables import Note
from harness.report.writers.markdown import write_markdown

NAME = "event-loops"
PAGE = ROOT / "docs" / "event-loops.md"
SEED = 1


def block(answer: Answer) -> str:
    """Return the block of the page: tables, laws and environment of a stored answer."""
    section = loops_section(answer.loops)
    if section is None:
        raise SystemExit("nothing was measured")
    words = (
        f"Measured {answer.created[:10]} by `make event-loops`, seed {SEED}. {environment_words(answer.environment)}"
    )
    return write_markdown([*section.parts, Note(words)])


def measured(plan: LoopPlan) -> Answer:
    """Measure a plan, telling on standard error how far it is."""

    def tell(step: Step) -> None:
        left = "" if step.left_s is None else f", {step.left_s / 60:.0f} min left"
        print(f"{step.done:.0%} {step.note}{left}", file=sys.stderr)

    began = time.monotonic()
    effects, interrupted = measure_loops(plan, tell)
    if interrupted:
        raise SystemExit(130)
    return outcome_of("loop", loops=effects, elapsed_s=time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", action="store_true", help="write the page again from docs/data")
    options = parser.parse_args()
    if options.render:
        answer = Answer.model_validate(load(NAME))
    else:
        answer = measured(LoopPlan(deployments=tuple(available()), seed=SEED))
        store(NAME, answer.document())
    write_block(NAME, block(answer), PAGE)
    print(block(answer))


if __name__ == "__main__":
    main()
