"""What showing the live page costs a run: lag p99 without a page, with one nobody watches, and with a browser on it.

    python benchmarks/live_cost.py                                measure (half an hour on a quiet machine)
    python benchmarks/live_cost.py --repeats 3 --duration 5s      a short trial
    python benchmarks/live_cost.py --render                       print the table of the stored session again

Each repeat makes the same run three times, in random order: the same lines and due times, scraped by the built-in
scraper. Headless Chromium runs all the time; it has the page open only in the third way. The ratio of lag p99 to the
run without a page is taken within a repeat, and its interval is Student's over the repeats, of the logarithms. The
session is stored in .benchmarks/live_cost.json. Exits with 1 where a ratio's whole interval lies above 1.
"""

import argparse
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness.measure.stats import Estimate, t_interval  # noqa: E402 - a script has to find its checkout first
from tests.harness.report.browser import Browser, browser  # noqa: E402

STORED = ROOT / ".benchmarks" / "live_cost.json"
WITHOUT, ALONE, WATCHED = "without a page", "with a page that nobody watches", "with a page in a browser"
WAYS = (WITHOUT, ALONE, WATCHED)
FIGURES = (("lag_ns", "p99"), ("lag_ns", "p50"), ("response_ns", "p99"), ("service_ns", "p50"))
# A browser that has not shown the page after so many seconds will not.
_SHOWN_S = 30.0

Figures = dict[str, float]
Repeat = dict[str, Figures]


def one(way: str, flags: Sequence[str], window: Browser, folder: Path) -> Figures:
    """Make one run and return its figures in nanoseconds; raises `RuntimeError` where it failed or was not watched."""
    window.call("url", url="about:blank")
    output = folder / "result.json"
    command = [sys.executable, "-m", "harness.cli", "run", *flags, "--quiet", "--no-save", "--json", str(output)]
    process = subprocess.Popen(
        [*command, *([] if way == WITHOUT else ["--live"])],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        told = process.stderr.readline() if way != WITHOUT else ""
        if way == WATCHED:
            watch(window, told)
        rest = process.communicate()[1]
    finally:
        process.kill()
        process.wait()
    # 1 is a run that missed its schedule: its lag is a figure like any other here.
    if process.returncode not in {0, 1}:
        raise RuntimeError(f"{way}: {told}{rest}")
    if way == WATCHED and "ended" not in window.run("return document.getElementById('link').textContent"):
        raise RuntimeError("the browser did not see the run to its end")
    result = json.loads(output.read_text(encoding="utf-8"))
    return {f"{name}.{statistic}": float(result[name][statistic]) for name, statistic in FIGURES}


def watch(window: Browser, told: str) -> None:
    """Open the page whose address a command has printed."""
    found = re.search(r"http\S+", told)
    if found is None:
        raise RuntimeError(f"no address of a page, but: {told}")
    window.call("url", url=found[0])
    until = time.monotonic() + _SHOWN_S
    while window.run("return document.getElementById('link').textContent") != "live":
        if time.monotonic() > until:
            raise RuntimeError("the browser does not show the page")
        time.sleep(0.05)


def ratio(repeats: Sequence[Repeat], way: str, figure: str) -> Estimate:
    """Return the ratio of a figure to that of the run without a page, with its 95 % interval over the repeats."""
    logs = [math.log(repeat[way][figure] / repeat[WITHOUT][figure]) for repeat in repeats]
    return t_interval(logs).exp()


def rows(repeats: Sequence[Repeat]) -> list[str]:
    """Return the lines of the table."""
    lines = [f"{'figure':<16} {'way':<34} {'median':>10}   ratio to the run without a page (95 %)"]
    for name, statistic in FIGURES:
        figure = f"{name}.{statistic}"
        for way in WAYS:
            median = statistics.median(repeat[way][figure] for repeat in repeats)
            words = "" if way == WITHOUT else _words(ratio(repeats, way, figure))
            label = f"{name.removesuffix('_ns')} {statistic}"
            lines.append(f"{label:<16} {way:<34} {median / 1000:>7.1f} µs   {words}")
    return lines


def _words(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def dearer(repeats: Sequence[Repeat]) -> list[str]:
    """Return the ways in which lag p99 is larger than without a page by all of its interval."""
    return [way for way in (ALONE, WATCHED) if ratio(repeats, way, "lag_ns.p99").low > 1]


def measure(options: argparse.Namespace) -> list[Repeat]:
    """Return the figures of every repeat, by way."""
    flags = [
        "--arrivals", options.arrivals, "--duration", options.duration, "--instrument", options.instrument,
        "--scraper", "builtin",
    ]  # fmt: skip
    rng = random.Random(options.seed)  # noqa: S311 - orders, nothing secret
    repeats: list[Repeat] = []
    with tempfile.TemporaryDirectory(prefix="harness-live-cost-") as scratch, browser(Path(scratch)) as window:
        for number in range(options.repeats):
            seeded = [*flags, "--seed", str(options.seed + number)]
            repeats.append({way: one(way, seeded, window, Path(scratch)) for way in rng.sample(WAYS, len(WAYS))})
            print(f"{number + 1} of {options.repeats}", file=sys.stderr, flush=True)
    return repeats


def _stored(arguments: Mapping[str, Any], repeats: Sequence[Repeat]) -> None:
    STORED.parent.mkdir(exist_ok=True)
    STORED.write_text(json.dumps({"arguments": dict(arguments), "repeats": repeats}), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, help="runs of each way")
    parser.add_argument("--duration", default="20s", help="duration of a run")
    parser.add_argument("--arrivals", default="poisson:rate=2k", help="schedule of a run")
    parser.add_argument("--instrument", default="prometheus-client", help="way of recording")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first repeat, and of the orders")
    parser.add_argument("--render", action="store_true", help="print the table of the stored session")
    options = parser.parse_args()
    if options.render:
        repeats = json.loads(STORED.read_text(encoding="utf-8"))["repeats"]
    else:
        repeats = measure(options)
        _stored(vars(options), repeats)
    print(f"{os.cpu_count()} CPUs, {len(repeats)} repeats of {options.duration} at {options.arrivals}")
    print("\n".join(rows(repeats)))
    return 1 if dearer(repeats) else 0


if __name__ == "__main__":
    sys.exit(main())
