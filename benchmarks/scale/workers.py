"""Measures what several local workers add: the rate of two against one, their schedule, and the start of eight.

    python benchmarks/scale/workers.py                  measure (some ten minutes), print, store in .benchmarks
    python benchmarks/scale/workers.py --docs           store in docs/data and write docs/scale.md as well
    python benchmarks/scale/workers.py --render         write docs/scale.md again from docs/data
    python benchmarks/scale/workers.py --repeats 2 --seconds 1   a short trial

Rate: a closed loop by one worker and by two, and beside it the machine's own limit, a bare loop in one process and in
two, all four in each repeat, in changing order. The share is (two workers / one worker) / (two loops / one loop). Three
short repeats take the place of each long one, since a shared machine changes its speed from one minute to the next.

Schedule: two workers at 100 000 lines/s each, one worker at 100 000 lines/s, and two separate runs of one such worker
at the same time, in changing order, with the instrument `none`, since others take longer than that: the largest rate
error of a worker, and the p99 of the lag. The separate runs share the machine as the two workers do, and nothing else:
what the workers' lag has beyond theirs is the cost of working together.

Start: the time from the command to the moment when all workers are told to begin, and the whole command, with eight
workers and with one, alternating, for a run of one second. The bar is that of the start; what comes after the run is
the look at each worker's page and the audit of each.

Intervals are Student's over repeats, of ratios on the logarithm. Exits with 1 where a bar is missed beyond its
interval.
"""

import argparse
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy

from benchmarks.stored_block import ROOT, add_options, load, publish, table
from harness.host.environment import environment
from harness.load.latency.histogram import Histogram

NAME = "workers"
# Two workers reach at least this share of what the machine gives two processes, and this ratio where it gives them 2.
LEAST_SHARE, LEAST_RATIO, TWICE = 0.95, 1.9, 1.98
MOST_RATE_ERROR = 0.0005
MOST_START_S = 2.0
SHORT_REPEATS, SHORT_SHARE = 3, 0.4
RATE = 100_000
MANY = 8
SCRAPERS = {"none": "without a scraper", "builtin": "with the built-in scraper", "prometheus": "with Prometheus"}
SCHEDULED = {
    "workers_1": f"one worker at 1 x {RATE:,} lines/s",
    "workers_2": f"two workers at 2 x {RATE:,} lines/s",
    "runs_2": f"two separate runs at {RATE:,} lines/s each",
}
TIMEOUT_S = 300.0
# What is measured of a command's start, in this order.
_START, _WHOLE = 0, 1

# Counts for the seconds given; told when to begin, so that both of two loops run all the time.
BARE_LOOP = """
import sys, time
seconds = float(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
end, rounds = time.perf_counter() + seconds, 0
while time.perf_counter() < end:
    for _ in range(10_000):
        pass
    rounds += 1
print(rounds / seconds)
"""


