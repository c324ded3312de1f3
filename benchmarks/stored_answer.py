"""The page of a stored answer: its block is written when it was measured, or again from what is stored."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.stored_block import load, store, write_block
from harness.measure.questions.answer import Answer
from harness.progress import Step
from harness.report.sections.environment import environment_words
from harness.report.tables import Note, Section
from harness.report.writers.markdown import write_markdown

__all__ = ["answer_block", "publish_answer", "tell"]

SEED = 1


def tell(step: Step) -> None:
    """Tell on standard error how far a measurement is."""
    left = "" if step.left_s is None else f", {step.left_s / 60:.0f} min left"
    print(f"{step.done:.0%} {step.note}{left}", file=sys.stderr)


def answer_block(section: Section | None, answer: Answer, target: str) -> str:
    """Return tables and sentences of a section, and by which make target and where its answer was measured."""
    if section is None:
        raise SystemExit("nothing was measured")
    words = f"Measured {answer.created[:10]} by `make {target}`, seed {SEED}. {environment_words(answer.environment)}"
    return write_markdown([*section.parts, Note(words)])


def publish_answer(
    name: str, page: Path, block: Callable[[Answer], str], measured: Callable[[], Answer], about: str | None
) -> None:
    """Measure and store an answer, or load it for ``--render``; write its block into `page`, and print it."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--render", action="store_true", help="write the page again from docs/data")
    options = parser.parse_args()
    if options.render:
        answer = Answer.model_validate(load(name))
    else:
        answer = measured()
        store(name, answer.document())
    text = block(answer)
    write_block(name, text, page)
    print(text)
