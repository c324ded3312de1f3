"""An hour under load: memory, descriptors, threads, lag and page times that do not drift; `make soak`.

    python benchmarks/endurance/soak.py                            measure (three parts of an hour each)
    python benchmarks/endurance/soak.py --duration 10m --what run  a shorter soak of one part
    python benchmarks/endurance/soak.py --docs                     write docs/reliability.md as well
    python benchmarks/endurance/soak.py --render                   write docs/reliability.md again from docs/data

The parts, one after the other:

    run      `harness run`: 5 000 lines/s, one in a hundred refused, 50 methods, the real Prometheus
    demo     `harness demo` with its own load and live page, through one tour of all incidents after the other
    workers  `harness run --workers 4`: the load of `run`, shared by four processes

Each process is sampled from outside every five seconds. The first third of a part is warm-up and is left out. The slope
of the memory that belongs to a process alone (USS) must be indistinguishable from zero, with an interval that excludes
1 MB/h; descriptors and threads must be constant; the p99 of the lag and the time of a page must not rise by more than a
tenth an hour by all of their intervals; no line may be lost. benchmarks/endurance/drift.py describes the intervals.
Prometheus itself is shown and not judged: it keeps what it scrapes. Exits with 1 where a part does not hold, with 3
where only the interval of a slope is too wide to decide, with 130 after an interruption.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.endurance.drift import BATCHES, Slope, Verdict, constant, judge, relative_slope, rises, slope, usual
from benchmarks.endurance.long_run import PAGE, about, end_on_termination, origin, publish, tell
from benchmarks.endurance.soak_parts import ERRORS, INSTRUMENT, RATE, SAMPLED_S, SERIES, WORKERS, measure_part
from benchmarks.endurance.usage import Readings
from benchmarks.stored_block import add_options, load, table
from workloads.errors import GrammarError
from workloads.units import parse_duration_ns

NAME = "soak"
PARTS = ("run", "demo", "workers")
TITLES = {
    "run": f"`harness run`, {RATE:,} lines/s, {SERIES} methods",
    "demo": "`harness demo` with incidents",
    "workers": f"`harness run --workers {WORKERS}`, {RATE:,} lines/s, {SERIES} methods",
}
LIMIT_MB_H = 1.0
ALLOWED_RISE = 0.1
NOT_JUDGED = "prometheus"
HEADS = ["process", "own memory, MB", "slope, MB/h (95 %)", "verdict", "descriptors", "threads"]


@dataclass(frozen=True)
class Process:
    """What is said of one process after the warm-up."""

    role: str
    own_mb: float
    drift: Slope
    verdict: Verdict
    descriptors: Sequence[int]
    threads: Sequence[int]

    @property
    def judged(self) -> bool:
        """Whether it is one of the project's own."""
        return self.role != NOT_JUDGED

    def cells(self) -> list[str]:
        """Return its row of the table."""
        return [
            self.role,
            f"{self.own_mb:.1f}",
            _interval(self.drift),
            self.verdict.value if self.judged else "not judged",
            _usual(self.descriptors),
            _usual(self.threads),
        ]

    def missed(self) -> list[str]:
        """Return what does not hold of it, in words."""
        if not self.judged:
            return []
        words = []
        if self.verdict is Verdict.GROWS:
            words.append(f"{self.role}: memory grows by {_interval(self.drift)} MB/h")
        words += [
            f"{self.role}: {name} are not constant: {_usual(values)}"
            for name, values in (("descriptors", self.descriptors), ("threads", self.threads))
            if not constant(values)
        ]
        return words


def _usual(values: Sequence[int]) -> str:
    """Return the most frequent numbers of the thirds, and the range where it is wider."""
    if not values:
        return "–"
    numbers = usual(values)
    text = str(numbers[0]) if len(set(numbers)) == 1 else " → ".join(map(str, numbers))
    return text if min(values) == max(values) else f"{text} ({min(values)} to {max(values)})"


def _interval(drift: Slope) -> str:
    if not math.isfinite(drift.low):
        return "too few samples"
    return f"{drift.value:+.2f} ({drift.low:+.2f} to {drift.high:+.2f})".replace("-", "−")


def processes_of(part: Mapping[str, Any]) -> list[Process]:
    """Return what is said of each process of a part."""
    result = []
    for role, document in part["usage"].items():
        late = Readings.of(document).after(part["warm_up_s"]) if part["seconds"] else Readings()
        within = [place for place, at_s in enumerate(late.at_s) if at_s <= part["seconds"]]
        if not within:
            continue
        own = [late.uss_kb[place] for place in within]
        drift = slope(
            [late.at_s[place] / 3600 for place in within],
            [kb * 1024 / 1e6 for kb in own],
            batches=part["batches"] or BATCHES,
        )
        result.append(
            Process(
                role,
                statistics.median(own) * 1024 / 1e6,
                drift,
                judge(drift, LIMIT_MB_H),
                [late.descriptors[place] for place in within],
                [late.threads[place] for place in within],
            )
        )
    return result


def trend(part: Mapping[str, Any], figure: str) -> tuple[Slope, float | None]:
    """Return the change an hour of a duration, as a share, and its median in ms (None without any), after warm-up."""
    times = [float(each) for each in part[figure]["at_s"].split()]
    values = [float(each) for each in part[figure]["ns"].split()]
    late = [(at_s / 3600, ns) for at_s, ns in zip(times, values, strict=True) if at_s >= part["warm_up_s"]]
    drift = relative_slope([at_h for at_h, _ in late], [ns for _, ns in late])
    return drift, statistics.median(ns for _, ns in late) / 1e6 if late else None


