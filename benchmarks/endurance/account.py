"""Sends a hundred million lines and accounts for each, at the endpoint and in the real Prometheus; `make account`.

    python benchmarks/endurance/account.py                measure (half an hour to an hour), print, store in .benchmarks
    python benchmarks/endurance/account.py --docs         store in docs/data and write docs/reliability.md as well
    python benchmarks/endurance/account.py --render       write docs/reliability.md again from docs/data
    python benchmarks/endurance/account.py --lines 100k   a short trial

For each way of recording one ``harness run`` in a closed loop (`--arrivals max`), one line in a hundred of which is
refused, over ten methods. The account is that of the run: what was sent must be what the endpoint shows after the last
line, series by series, bucket by bucket and in the sums, and what Prometheus stored of it. Memory is sampled every two
seconds. Exits with 1 where a line is not accounted for, with 130 where it was interrupted.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.endurance.long_run import (
    PAGE,
    Watched,
    about,
    end_on_termination,
    harness,
    origin,
    publish,
    tell,
    watch,
)
from benchmarks.endurance.usage import COMMAND, Readings
from benchmarks.stored_block import add_options, load, table
from workloads.errors import GrammarError
from workloads.units import parse_count

NAME = "account"
INSTRUMENTS = ("prometheus-client", "opencensus-lean")
SERIES, ERRORS = 10, "1%"
# The deadline: no machine is so slow, and the audit takes a minute at most.
SLOWEST_RATE, BESIDES_S = 20_000, 300.0
EVERY_S = 2.0
HEADS = [
    "recorded through", "lines sent", "on the page", "in Prometheus", "lines/s", "harness, MB", "after a tenth, MB",
    "Prometheus, MB", "audit, s", "outcome",
]  # fmt: skip


def run(instrument: str, lines: int, seed: int) -> dict[str, Any]:
    """Make one run and return its figures; `reason` is set where there is no result."""
    with tempfile.TemporaryDirectory(prefix="harness-account-") as folder:
        path = Path(folder) / "result.json"
        command = harness(
            "run", "--quiet", "--no-save", "--json", str(path), "--instrument", instrument,
            "--arrivals", "max", "--count", str(lines), "--errors", ERRORS, "--series", str(SERIES),
            "--seed", str(seed), "--scraper", "prometheus",
        )  # fmt: skip
        within_s = lines / SLOWEST_RATE + BESIDES_S
        watched = watch(command, what=instrument, within_s=within_s, every_s=EVERY_S, folder=Path(folder))
        result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return figures_of(instrument, lines, result, watched)


def figures_of(instrument: str, lines: int, result: Mapping[str, Any] | None, watched: Watched) -> dict[str, Any]:
    """Return the figures of one run from its document and from what was seen of it."""
    about_run = {
        "instrument": instrument,
        "lines": lines,
        "interrupted": watched.interrupted,
        "overdue": watched.overdue,
        "exit_code": watched.code,
        "took_s": round(watched.took_s, 1),
        "memory_mb": {role: round(size, 1) for role, size in watched.usage.peak_mb().items()},
        "early_mb": early_mb(watched.usage.readings.get(COMMAND, Readings())),
        "reason": "" if result is not None else watched.told[-400:] or "no result",
    }
    if result is None:
        return about_run
    audit = result["audit"]
    return {
        **about_run,
        "interrupted": watched.interrupted or result["interrupted"],
        "ledger": result["ledger"],
        "rate": result["rate"]["achieved"],
        "compared": audit["compared"],
        "outcome": audit["outcome"],
        "findings": [finding["name"] for finding in audit["findings"] if finding["severity"] != "info"],
        "scrapes": result["scrapes"]["count"],
        "scrapes_compared": audit["scrapes_compared"],
        "audit_s": audit["elapsed_s"],
        "digest": result["workload"]["digest"],
    }


def early_mb(readings: Readings) -> float | None:
    """Return the resident memory after the first tenth of the samples, in MB; None of fewer than ten."""
    tenth = len(readings.rss_kb) // 10
    return round(statistics.median(readings.rss_kb[tenth : 2 * tenth]) * 1024 / 1e6, 1) if tenth else None


def missing(row: Mapping[str, Any]) -> list[str]:
    """Return in words what keeps a run from being accounted for to the last line."""
    name = row["instrument"]
    if row["reason"]:
        return [f"{name}: no result: {row['reason']}"]
    ledger, words = row["ledger"], []
    if ledger["offered"] != row["lines"] or ledger["processed"] + ledger["failed"] != row["lines"]:
        words.append(f"{name}: {ledger['processed'] + ledger['failed']} of {row['lines']} lines were recorded")
    if "page" not in row["compared"] or not any("Prometheus" in each for each in row["compared"]):
        words.append(f"{name}: only compared with {', '.join(row['compared']) or 'nothing'}")
    if row["outcome"] != "conserved":
        words.append(f"{name}: {row['outcome']}: {', '.join(row['findings'])}")
    return words


def measure(lines: int, instruments: Sequence[str], seed: int) -> dict[str, Any]:
    """Return the figures of all runs; after an interruption of those until then."""
    runs: list[dict[str, Any]] = []
    interrupted = False
    for instrument in instruments:
        try:
            runs.append(run(instrument, lines, seed))
        except KeyboardInterrupt:
            interrupted = True
        interrupted |= bool(runs) and runs[-1]["interrupted"]
        if interrupted:
            break
    budget = {"lines": lines, "errors": ERRORS, "series": SERIES}
    return {**about("account.py", seed=seed, budget=budget), "interrupted": interrupted, "runs": runs}


def cells(row: Mapping[str, Any]) -> list[str]:
    """Return a row of the table."""
    if row["reason"]:
        return [row["instrument"], f"{row['lines']:,}", *["–"] * (len(HEADS) - 3), "no result"]
    memory = row["memory_mb"]
    sent = row["ledger"]["processed"] + row["ledger"]["failed"]
    held = row["outcome"] == "conserved"
    stored = any("Prometheus" in each for each in row["compared"])
    early = row["early_mb"]
    return [
        row["instrument"],
        f"{sent:,}",
        "all" if held and "page" in row["compared"] else "see outcome",
        "all" if held and stored else "see outcome",
        f"{row['rate']:,.0f}" if row["rate"] else "–",
        f"{memory.get(COMMAND, 0):.0f}",
        "–" if early is None else f"{early:.0f}",
        f"{memory.get('prometheus', 0):.0f}",
        f"{row['audit_s']:.1f}",
        row["outcome"].replace("_", " "),
    ]


def block(figures: Mapping[str, Any]) -> str:
    """Return the block of the page."""
    runs, budget = figures["runs"], figures["budget"]
    refused = ", ".join(f"{row['ledger']['failed']:,}" for row in runs if not row["reason"])
    scrapes = ", ".join(f"{row['scrapes_compared']} of {row['scrapes']}" for row in runs if not row["reason"])
    text = table(HEADS, [cells(row) for row in runs])
    text += (
        f"\nEach run is one `harness run` in a closed loop with {budget['series']} methods and "
        f"{budget['errors']} of the lines refused ({refused} lines), which are recorded as well. The page after "
        "the last line and what Prometheus stored are compared with the account series by series, bucket by bucket "
        f"and in the sums. Scrapes on the way that were compared as well: {scrapes}. Memory is the largest resident "
        "memory of a process, and beside it what the harness had after a tenth of the run.\n"
    )
    return f"{text}\n{origin(figures)}\n"


def lines_of(text: str) -> int:
    """Return a number of lines such as ``100M``; raises `argparse.ArgumentTypeError`."""
    try:
        return parse_count(text)
    except GrammarError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or render; return 1 where a line is not accounted for, 130 after an interruption."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=lines_of, default=100_000_000, help="lines of each run, such as 100M")
    parser.add_argument("--instruments", default=",".join(INSTRUMENTS), help="ways of recording, separated by commas")
    parser.add_argument("--seed", type=int, default=1, help="fixes the lines")
    add_options(parser, PAGE)
    options = parser.parse_args(arguments)
    end_on_termination()
    if options.render:
        figures = load(f"reliability-{NAME}")
    else:
        figures = measure(options.lines, options.instruments.split(","), options.seed)
    publish(NAME, figures, block(figures), docs=options.docs, render=options.render)
    missed = [words for row in figures["runs"] for words in missing(row)]
    for words in missed:
        tell(f"missed: {words}")
    return 130 if figures["interrupted"] else int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
