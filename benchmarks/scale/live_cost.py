"""What showing the live page costs a run: lag p99 without a page, with one nobody watches, and with a browser on it.

    python benchmarks/scale/live_cost.py                              measure (25 minutes), store in .benchmarks
    python benchmarks/scale/live_cost.py --docs                       store in docs/data and write docs/live.md as well
    python benchmarks/scale/live_cost.py --render                     write docs/live.md again from docs/data
    python benchmarks/scale/live_cost.py --repeats 3 --duration 5s    a short trial

Each repeat makes the same run four times, in random order: the same lines and due times, scraped by the built-in
scraper. Headless Chromium runs all the time; it has the page open in two of them: kept to the last core, which leaves
the others to the run as a browser on another machine does, and on any core. The ratio of lag p99 to the run without a
page is taken within a repeat, and its interval is Student's over the repeats, of the logarithms. Exits with 1 where a
ratio of lag p99 lies above 1 with all of its interval.
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
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.stored_block import add_options, load, publish, table  # noqa: E402 - a script has to find its checkout
from harness.host.environment import environment  # noqa: E402
from harness.measure.stats import Estimate, t_interval  # noqa: E402
from tests.harness.report.browser import Browser, browser  # noqa: E402

NAME = "live-cost"
PAGE = ROOT / "docs" / "live.md"
WITHOUT, ALONE = "without a page", "with a page that nobody watches"
APART, WATCHED = "with a page in a browser kept to one core", "with a page in a browser on any core"
WAYS = (WITHOUT, ALONE, APART, WATCHED)
FIGURES = (("lag_ns", "p99"), ("lag_ns", "p50"), ("response_ns", "p99"), ("service_ns", "p50"))
# A browser that has not shown the page after so many seconds will not.
_SHOWN_S = 30.0

Figures = dict[str, float]
Repeat = dict[str, Figures]


def one(way: str, flags: Sequence[str], window: Browser, folder: Path) -> Figures:
    """Make one run and return its figures in nanoseconds; raises `RuntimeError` where it failed or was not watched."""
    window.call("url", url="about:blank")
    cores = sorted(os.sched_getaffinity(0))
    keep_browser_to(cores[-1:] if way == APART else cores)
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
        if way in (APART, WATCHED):
            watch(window, told)
        rest = process.communicate()[1]
    finally:
        process.kill()
        process.wait()
    # 1 is a run that missed its schedule: its lag is a figure like any other here.
    if process.returncode not in {0, 1}:
        raise RuntimeError(f"{way}: {told}{rest}")
    if way in (APART, WATCHED) and "ended" not in window.run("return document.getElementById('link').textContent"):
        raise RuntimeError("the browser did not see the run to its end")
    result = json.loads(output.read_text(encoding="utf-8"))
    return {f"{name}.{statistic}": float(result[name][statistic]) for name, statistic in FIGURES}


def keep_browser_to(cores: Sequence[int]) -> None:
    """Let every thread of the browser run on these cores only."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.name().startswith("chrom"):
                for thread in process.threads():
                    with suppress(ProcessLookupError):
                        os.sched_setaffinity(thread.id, cores)


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


def block(figures: Mapping[str, Any]) -> str:
    """Return a stored session as a Markdown table."""
    repeats, plan, lines = figures["repeats"], figures["plan"], list[list[str]]()
    for name, statistic in FIGURES:
        figure = f"{name}.{statistic}"
        for way in WAYS:
            median = statistics.median(repeat[way][figure] for repeat in repeats)
            words = "" if way == WITHOUT else _words(ratio(repeats, way, figure))
            lines.append([f"{name.removesuffix('_ns')} {statistic}, {way}", f"{median / 1000:.1f} µs", words])
    about = (
        f"`make live-cost`, {len(repeats)} repeats of {plan['duration']} at {plan['arrivals']} through "
        f"{plan['instrument']}, {figures['made']}: {figures['machine']}."
    )
    return table(["figure", "median", "ratio to the run without a page (95 %)"], lines) + f"\n{about}\n"


def _words(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def dearer(repeats: Sequence[Repeat]) -> list[str]:
    """Return the ways in which lag p99 is larger than without a page by all of its interval."""
    return [way for way in (ALONE, APART, WATCHED) if ratio(repeats, way, "lag_ns.p99").low > 1]


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


def main() -> int:
    """Measure or read, print and store; return 1 where the page makes lines later."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=24, help="runs of each way")
    parser.add_argument("--duration", default="10s", help="duration of a run")
    parser.add_argument("--arrivals", default="poisson:rate=2k", help="schedule of a run")
    parser.add_argument("--instrument", default="prometheus-client", help="way of recording")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first repeat, and of the orders")
    add_options(parser, PAGE)
    options = parser.parse_args()
    if options.render:
        figures = load(NAME)
    else:
        here = environment()
        figures = {
            "made": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": f"{here.cpu}, {here.cpu_count} cores, {here.kernel}, {here.python}",
            "plan": {name: getattr(options, name) for name in ("duration", "arrivals", "instrument", "seed")},
            "repeats": measure(options),
        }
    missed = [f"lag p99 is longer {way}" for way in dearer(figures["repeats"])]
    return publish(NAME, figures, block(figures), missed, docs=options.docs, render=options.render, page=PAGE)


if __name__ == "__main__":
    sys.exit(main())
