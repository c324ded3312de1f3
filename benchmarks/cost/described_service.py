"""The figures of docs/described-service.md: what recording costs two services, and what breaks first (15 minutes).

Measured through the same code as `harness overhead --for`; the whole answer is stored, and the page's block is written
from it. ``--render`` writes the block again from the stored answer.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.stored_block import ROOT, load, store, write_block
from harness.actions.overhead import plan
from harness.measure.questions.answer import Answer, joined
from harness.progress import Step
from harness.report.sections.environment import environment_words
from harness.report.sections.service.described import described_section
from harness.report.tables import Note
from harness.report.writers.markdown import write_markdown

NAME = "described-service"
PAGE = ROOT / "docs" / "described-service.md"
SEED = 1
# A usual service of forked workers, and a single process with many series.
SERVICES = ("series=200,rate=2k,workers=4,scrape=15s", "series=3k,rate=5k,scrape=30s")
BUDGET = "7m"


def block(answer: Answer) -> str:
    """Return the block of the page: tables, sentences and environment of a stored answer."""
    section = described_section(answer.described)
    if section is None:
        raise SystemExit("nothing was measured")
    words = (
        f"Measured {answer.created[:10]} by `make described-service`, seed {SEED}. "
        f"{environment_words(answer.environment)}"
    )
    return write_markdown([*section.parts, Note(words)])


def measured(services: Sequence[str] = SERVICES, budget: str = BUDGET) -> Answer:
    """Measure the services in turn, telling on standard error how far it is."""

    def tell(step: Step) -> None:
        print(f"{step.done:.0%} {step.note}", file=sys.stderr)

    answers = []
    for service in services:
        answer = plan("table", {"service": service, "budget": budget, "seed": SEED})(tell)
        if answer.interrupted:
            raise SystemExit(130)
        answers.append(answer)
    return joined("described", answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", action="store_true", help="write the page again from docs/data")
    options = parser.parse_args()
    if options.render:
        answer = Answer.model_validate(load(NAME))
    else:
        answer = measured()
        store(NAME, answer.document())
    write_block(NAME, block(answer), PAGE)
    print(block(answer))


if __name__ == "__main__":
    main()
