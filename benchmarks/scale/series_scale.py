"""Measures the time of a page, the time of the audit and the memory by the number of series.

    python benchmarks/scale/series_scale.py [--quick] [--scraper both] [--instrument prometheus-client]

The first table has the single steps, each in seconds of processor time, which other work on the machine hardly affects:
the page as served to a scraper (OpenMetrics, compressed), its parsing, the ledger's expectation, and the comparison of
the two.

The second table has whole runs. Each row is one ``harness run`` in a process of its own, whose lines reach nearly every
series. The last rows are a typical plan: ten thousand methods at the default rate, scraped every second, although a
page takes longer than that. Exits with 1 where a run was not conserved, or that plan took more than a minute or a
gigabyte.
"""

import argparse
import contextlib
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

SERIES = (1, 10, 100, 1_000, 3_000, 10_000, 30_000)
QUICK = (1, 10, 100, 1_000)
# With so many lines per series, one series in 400 gets none.
LINES_PER_SERIES = 6
FEWEST_LINES = 2_000
TIMEOUT_S = 1_800.0
# The plan at the end, and its limits.
PLAN = ("--series", "10000", "--duration", "3s")
PLAN_S, PLAN_MB = 60.0, 1_000.0


@dataclass(frozen=True)
class Row:
    """One run: its plan, its result, and its time and memory as measured from outside."""

    plan: str
    scraper: str
    result: dict[str, Any]
    elapsed_s: float
    cpu_s: float
    harness_mb: float
    scraper_mb: float

    def cells(self) -> list[str]:
        scrapes, audit = self.result["scrapes"], self.result["audit"]
        names = sorted({finding["name"] for finding in audit["findings"] if finding["severity"] != "info"})
        return [
            self.plan,
            self.scraper,
            f"{scrapes['duration_ms']['rest'] / 1e3:.3f}",
            f"{audit['elapsed_s']:.1f}",
            f"{self.elapsed_s:.1f}",
            f"{self.cpu_s:.1f}",
            f"{self.harness_mb:.0f}",
            f"{self.scraper_mb:.0f}",
            f"{audit['outcome']}" + (f" ({', '.join(names)})" if names else ""),
        ]


PART_HEADS = ["series", "samples", "page, MB", "page, s", "read, s", "ledger, s", "compare, s", "memory, MB"]
PART_WIDTHS = (8, 8, 8, 8, 8, 9, 10, 10)
HEADS = ["plan", "scraper", "page, s", "audit, s", "run, s", "CPU, s", "harness, MB", "scraper, MB", "outcome"]


