"""The figures of docs/described-service.md: what recording costs two services, and what breaks first (15 minutes).

Measured through the same code as `harness overhead --for`; the whole answer is stored, and the page's block is written
from it. ``--render`` writes the block again from the stored answer.
"""

from collections.abc import Sequence

from benchmarks.stored_answer import SEED, answer_block, publish_answer, tell
from benchmarks.stored_block import ROOT
from harness.actions.overhead import plan
from harness.measure.questions.answer import Answer, joined
from harness.report.sections.service.described import described_section

NAME = "described-service"
PAGE = ROOT / "docs" / "described-service.md"
# A usual service of forked workers, and a single process with many series.
SERVICES = ("series=200,rate=2k,workers=4,scrape=15s", "series=3k,rate=5k,scrape=30s")
BUDGET = "7m"


def block(answer: Answer) -> str:
    """Return the block of the page: tables, sentences and environment of a stored answer."""
    return answer_block(described_section(answer.described), answer, NAME)


def measured(services: Sequence[str] = SERVICES, budget: str = BUDGET) -> Answer:
    """Measure the services in turn, telling on standard error how far it is."""
    answers = []
    for service in services:
        answer = plan("table", {"service": service, "budget": budget, "seed": SEED})(tell)
        if answer.interrupted:
            raise SystemExit(130)
        answers.append(answer)
    return joined("described", answers)


if __name__ == "__main__":
    publish_answer(NAME, PAGE, block, measured, __doc__)
