"""Runs the stored proof behind the statistics, or goes on with it, and prints what all experiments so far amount to.

    python benchmarks/validate.py [FILE] [--identical 200] [--slowdowns 80] [--small 40]

Two hundred experiments on identical code, eighty slowdowns of 1 %, and forty of 0.5 % for information, up to two minutes
each: some hours. Each is kept with its raw pairs as soon as it is done, so Ctrl-C loses at most the one under way, and
the next call goes on. What an earlier method of measuring left in the file is taken out when the first is measured.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.cli.progress import Bar
from harness.measure.validate import Plan, read_records, summarise, validate
from harness.report.validation import validation_view

DEFAULT = Path(__file__).resolve().parents[1] / "docs" / "data" / "validation.jsonl.gz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns 0 where both bounds are kept, 1 where one is not, 130 after Ctrl-C."""
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--identical", type=int, default=usual.identical)
    parser.add_argument("--slowdowns", type=int, default=usual.slowdowns)
    parser.add_argument("--small", type=int, default=usual.small)
    asked = parser.parse_args(arguments)
    plan = Plan(identical=asked.identical, slowdowns=asked.slowdowns, small=asked.small)
    asked.file.parent.mkdir(parents=True, exist_ok=True)
    with Bar() as bar:
        try:
            found = validate(asked.file, plan, bar)
        except KeyboardInterrupt:
            found = summarise(read_records(asked.file)[0])
    Console(highlight=False).print(validation_view(found))
    if found.experiments < plan.identical + plan.slowdowns + plan.small:
        print(f"not all of them yet; run it again to go on ({asked.file})", file=sys.stderr)
        return 130
    return 0 if found.alarms_hold and found.found_holds else 1


if __name__ == "__main__":
    sys.exit(main())
