"""A thousand runs in one process and two hundred commands in a row leave nothing behind; `make repeats`.

    python benchmarks/endurance/repeats.py                      measure (some 45 minutes), print, store in .benchmarks
    python benchmarks/endurance/repeats.py --docs               store in docs/data and write docs/reliability.md as well
    python benchmarks/endurance/repeats.py --render             write docs/reliability.md again from docs/data
    python benchmarks/endurance/repeats.py --runs 20 --calls 5  a short trial

In one process: short load runs by `harness.run.execute`, each scraped by a real Prometheus of its own and audited,
through three ways of recording in turn. In a row: `harness run`, each of which saves its result in one history. After
each, memory, descriptors, threads, child processes and files in the temporary folder are counted. Memory must not grow:
the interval of its slope includes zero and excludes 1 MB over all of them, after the first fifth.
benchmarks/endurance/drift.py describes the interval. Exits with 1 where something grew, was left or was lost, with 3
where only an interval is too wide to decide, with 130 after an interruption.
"""

import argparse
import contextlib
import gc
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.endurance.drift import Slope, Verdict, constant, judge, slope, usual
from benchmarks.endurance.long_run import (
    PAGE,
    about,
    child_environment,
    end_on_termination,
    harness,
    origin,
    publish,
    tell,
)
from benchmarks.stored_block import add_options, load, table
from harness.children import end_group, has_ended
from harness.run.execute import execute
from harness.run.spec import RunSpec

NAME = "repeats"
RUNS, CALLS = 1_000, 200
INSTRUMENTS = ("opencensus", "opencensus-lean", "prometheus-client")
LINES, SERIES, ERRORS, INTERVAL = 500, 5, "1%", "100ms"
# A machine on which one takes longer than this does not run, it hangs.
EACH_S = 60.0
LIMIT_MB = 1.0
WARM_UP = 0.2
_GLANCE_S = 0.05
_TOLD_S = 60.0
COUNTS = ("descriptors", "threads", "children", "files")
HEADS = ["", "done", "memory, MB", "growth over all, MB (95 %)", "verdict", "descriptors", "threads", "left running",
         "files left"]  # fmt: skip