class Interval(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of repeats with Student's interval; without bounds for a single one."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(scipy.stats.t.ppf(0.975, len(values) - 1)) * error
    return Interval(mean, mean - half, mean + half)


def ratio(above: Sequence[float], below: Sequence[float]) -> Interval:
    """Return the geometric mean of the ratios within repeats, with its interval."""
    logs = interval([math.log(a / b) for a, b in zip(above, below, strict=True)])
    return Interval(*map(math.exp, logs))


def bare_rate(processes: int, seconds: float) -> float:
    """Return the rounds a second of bare loops in so many processes together."""
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", BARE_LOOP, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    try:
        for loop in loops:
            assert loop.stdout is not None
            loop.stdout.readline()
        return sum(float(loop.communicate(timeout=TIMEOUT_S)[0].split()[-1]) for loop in _started(loops))
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _started(loops: Sequence["subprocess.Popen[str]"]) -> Sequence["subprocess.Popen[str]"]:
    """Let all loops begin at the same time."""
    for loop in loops:
        assert loop.stdin is not None
        loop.stdin.write("go\n")
        loop.stdin.flush()
    return loops


def run(workers: int, *arguments: str) -> tuple[dict[str, Any], float]:
    """Return the result of one `harness run`, with `start_s` until workers began, and the seconds of the command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        command = [sys.executable, "-m", "harness.cli", "run", "--quiet", "--no-save", "--json", str(path)]
        command += ["--instrument", "prometheus-client", "--workers", str(workers), *arguments]
        began, began_wall = time.monotonic(), datetime.now(UTC)
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=ROOT)
        took_s = time.monotonic() - began
        if not path.is_file():
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        result["start_s"] = (datetime.fromisoformat(result["started"]) - began_wall).total_seconds()
        return result, took_s


def closed_rate(workers: int, seconds: float) -> float:
    """Return the lines a second of a closed loop."""
    arguments = ["--arrivals", "max", "--duration", f"{seconds:g}s", "--scraper", "none"]
    return float(run(workers, *arguments)[0]["rate"]["achieved"])


def measure_rates(repeats: int, seconds: float) -> dict[str, list[float]]:
    """Return the rates of each repeat: one and two workers, one and two bare loops."""
    ways: dict[str, Callable[[], float]] = {
        "workers_1": lambda: closed_rate(1, seconds),
        "workers_2": lambda: closed_rate(2, seconds),
        "loops_1": lambda: bare_rate(1, seconds),
        "loops_2": lambda: bare_rate(2, seconds),
    }
    return _alternating(ways, repeats)


def measure_schedule(repeats: int, seconds: float) -> dict[str, list[Any]]:
    """Return, of each repeat, the largest rate error of a worker, the p99 lag in ns and the verdict, by way."""
    sides: dict[str, Callable[[], dict[str, Any]]] = {
        "workers_1": lambda: _scheduled([_sent(1, seconds)]),
        "workers_2": lambda: _scheduled([_sent(2, seconds)]),
        "runs_2": lambda: _scheduled(_at_once(lambda: _sent(1, seconds), 2)),
    }
    return _alternating(sides, repeats)


def _sent(workers: int, seconds: float) -> dict[str, Any]:
    arguments = ["--arrivals", f"constant:rate={RATE * workers}", "--duration", f"{seconds:g}s", "--scraper", "none"]
    return run(workers, *arguments, "--instrument", "none")[0]


def _at_once(command: "Callable[[], dict[str, Any]]", count: int) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(command) for _ in range(count)]]


def _scheduled(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one run, or of several taken together."""
    parts = [part for result in results for part in result["workers"] or [result]]
    errors = [abs(part["rate"]["achieved"] / part["rate"]["target"] - 1) for part in parts]
    lag = Histogram()
    for result in results:
        lag.merge(Histogram.decode(result["lag_ns"]["hdr"]))
    verdicts = {result["verdict"] for result in results}
    return {"rate_error": max(errors), "lag_p99_ns": lag.percentile(99), "verdict": " and ".join(sorted(verdicts))}


def measure_start(repeats: int) -> dict[str, list[list[float]]]:
    """Return the seconds until the beginning and of the whole command, by scraper and number of workers."""
    arguments = ["--arrivals", "constant:rate=100", "--duration", "1s", "--scrape-interval", "500ms"]

    def took(count: int, scraper: str) -> list[float]:
        result, took_s = run(count, *arguments, "--scraper", scraper)
        return [result["start_s"], took_s]

    ways: dict[str, Callable[[], list[float]]] = {
        f"{scraper}_{count}": lambda count=count, scraper=scraper: took(count, scraper)
        for scraper in SCRAPERS
        if scraper != "prometheus" or shutil.which("prometheus")
        for count in (1, MANY)
    }
    return _alternating(ways, repeats)


def _alternating(ways: "dict[str, Callable[[], Any]]", repeats: int) -> dict[str, list[Any]]:
    """Return the results of each way, all of them in each repeat, in an order of its own."""
    order = random.Random(1)  # noqa: S311 - an order, no secret
    results: dict[str, list[Any]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name in order.sample(sorted(ways), len(ways)):
            results[name].append(ways[name]())
            print(f"  repeat {repeat + 1} of {repeats}: {name}: {results[name][-1]}", file=sys.stderr, flush=True)
    return results


def measure(repeats: int, seconds: float) -> dict[str, Any]:
    """Return all figures of a session."""
    here = environment()
    return {
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{here.cpu}, {here.cpu_count} cores, {here.kernel}, {here.python}",
        "seconds": seconds,
        "rates": measure_rates(SHORT_REPEATS * repeats, SHORT_SHARE * seconds),
        "schedule": measure_schedule(repeats, seconds),
        "start": measure_start(repeats),
    }


def rate_share(rates: dict[str, list[float]]) -> tuple[Interval, Interval, Interval]:
    """Return two workers against one, two bare loops against one, and the share of the first in the second."""
    workers = ratio(rates["workers_2"], rates["workers_1"])
    loops = ratio(rates["loops_2"], rates["loops_1"])
    each = [
        [a / b for a, b in zip(rates[f"{kind}_2"], rates[f"{kind}_1"], strict=True)] for kind in ("workers", "loops")
    ]
    return workers, loops, ratio(*each)


def missed(figures: dict[str, Any]) -> list[str]:
    """Return the bars that are missed beyond their intervals."""
    workers, loops, share = rate_share(figures["rates"])
    bars = [
        (share.high < LEAST_SHARE, f"two workers reach {share.value:.1%} of the machine's limit"),
        (
            loops.low >= TWICE and workers.high < LEAST_RATIO,
            f"two workers send {workers.value:.2f} times what one does",
        ),
    ]
    if figures["schedule"].get("runs_2"):
        lag = lag_ratio(figures["schedule"])
        bars.append((lag.low > 1, f"the p99 lag of two workers is {lag.value:.2f} times that of two separate runs"))
    errors = [each["rate_error"] for each in figures["schedule"]["workers_2"]]
    bars.append((float(np.median(errors)) > MOST_RATE_ERROR, f"the rate is off by {np.median(errors):.3%}"))
    for scraper in scrapers_of(figures["start"]):
        more = added(figures["start"], scraper, _START)
        bars.append((more.low > MOST_START_S, f"{MANY} workers add {more.value:.1f} s to the start ({scraper})"))
    return [text for is_missed, text in bars if is_missed]


def lag_ratio(schedule: dict[str, list[Any]]) -> Interval:
    """Return the p99 lag of two workers against that of two separate runs at the same time."""
    return ratio(*([each["lag_p99_ns"] for each in schedule[name]] for name in ("workers_2", "runs_2")))


def scrapers_of(start: dict[str, list[list[float]]]) -> list[str]:
    """Return the scrapers with which starts were measured."""
    return [scraper for scraper in SCRAPERS if f"{scraper}_1" in start]


def added(start: dict[str, list[list[float]]], scraper: str, which: int) -> Interval:
    """Return the seconds that many workers add to the start of a run (`_START`) or to the whole command (`_WHOLE`)."""
    many, one = start[f"{scraper}_{MANY}"], start[f"{scraper}_1"]
    return interval([a[which] - b[which] for a, b in zip(many, one, strict=True)])


def block(figures: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    workers, loops, share = rate_share(figures["rates"])
    rates = figures["rates"]
    rows = [
        ["one worker, lines/s", *_words(interval(rates["workers_1"]), ",.0f")],
        ["two workers, lines/s", *_words(interval(rates["workers_2"]), ",.0f")],
        ["two workers / one", *_words(workers, ".2f")],
        ["two bare loops / one", *_words(loops, ".2f")],
        ["share of the machine's limit", *_words(share, ".1%")],
    ]
    schedule = figures["schedule"]
    for name, words in SCHEDULED.items():
        each = schedule.get(name, [])
        if not each:
            continue  # stored before there were separate runs
        error, lag = interval([e["rate_error"] for e in each]), interval([e["lag_p99_ns"] / 1e6 for e in each])
        rows.append([f"{words}: rate error", *_words(error, ".3%")])
        rows.append([f"{words}: p99 lag, ms", *_words(lag, ".3f")])
    if schedule.get("runs_2"):
        rows.append(["p99 lag of two workers / of two separate runs", *_words(lag_ratio(schedule), ".2f")])
    for scraper in scrapers_of(figures["start"]):
        what = f"{MANY} workers add {SCRAPERS[scraper]}, s"
        rows.append([f"to the start, {what}", *_words(added(figures["start"], scraper, _START), ".2f")])
        rows.append([f"to the whole command, {what}", *_words(added(figures["start"], scraper, _WHOLE), ".2f")])
    repeats, seconds = len(figures["schedule"]["workers_1"]), figures["seconds"]
    about = (
        f"`make workers-scale`, {repeats} repeats of {seconds:g} s, of the closed loops {len(rates['workers_1'])} of "
        f"{SHORT_SHARE * seconds:g} s, {figures['made']}: {figures['machine']}."
    )
    return table(["figure", "value", "95 % interval"], rows) + f"\n{about}\n"


def _words(figure: Interval, form: str) -> list[str]:
    if not math.isfinite(figure.low) or not math.isfinite(figure.high):
        return [f"{figure.value:{form}}", "–"]
    return [f"{figure.value:{form}}", f"{figure.low:{form}} to {figure.high:{form}}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or read, print and store; return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=8, help="repeats of each measurement (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of each rate (default: %(default)g)")
    add_options(parser)
    options = parser.parse_args(arguments)
    figures = load(NAME) if options.render else measure(options.repeats, options.seconds)
    return publish(NAME, figures, block(figures), missed(figures), docs=options.docs, render=options.render)


if __name__ == "__main__":
    sys.exit(main())