FIGURES = {"lag": "lag p99", "page": "time of a page"}


def missed_of(part: Mapping[str, Any]) -> list[str]:
    """Return in words what does not hold of a part."""
    title = part["what"]
    words = [f"{title}: {each}" for process in processes_of(part) for each in process.missed()]
    if part["reason"]:
        return [*words, f"{title}: no result: {part['reason']}"]
    if part["outcome"] != "conserved":
        words.append(f"{title}: {part['outcome']}: {', '.join(part['findings'])}")
    for figure, name in FIGURES.items():
        drift, _ = trend(part, figure)
        if rises(drift, ALLOWED_RISE):
            words.append(f"{title}: {name} rises by {_share(drift)} an hour")
    return words


def undecided_of(part: Mapping[str, Any]) -> list[str]:
    """Return in words which slopes are known too little to be called flat."""
    return [
        f"{part['what']}: {process.role}: the slope's interval, {_interval(process.drift)} MB/h, decides nothing"
        for process in processes_of(part)
        if process.judged and process.verdict is Verdict.UNDECIDED
    ]


def _share(drift: Slope) -> str:
    if not math.isfinite(drift.high):
        return "too few values to tell"
    return f"{drift.value:+.0%} ({drift.low:+.0%} to {drift.high:+.0%})".replace("-", "−")


def summary(part: Mapping[str, Any]) -> str:
    """Return the sentences below a part's table."""
    if part["reason"]:
        return f"There was no result: {part['reason']}\n"
    ledger = part["ledger"]
    words = [
        f"{ledger['offered']:,} lines, {ledger['failed']:,} of them refused: {part['outcome'].replace('_', ' ')}"
        + (f", {part['scrapes_compared']} of {part['scrapes']} scrapes compared" if "scrapes" in part else "")
        + "."
    ]
    for figure, name in FIGURES.items():
        drift, median = trend(part, figure)
        if median is not None:
            words.append(f"{name[0].upper()}{name[1:]}: median {median:.3g} ms, change an hour {_share(drift)}.")
    return " ".join(words) + "\n"


def section(part: Mapping[str, Any]) -> str:
    """Return the section of one part."""
    minutes = part["seconds"] / 60
    rows = [process.cells() for process in processes_of(part)]
    missed, open_ones = missed_of(part), undecided_of(part)
    verdict = "does not hold" if missed else "undecided" if open_ones else "holds"
    text = f"**{TITLES[part['what']]}**, {minutes:g} minutes: **{verdict}**.\n\n"
    text += f"{table(HEADS, rows)}\n{summary(part)}"
    return text + "".join(f"\n- {words}" for words in (*missed, *open_ones)) + ("\n" if missed or open_ones else "")


def block(figures: Mapping[str, Any]) -> str:
    """Return the block of the page."""
    sections = "\n".join(section(part) for part in figures["parts"])
    return (
        f"{sections}\nThe first third of each part is warm-up and left out. Own memory is what no other process shares "
        "(USS); its slope is flat where the interval excludes 1 MB/h and its lower end is not above zero. The interval "
        "is Student's, of a straight line through the means of equal spans, with the number of means reduced for the "
        "correlation that neighbours have; of the demo each tour through all incidents is one span. Descriptors and "
        "threads are the most frequent numbers of each third, with the smallest and largest seen at any moment. "
        f"Prometheus keeps what it scrapes and is not judged.\n\n{origin(figures)}\n"
    )


def measure(parts: Sequence[str], seconds: float, seed: int, every_s: float) -> dict[str, Any]:
    """Return the figures of the parts; after an interruption of those until then."""
    done: list[dict[str, Any]] = []
    interrupted = False
    for what in parts:
        try:
            done.append(measure_part(what, seconds, seed, every_s))
        except KeyboardInterrupt:
            interrupted = True
        interrupted |= bool(done) and done[-1]["interrupted"]
        if interrupted:
            break
        tell(section(done[-1]))
    budget = {
        "seconds": seconds, "rate": RATE, "series": SERIES, "errors": ERRORS, "instrument": INSTRUMENT,
        "workers": WORKERS, "sampled_s": every_s,
    }  # fmt: skip
    return {**about("soak.py", seed=seed, budget=budget), "interrupted": interrupted, "parts": done}


def duration_s(text: str) -> float:
    """Return the seconds of a duration such as ``10m``; raises `argparse.ArgumentTypeError`."""
    try:
        return parse_duration_ns(text) / 1e9
    except GrammarError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or render; return 1 where a part does not hold, 3 where one is undecided, 130 after an interruption."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=duration_s, default=3600.0, help="how long each part lasts, such as 10m")
    parser.add_argument("--what", choices=[*PARTS, "all"], default="all", help="the part to run")
    parser.add_argument("--every", type=float, default=SAMPLED_S, help="seconds between two samples")
    parser.add_argument("--seed", type=int, default=1, help="fixes the lines")
    add_options(parser, PAGE)
    options = parser.parse_args(arguments)
    end_on_termination()
    if options.render:
        figures = load(f"reliability-{NAME}")
    else:
        parts = PARTS if options.what == "all" else (options.what,)
        figures = measure(parts, options.duration, options.seed, options.every)
    publish(NAME, figures, block(figures), docs=options.docs, render=options.render)
    missed = [words for part in figures["parts"] for words in missed_of(part)]
    for words in missed:
        tell(f"missed: {words}")
    if figures["interrupted"]:
        return 130
    return 1 if missed else 3 if any(undecided_of(part) for part in figures["parts"]) else 0


if __name__ == "__main__":
    sys.exit(main())