def parts(instrument_name: str, series: int) -> list[str]:
    """Return the row of one number of series; call it in a process of its own, because of the memory."""
    from prometheus_client.exposition import choose_encoder

    from harness.audit.audit import audit
    from harness.exposition.headers import SCRAPE_HEADERS
    from harness.exposition.page import OPENMETRICS, parse_page
    from harness.instruments import create
    from harness.load.recorder import EVALUATED
    from harness.load.truth.ledger import Ledger
    from harness.views import QUICKSTART_VIEWS, Tags
    from workloads.workload import Truth

    instrument = create(instrument_name, QUICKSTART_VIEWS)
    methods = [f"repl-{number:05}" for number in range(series)]
    ledger = Ledger(QUICKSTART_VIEWS, methods)
    for method in methods:
        instrument.record(0.03, 20, Tags(method))
    numbers = np.arange(series, dtype=np.int32)
    lines = Truth(np.full(series, 20), numbers, np.zeros(series, np.int8))
    ledger.add(lines, np.full(series, EVALUATED, np.int8), [0.03] * series)

    spent: list[float] = []

    def timed(step: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = step()
        spent.append(time.process_time() - began)
        return result

    encoder, _ = choose_encoder(SCRAPE_HEADERS["Accept"])
    text = gzip.decompress(timed(lambda: gzip.compress(encoder(instrument.registry))))
    page = timed(lambda: parse_page(text.decode(), OPENMETRICS))
    expected = timed(ledger.expected)
    outcome = timed(lambda: audit(expected, QUICKSTART_VIEWS, page))
    assert outcome.outcome == "conserved", outcome
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = f"{len(text) / 1e6:.2f}"
    return [str(series), str(len(page.samples)), size, *(f"{step:.2f}" for step in spent), f"{memory_mb:.0f}"]


def run(plan: str, scraper: str, arguments: list[str]) -> Row:
    """Run the command and monitor its memory, and separately that of its children."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        command = [sys.executable, "-m", "harness.cli", "run", "--quiet", "--no-save", "--json", str(path), *arguments]
        began = time.monotonic()
        process = psutil.Popen(
            [*command, "--scraper", scraper], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        harness = children = 0
        cpu_s = 0.0
        while process.poll() is None:
            mine, theirs, cpu_s = usage(process) or (harness, children, cpu_s)
            harness, children = max(harness, mine), max(children, theirs)
            if time.monotonic() - began > TIMEOUT_S:
                process.kill()
            time.sleep(0.05)
        elapsed_s = time.monotonic() - began
        if not path.is_file():
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {process.stderr.read().strip()}")
        return Row(plan, scraper, json.loads(path.read_text()), elapsed_s, cpu_s, harness / 1e6, children / 1e6)


def usage(process: psutil.Process) -> tuple[int, int, float] | None:
    """Return the process's resident bytes, those of its children together, and its own seconds of processor time.

    None where it has ended.
    """
    try:
        mine, times = process.memory_info().rss, process.cpu_times()
        children = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    theirs = 0
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            theirs += child.memory_info().rss
    return mine, theirs, times.user + times.system


def print_row(cells: list[str], widths: Sequence[int] = (26, 10, 9, 9, 8, 8, 12, 12, 0)) -> None:
    """Print a row of a Markdown table, aligned for a terminal."""
    aligned = [
        cell.ljust(width) if width > 9 or not width else cell.rjust(width)
        for cell, width in zip(cells, widths, strict=True)
    ]
    print("| " + " | ".join(aligned) + " |", flush=True)


def main() -> int:
    """Print the tables; return 1 where a run was not conserved, or the plan exceeded its limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Measure up to 1 000 series, without the plan.")
    parser.add_argument("--instrument", default="prometheus-client", help="Use this way of recording.")
    parser.add_argument(
        "--scraper", choices=["builtin", "prometheus", "both"], default="both", help="Use this scraper."
    )
    parser.add_argument("--parts", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.parts is not None:
        print(json.dumps(parts(options.instrument, options.parts)))
        return 0
    scrapers = ["builtin", "prometheus"] if options.scraper == "both" else [options.scraper]
    print_row(PART_HEADS, PART_WIDTHS)
    print_row(["---:"] * len(PART_HEADS), PART_WIDTHS)
    for series in QUICK if options.quick else SERIES:
        command = [sys.executable, __file__, "--instrument", options.instrument, "--parts", str(series)]
        print_row(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout), PART_WIDTHS)
    print()
    print_row(HEADS)
    print_row(["---"] * len(HEADS))
    failed = False
    for series in QUICK if options.quick else SERIES:
        count = max(FEWEST_LINES, LINES_PER_SERIES * series)
        for scraper in scrapers:
            row = run(
                f"{series} series, {count} lines",
                scraper,
                [
                    "--series",
                    str(series),
                    "--count",
                    str(count),
                    "--arrivals",
                    "max",
                    "--instrument",
                    options.instrument,
                ],
            )
            print_row(row.cells())
            failed |= row.result["audit"]["outcome"] != "conserved"
    for scraper in [] if options.quick else scrapers:
        row = run(" ".join(PLAN), scraper, [*PLAN, "--instrument", options.instrument])
        print_row(row.cells())
        memory_mb = row.harness_mb + row.scraper_mb
        within = row.elapsed_s < PLAN_S and memory_mb < PLAN_MB
        failed |= row.result["audit"]["outcome"] != "conserved" or not within
        print(f"  {row.elapsed_s:.1f} s of {PLAN_S:.0f} s, {memory_mb:.0f} MB of {PLAN_MB:.0f} MB")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
