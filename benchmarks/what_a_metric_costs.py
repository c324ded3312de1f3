"""Measures the whole matrix and writes docs/what-a-metric-costs.md, its pictures and the raw pairs behind them.

    python benchmarks/what_a_metric_costs.py                 measure (about 30 minutes), then write the page
    python benchmarks/what_a_metric_costs.py --render        write the page again from the pairs in docs/data
    python benchmarks/what_a_metric_costs.py --quick DIR     a short trial of about five minutes, written below DIR

No figure on the page is typed by hand: each comes from the document of one run, which is stored beside the page with
every pair, and the page names the machine. Void results are marked and have no figure; no law, sum or headline uses
them.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from page_text import page

from harness.cli.console import Bar
from harness.measure.questions.answer import Answer, renewed
from harness.measure.questions.full import FullPlan, measure_full
from harness.measure.questions.validation import Validation, read_records, summarise
from harness.report.adapt import law_of
from harness.report.overhead import ladders_of, rows_of, unit_of
from harness.report.plots.canvas import Picture, standalone
from harness.report.plots.forest import forest, forest_row
from harness.report.plots.laws import laws_picture
from harness.report.plots.waterfall import waterfall

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = "what-a-metric-costs"
# A short plan that tests every part; its figures are meaningless.
QUICK = FullPlan(
    table_s=15, rates_s=10, rate_run_s=0.3, ladder_s=12, scrape_processes=1,
    self_test_s=10, self_test_trials=1,
    laws_s=tuple((factor, 10.0) for factor in ("series", "views", "tags", "buckets", "threads")),
)  # fmt: skip


def pictures(outcome: Answer) -> dict[str, Picture]:
    """Return the page's pictures by file name."""
    drawn: dict[str, Picture] = {}
    table = outcome.part("table")
    if table is not None:
        drawn["costs"] = _costs(outcome)
    document = outcome.part("ladder")
    for ladder in ladders_of(document) if document is not None else ():
        drawn["ladder"] = waterfall(ladder)
    laws = [law_of(law) for law in outcome.laws]
    for factor in dict.fromkeys(law.factor for law in laws):
        drawn[f"by-{factor}"] = laws_picture([law for law in laws if law.factor == factor], f"by-{factor}")
    return drawn


def _costs(outcome: Answer) -> Picture:
    table = outcome.part("table")
    rows = rows_of(table.experiments if table is not None else [])

    return forest(
        [forest_row(row) for row in rows], unit_of(part for row in rows for part in (row.resting, row.scraped))
    )


def validation(docs: Path) -> Validation | None:
    """Return the summary of `make validate` so far, or None where it has no records."""
    records, _ = read_records(docs / "data" / "validation.jsonl.gz")
    return summarise(records) if records else None


def write(outcome: Answer, docs: Path) -> None:
    """Write the page and its pictures below `docs`."""
    (docs / "img").mkdir(parents=True, exist_ok=True)
    drawn = pictures(outcome)
    for name, picture in drawn.items():
        (docs / "img" / f"{PAGE}-{name}.svg").write_text(standalone(picture), encoding="utf-8")
    links = {name: (f"img/{PAGE}-{name}.svg", picture.description) for name, picture in drawn.items()}
    (docs / f"{PAGE}.md").write_text(page(outcome, links, validation(docs)), encoding="utf-8")


def keep(outcome: Answer, docs: Path) -> None:
    """Store the whole document with its raw pairs beside the page; equal figures give equal bytes."""
    (docs / "data").mkdir(parents=True, exist_ok=True)
    text = json.dumps(outcome.document(), separators=(",", ":"))
    (docs / "data" / f"{PAGE}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or read, and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true", help="do not measure; write the page from the stored document")
    parser.add_argument("--quick", type=Path, metavar="DIR", help="make a short trial of five minutes, below DIR")
    options = parser.parse_args(arguments)
    docs = options.quick or DOCS
    if options.render:
        stored = json.loads(gzip.decompress((docs / "data" / f"{PAGE}.json.gz").read_bytes()))
        write(renewed(Answer.model_validate(stored)), docs)
        return 0
    with Bar() as bar:
        outcome = measure_full(QUICK if options.quick else None, bar)
    if outcome.interrupted and not options.quick:
        print("interrupted: the page is left as it was", file=sys.stderr)
        return 130
    keep(outcome, docs)
    write(outcome, docs)
    print(f"wrote {docs / PAGE}.md after {outcome.elapsed_s / 60:.1f} minutes of measuring")
    return 0


if __name__ == "__main__":
    sys.exit(main())
