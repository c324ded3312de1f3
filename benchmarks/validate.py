"""Runs or resumes the validation of the statistics, and prints the summary of all experiments so far.

    python benchmarks/validate.py [FILE] [--identical 200] [--slowdowns 80] [--small 40] [--docs]

Two hundred experiments on identical code, eighty slowdowns of 1 %, and forty of 0.5 % for information, up to two
minutes each, take several hours. Each is stored with its raw pairs as soon as it is done, so that Ctrl-C loses at most
the current one, and the next call resumes. Experiments of an earlier measuring method are removed from the file when
the first new one is measured. With --docs the table is written into the marked block of docs/overhead.md as well.
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
from harness.report.outcome_markdown import environment_markdown, table_markdown
from harness.report.plots.scales import plain
from harness.report.validation import HEADINGS, bound_words, method_words, validation_rows, validation_view

DOCS = Path(__file__).resolve().parents[1] / "docs"
DEFAULT = DOCS / "data" / "validation.jsonl.gz"
BEGIN, END = "<!-- validation: begin -->", "<!-- validation: end -->"


def block(records: Sequence[Record], place: Environment) -> str:
    """Return the summary of the records as Markdown, with environment and method."""
    result = summarise(list(records))
    hours = sum(record.elapsed_s for record in records) / 3600
    sentence = (
        f"{bound_words(result)} An experiment on identical code took {plain(result.pairs)} pairs at the median, a "
        f"slowdown {plain(result.trial_s)} s; the whole {plain(hours, 2)} hours."
    )
    text = " ".join(part for part in (sentence, method_words(result)) if part)
    return f"{table_markdown(HEADINGS, validation_rows(result))}\n{text}\n\n{environment_markdown(place)}"


def write_docs(text: str, path: Path = DOCS / "overhead.md") -> None:
    """Write `text` between the markers of `path`; raise `SystemExit` where they are missing."""
    page = path.read_text(encoding="utf-8")
    places = [page.find(BEGIN), page.find(END)]
    if -1 in places or any(later < earlier for earlier, later in pairwise(places)):
        raise SystemExit(f"{path}: the markers {BEGIN} and {END} are missing")
    path.write_text(f"{page[: places[0]]}{BEGIN}\n{text}{page[places[1] :]}", encoding="utf-8")


def stored_block(path: Path) -> str:
    """Return the block of a file of records, with the environment file beside it."""
    place = json.loads(path.with_suffix(path.suffix + ".environment.json").read_text(encoding="utf-8"))
    return block(read_records(path)[0], Environment.model_validate(place))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the validation; return 0 where both bounds hold, 1 where one does not, 130 while experiments are missing."""
    usual = ValidationPlan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--identical", type=int, default=usual.identical)
    parser.add_argument("--slowdowns", type=int, default=usual.slowdowns)
    parser.add_argument("--small", type=int, default=usual.small, help="slowdowns of half the size")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/overhead.md as well")
    options = parser.parse_args(arguments)
    plan = ValidationPlan(identical=options.identical, slowdowns=options.slowdowns, small=options.small)
    options.file.parent.mkdir(parents=True, exist_ok=True)
    with Bar() as bar:
        try:
            result = validate(options.file, plan, bar)
        except KeyboardInterrupt:
            result = summarise(read_records(options.file)[0])
    Console(highlight=False).print(validation_view(result))
    if result.experiments < plan.identical + plan.slowdowns + plan.small:
        print(f"experiments are missing; run it again to resume ({options.file})", file=sys.stderr)
        return 130
    if options.docs:
        write_docs(stored_block(options.file))
    return 0 if result.alarms_hold and result.found_holds else 1


if __name__ == "__main__":
    sys.exit(main())