class _Silent:
    """Hears of everything and shows nothing."""

    def phase(self, text: str) -> None:
        """Ignore it."""

    def progress(self, progress: object, scrapes: int, failed_scrapes: int) -> None:
        """Ignore it."""


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give this process and its children a temporary folder of their own, so that what is left in it is theirs."""
    with tempfile.TemporaryDirectory(prefix="harness-repeats-") as folder:
        before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
        place = Path(folder) / "tmp"
        place.mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(place)
        try:
            yield place
        finally:
            tempfile.tempdir = before
            os.environ.pop("TMPDIR")
            if variable is not None:
                os.environ["TMPDIR"] = variable


def files_in(folder: Path) -> int:
    """Return how many files and folders a folder holds, at any depth."""
    return sum(1 for _ in folder.rglob("*"))


def reading(folder: Path) -> dict[str, int]:
    """Return what this process has and what is in the folder, now."""
    gc.collect()
    here = psutil.Process()
    return {
        "memory_kb": here.memory_full_info().uss // 1024,
        "descriptors": here.num_fds(),
        "threads": here.num_threads(),
        "children": len(here.children(recursive=True)),
        "files": files_in(folder),
    }


def one_run(number: int, scraper: str) -> dict[str, Any]:
    """Make a short run in this process, and return its outcome."""
    spec = RunSpec(
        name="repeat", arrivals="max", count=LINES, series=str(SERIES), errors=ERRORS, scraper=scraper,
        scrape_interval=INTERVAL, instrument=INSTRUMENTS[number % len(INSTRUMENTS)], seed=number + 1,
    )  # fmt: skip
    result = execute(spec, _Silent())
    held = result.audit.outcome == "conserved" and result.ledger.offered == LINES
    return {"interrupted": result.interrupted, "conserved": held}


def in_one_process(runs: int, scraper: str) -> dict[str, Any]:
    """Make all runs in this process; return the readings after each."""
    with temporary_folder() as folder:

        def once(number: int) -> dict[str, Any]:
            outcome = one_run(number, scraper)
            return {**outcome, **reading(folder)}

        return repeated("runs in one process", runs, once)


def one_call(number: int, folder: Path, store: Path, scraper: str) -> dict[str, Any]:
    """Make one call of the command in a process of its own; return how it ended and what it left."""
    command = harness(
        "run", "--quiet", "--store", str(store), "--arrivals", "max", "--count", str(LINES), "--series", str(SERIES),
        "--errors", ERRORS, "--scraper", scraper, "--scrape-interval", INTERVAL, "--seed", str(number + 1),
        "--instrument", INSTRUMENTS[number % len(INSTRUMENTS)],
    )  # fmt: skip
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=child_environment(TMPDIR=str(folder)), process_group=0,
    )  # fmt: skip
    peak_kb, usage, interrupted = 0, (0, 0), False
    try:
        while not has_ended(process, _GLANCE_S) and time.monotonic() - began < EACH_S:
            peak_kb = max(peak_kb, _peak_kb(process.pid))
            usage = tuple(map(max, usage, _held(process.pid)))
    except KeyboardInterrupt:
        interrupted = True
        process.send_signal(signal.SIGINT)
        has_ended(process, EACH_S)
    finally:
        ended = has_ended(process, 0)
        code = end_group(process)
    descriptors, threads = usage
    return {
        "interrupted": interrupted,
        "conserved": ended and code == 0,
        "memory_kb": peak_kb,
        "descriptors": descriptors,
        "threads": threads,
        "children": left_running(folder),
        "files": files_in(folder),
    }


def _peak_kb(pid: int) -> int:
    """Return the largest memory that a process ever had, in kB; 0 where it has ended.

    Not what `os.wait4` tells, which begins with what this process had when it started the other one.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def _held(pid: int) -> tuple[int, int]:
    """Return the descriptors and threads of a process; zeros where it has ended."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return process.num_fds(), process.num_threads()
    return 0, 0


def left_running(folder: Path) -> int:
    """Return how many processes with that temporary folder are running, whoever their parent is by now."""
    count = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get("TMPDIR") == str(folder):
                count += process.status() != psutil.STATUS_ZOMBIE
    return count


def in_a_row(calls: int, scraper: str) -> dict[str, Any]:
    """Make all calls one after the other; return the readings of each, and how many results were stored."""
    with temporary_folder() as folder:
        store = folder.parent / "runs"
        part = repeated("commands in a row", calls, lambda number: one_call(number, folder, store, scraper))
        return {**part, "stored": len(list(store.rglob("*.json*"))) if store.is_dir() else 0}


def repeated(what: str, count: int, once: Any) -> dict[str, Any]:
    """Call `once` with each number below `count` and return the columns; ends at an interruption or the deadline."""
    columns: dict[str, list[int]] = {name: [] for name in ("memory_kb", *COUNTS)}
    lost, interrupted, overdue = [], False, False
    began = told = time.monotonic()
    deadline = began + max(EACH_S, count * EACH_S / 4)
    for number in range(count):
        overdue = time.monotonic() > deadline
        if overdue:
            break
        try:
            outcome = once(number)
        except KeyboardInterrupt:
            interrupted = True
            break
        if outcome["interrupted"]:
            interrupted = True
            break
        if not outcome["conserved"]:
            lost.append(number)
        for name, column in columns.items():
            column.append(outcome[name])
        if (now := time.monotonic()) - told >= _TOLD_S:
            told = now
            memory = f"{columns['memory_kb'][-1] // 1000} MB"
            tell(
                f"{what}: {number + 1} of {count} after {now - began:.0f} s, ends by {deadline - began:.0f} s; {memory}"
            )
    return {
        "asked": count,
        "interrupted": interrupted,
        "overdue": overdue,
        "lost": lost,
        "took_s": round(time.monotonic() - began, 1),
        **{name: " ".join(map(str, column)) for name, column in columns.items()},
    }


TITLES = {"process": "runs in one process", "calls": "`harness` commands in a row"}


def column(part: Mapping[str, Any], name: str) -> list[int]:
    """Return a column after the warm-up."""
    values = [int(each) for each in part[name].split()]
    return values[int(WARM_UP * len(values)) :]


def growth(part: Mapping[str, Any]) -> Slope:
    """Return the growth of memory over as many as were asked for, in MB."""
    memory = column(part, "memory_kb")
    return slope([place / part["asked"] for place in range(len(memory))], [kb * 1024 / 1e6 for kb in memory])


def missed_of(name: str, part: Mapping[str, Any]) -> list[str]:
    """Return in words what grew, was left or was lost."""
    title = TITLES[name].replace("`", "")
    done = len(part["memory_kb"].split())
    words = []
    if judge(growth(part), LIMIT_MB) is Verdict.GROWS:
        words.append(f"{title}: memory grows by {_interval(growth(part))} MB")
    words += [
        f"{title}: {each} are not constant: {_counts(column(part, each))}"
        for each in ("descriptors", "threads")
        # Of commands they are the most that was seen at once, which a sample may miss.
        if name == "process" and not constant(column(part, each))
    ]
    words += [
        f"{title}: {each} are left: {max(column(part, each))}"
        for each in ("children", "files")
        if any(column(part, each))
    ]
    if part["lost"]:
        words.append(f"{title}: {len(part['lost'])} not conserved or failed, the first is number {part['lost'][0] + 1}")
    if part.get("stored", done) < done:
        words.append(f"{title}: {part['stored']} results of {done} were stored")
    if part["overdue"]:
        words.append(f"{title}: only {done} of {part['asked']} until the deadline")
    return words


def undecided_of(name: str, part: Mapping[str, Any]) -> list[str]:
    """Return in words that the growth is known too little to be called none."""
    if judge(growth(part), LIMIT_MB) is not Verdict.UNDECIDED:
        return []
    return [f"{TITLES[name].replace('`', '')}: the interval of growth, {_interval(growth(part))} MB, decides nothing"]


def _interval(drift: Slope) -> str:
    if not math.isfinite(drift.low):
        return "too few to tell"
    return f"{drift.value:+.2f} ({drift.low:+.2f} to {drift.high:+.2f})".replace("-", "−")


def _counts(values: Sequence[int]) -> str:
    if not values:
        return "–"
    text = " → ".join(dict.fromkeys(map(str, usual(values))))
    return text if min(values) == max(values) else f"{text} ({min(values)} to {max(values)})"


def block(figures: Mapping[str, Any]) -> str:
    """Return the block of the page."""
    rows, notes = [], []
    for name, part in figures["parts"].items():
        memory = column(part, "memory_kb")
        rows.append(
            [
                TITLES[name],
                f"{len(part['memory_kb'].split()):,}",
                f"{statistics.median(memory) * 1024 / 1e6:.1f}" if memory else "–",
                _interval(growth(part)),
                judge(growth(part), LIMIT_MB).value,
                *(_counts(column(part, each)) for each in COUNTS),
            ]
        )
        notes += [*missed_of(name, part), *undecided_of(name, part)]
    budget = figures["budget"]
    text = table(HEADS, rows)
    text += (
        f"\nEach run sends {budget['lines']} lines through one of {', '.join(budget['instruments'])} in turn, is "
        f"scraped by {budget['scraper']} and audited; each command saves its result. The first fifth is left "
        "out. Memory is, of the process of all runs, its own memory after each run, and of a command "
        "the largest while it ran; its descriptors and threads are the most seen. Growth is flat if its "
        "interval includes zero and excludes 1 MB over all of them; the interval is that of the slopes above.\n"
    )
    return text + "".join(f"\n- {words}" for words in notes) + ("\n" if notes else "") + f"\n{origin(figures)}\n"


def measure(runs: int, calls: int, scraper: str) -> dict[str, Any]:
    """Return the figures of both parts; after an interruption of what was done until then."""
    parts: dict[str, dict[str, Any]] = {}
    if runs:
        parts["process"] = in_one_process(runs, scraper)
    if calls and not any(part["interrupted"] for part in parts.values()):
        parts["calls"] = in_a_row(calls, scraper)
    budget = {"runs": runs, "calls": calls, "lines": LINES, "instruments": INSTRUMENTS, "scraper": scraper}
    interrupted = any(part["interrupted"] for part in parts.values())
    return {**about("repeats.py", seed=1, budget=budget), "interrupted": interrupted, "parts": parts}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or render; return 1 where something grew, 3 where it is undecided, 130 after an interruption."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, help="runs in one process")
    parser.add_argument("--calls", type=int, default=CALLS, help="commands in a row")
    parser.add_argument("--scraper", choices=["prometheus", "builtin"], default="prometheus", help="who scrapes")
    add_options(parser, PAGE)
    options = parser.parse_args(arguments)
    end_on_termination()
    figures = load(f"reliability-{NAME}") if options.render else measure(options.runs, options.calls, options.scraper)
    publish(NAME, figures, block(figures), docs=options.docs, render=options.render)
    missed = [words for name, part in figures["parts"].items() for words in missed_of(name, part)]
    for words in missed:
        tell(f"missed: {words}")
    if figures["interrupted"]:
        return 130
    undecided = any(undecided_of(name, part) for name, part in figures["parts"].items())
    return 1 if missed else 3 if undecided else 0


if __name__ == "__main__":
    sys.exit(main())
