"""Runs the stored proof behind the statistics, or goes on with it, and prints what all experiments so far amount to.

    python benchmarks/method/validate.py [FILE] [--identical 200] [--slowdowns 80] [--small 40] [--docs]

Two hundred experiments on identical code, eighty slowdowns of 1 %, and forty of 0.5 % for information, up to two
minutes each: some hours. Each is kept with its raw pairs as soon as it is done, so Ctrl-C loses at most the one under
way, and the next call goes on. What an earlier method of measuring left in the file is taken out when the first is
measured. With --docs the table is written into the marked block of docs/overhead.md as well.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from harness.cli.console import Bar
from harness.host.environment import Environment
from harness.measure.questions.validation import Record, ValidationPlan, read_records, summarise, validate
from harness.report.commands.validation import bound_words, method_words, validation_table
from harness.report.numbers import plain
from harness.report.sections.environment import environment_words
from harness.report.tables import Note
from harness.report.writers.markdown import table_markdown, write_markdown
from harness.report.writers.terminal import write_terminal

DOCS = Path(__file__).resolve().parents[2] / "docs"
DEFAULT = DOCS / "data" / "validation.jsonl.gz"
BEGIN, END = "<!-- validation: begin -->", "<!-- validation: end -->"


def block(records: Sequence[Record], place: Environment) -> str:
    """Return what the records amount to as Markdown, with what it was measured on, and by which method."""
    found = summarise(list(records))
    hours = sum(record.elapsed_s for record in records) / 3600
    said = (
        f"{bound_words(found)} An experiment on identical code took {plain(found.pairs)} pairs at the median, a "
        f"slowdown {plain(found.trial_s)} s; the whole {plain(hours, 2)} hours."
    )
    told = " ".join(part for part in (said, method_words(found)) if part)
    return f"{table_markdown(validation_table(found))}\n{told}\n\n{write_markdown([Note(environment_words(place))])}"


def write_docs(text: str, path: Path = DOCS / "overhead.md") -> None:
    """Put `text` between the markers of `path`; raises `SystemExit` where they are missing."""
    page = path.read_text(encoding="utf-8")
    places = [page.find(BEGIN), page.find(END)]
    if -1 in places or any(later < earlier for earlier, later in pairwise(places)):
        raise SystemExit(f"{path}: the markers {BEGIN} and {END} are missing")
    path.write_text(f"{page[: places[0]]}{BEGIN}\n{text}{page[places[1] :]}", encoding="utf-8")


def stored_block(path: Path) -> str:
    """Return the block of a file of records and the environment beside it."""
    place = json.loads(path.with_suffix(path.suffix + ".environment.json").read_text(encoding="utf-8"))
    return block(read_records(path)[0], Environment.model_validate(place))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns 0 where both bounds are kept, 1 where one is not, 130 while experiments are missing."""
    usual = ValidationPlan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--identical", type=int, default=usual.identical)
    parser.add_argument("--slowdowns", type=int, default=usual.slowdowns)
    parser.add_argument("--small", type=int, default=usual.small, help="slowdowns of half the size")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/overhead.md as well")
    asked = parser.parse_args(arguments)
    plan = ValidationPlan(identical=asked.identical, slowdowns=asked.slowdowns, small=asked.small)
    asked.file.parent.mkdir(parents=True, exist_ok=True)
    with Bar() as bar:
        try:
            found = validate(asked.file, plan, bar)
        except KeyboardInterrupt:
            found = summarise(read_records(asked.file)[0])
    words = (
        f"Median pairs of an experiment {plain(found.pairs)}; median seconds of a slowdown's trial "
        f"{plain(found.trial_s)}; median standard deviation of the pairs' log-ratio {plain(found.log_ratio_sd)}."
    )
    notes = [Note(text, tone="quiet") for text in (bound_words(found), words)]
    Console(highlight=False).print(write_terminal([validation_table(found), *notes]))
    if found.experiments < plan.identical + plan.slowdowns + plan.small:
        print(f"not all of them yet; run it again to go on ({asked.file})", file=sys.stderr)
        return 130
    if asked.docs:
        write_docs(stored_block(asked.file))
    return 0 if found.alarms_hold and found.found_holds else 1


if __name__ == "__main__":
    sys.exit(main())
