"""Measures the whole matrix and writes docs/what-a-metric-costs.md, its pictures and the raw pairs behind them.

    python benchmarks/cost/what_a_metric_costs.py                 measure (an hour), then write the page
    python benchmarks/cost/what_a_metric_costs.py --render        write the page anew from the pairs kept in docs/data
    python benchmarks/cost/what_a_metric_costs.py --quick DIR     a rehearsal of some five minutes, written below DIR

Nothing on the page is typed by hand: each figure comes from the document of one run, kept beside the page with every
pair, and the page says on what machine. What is void is marked and has no figure; no law, sum or headline uses it.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cost.page_text import page
from benchmarks.cost.readers import readers
from benchmarks.stored_block import write_block
from harness.cli.console import Bar
from harness.instruments.catalog import installed
from harness.measure.questions.answer import Answer, renewed
from harness.measure.questions.columns.names import COLUMNS
from harness.measure.questions.full import FullPlan, measure_full
from harness.measure.questions.table import ALL_ROWS
from harness.measure.questions.validation import Validation, read_records, summarise
from harness.report.plots.canvas import Picture, standalone
from harness.report.plots.laws import laws_picture
from harness.report.plots.waterfall import waterfall
from harness.report.sections.ladder import ladders_of
from harness.report.sections.overhead import costs_picture, rows_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = "what-a-metric-costs"
# The run before, which a new one confirms or does not.
FIRST = f"{PAGE}-first"
# Enough of everything to see that it works, and nothing to believe.
QUICK = FullPlan(
    table_s=15, rates_s=10, rate_run_s=0.3, ladder_s=12, scrape_processes=1,
    self_test_s=10, self_test_trials=1,
    laws_s=tuple((factor, 10.0) for factor in ("series", "views", "tags", "buckets", "threads")),
)  # fmt: skip


def pictures(outcome: Answer) -> dict[str, Picture]:
    """Return the page's pictures by file name."""
    found: dict[str, Picture] = {}
    table = outcome.part("table")
    costs = costs_picture(rows_of(table.experiments)) if table is not None else None
    if costs is not None:
        found["costs"] = costs
    ladder = outcome.part("ladder")
    for each in ladders_of(ladder) if ladder is not None else ():
        found["ladder"] = waterfall(each)
    for factor in dict.fromkeys(law.factor for law in outcome.laws):
        chosen = [law for law in outcome.laws if law.factor == factor]
        found[f"by-{factor}"] = laws_picture(chosen, f"by-{factor}")
    return found


def validation(docs: Path) -> Validation | None:
    """Return what `make validate` has found so far, or None where it never ran."""
    records, _ = read_records(docs / "data" / "validation.jsonl.gz")
    return summarise(records) if records else None


def write(outcome: Answer, docs: Path) -> None:
    """Write the page and its pictures below `docs`, and the answers into the README beside that folder, if any."""
    (docs / "img").mkdir(parents=True, exist_ok=True)
    drawn = pictures(outcome)
    for name, picture in drawn.items():
        (docs / "img" / f"{PAGE}-{name}.svg").write_text(standalone(picture), encoding="utf-8")
    links = {name: (f"img/{PAGE}-{name}.svg", picture.description) for name, picture in drawn.items()}
    checked = validation(docs)
    (docs / f"{PAGE}.md").write_text(page(outcome, links, checked, stored(docs, FIRST)), encoding="utf-8")
    if (readme := docs.parent / "README.md").is_file():
        write_block("readers", readers(outcome, checked, f"{docs.name}/"), readme)


def stored(docs: Path, name: str = PAGE) -> Answer | None:
    """Return a run that was kept beside the page, None where there is none."""
    path = docs / "data" / f"{name}.json.gz"
    if not path.is_file():
        return None
    return renewed(Answer.model_validate(json.loads(gzip.decompress(path.read_bytes()))))


def keep(outcome: Answer, docs: Path) -> None:
    """Keep the whole document, raw pairs included, beside the page, and the one before it as the first run.

    The same figures give the same bytes.
    """
    folder = docs / "data"
    folder.mkdir(parents=True, exist_ok=True)
    if (before := folder / f"{PAGE}.json.gz").is_file():
        before.replace(folder / f"{FIRST}.json.gz")
    text = json.dumps(outcome.document(), separators=(",", ":"))
    before.write_bytes(gzip.compress(text.encode(), mtime=0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or read, and write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true", help="do not measure; write the page from what was kept")
    parser.add_argument("--quick", type=Path, metavar="DIR", help="rehearse in some five minutes and write below DIR")
    asked = parser.parse_args(arguments)
    docs = asked.quick or DOCS
    if asked.render:
        if (kept := stored(docs)) is None:
            print(f"{docs}/data/{PAGE}.json.gz does not exist: measure first", file=sys.stderr)
            return 1
        write(kept, docs)
        return 0
    whole = FullPlan(more=tuple(installed(ALL_ROWS)), columns=COLUMNS)
    with Bar() as bar:
        outcome = measure_full(QUICK if asked.quick else whole, bar)
    if outcome.interrupted and not asked.quick:
        print("interrupted: the page is left as it was", file=sys.stderr)
        return 130
    keep(outcome, docs)
    write(outcome, docs)
    print(f"wrote {docs / PAGE}.md after {outcome.elapsed_s / 60:.1f} minutes of measuring")
    return 0


if __name__ == "__main__":
    sys.exit(main())
