"""The effect of a large application heap on each way of recording: the same one with and without additional objects.

Pairs of fresh processes record the same lines, one of each pair with some hundred thousand additional objects, which
every full garbage collection walks. A ratio of one means that the heap has no effect.

    python benchmarks/cost/heap_effect.py --objects 200k --budget 10m

With --collections it counts the garbage collections during recording and their shares of the time instead; these counts
are valid on a busy machine too.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.instruments.catalog import BUILT_IN
from harness.measure.inputs import lines_for
from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.schedule import Comparison, Terms
from harness.measure.result import Experiment, Experiments
from harness.measure.subject import Subject
from harness.measure.worker.blocks import Worker
from harness.measure.worker.build import build
from harness.measure.worker.heap import prepare_heap
from workloads.units import format_duration, parse_count, parse_duration_ns

# Lines recorded for the counts, fewer where each copies all series.
MOST_LINES, COPYING_LINES, FEWEST_LINES = 10_000, 30_000, 30


def comparisons(instruments: list[str], series: list[int], objects: int) -> list[Comparison]:
    """Return the comparison of each instrument at each number of series with itself with a heap."""
    sides = [Subject(instrument=name, series=count) for count in series for name in instruments]
    return [
        Comparison(side, Subject(instrument=side.instrument, series=side.series, heap=objects, label=side.instrument))
        for side in sides
    ]


def row(experiment: Experiment) -> str:
    """Return one line of the table: the cost of a line without the heap, the ratio with it, and its interval."""
    low, high = (f"{end:.3f}" if end is not None else "?" for end in experiment.ratio_interval)
    ratio = f"{experiment.ratio:.3f}" if experiment.ratio is not None else "?"
    base = format_duration(experiment.base_per_line) if experiment.base_per_line is not None else "?"
    name, series = experiment.head, experiment.factors["series"]
    return f"{name:<26}{series:>8}{base:>12}{ratio:>9}  {low} to {high}  {experiment.verdict}, {experiment.pairs} pairs"


def table(document: Experiments) -> str:
    """Return the table of all experiments."""
    head = f"{'way of recording':<26}{'series':>8}{'a line':>12}{'ratio':>9}  95 % interval"
    return "\n".join([head, *map(row, document.experiments)])


def collections(subject: Subject) -> dict[str, Any]:
    """Return the number of collections of each generation during recording in this process, and their shares of time.

    Call it only once, in a fresh process.
    """
    lines = lines_for(subject.series)
    paired = list(zip(lines.texts, lines.tags, strict=True))
    copying = max(FEWEST_LINES, COPYING_LINES // subject.series)
    count = min(MOST_LINES, copying) if subject.instrument == "opencensus" else MOST_LINES
    heap = prepare_heap(subject)
    worker = Worker(build(subject), paired)
    worker.populate(list(dict.fromkeys(lines.tags)))
    worker.run(min(count, 50))
    gc.collect()
    number, spent, began = [0, 0, 0], [0, 0, 0], 0

    def note(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter_ns()
            return
        number[info["generation"]] += 1
        spent[info["generation"]] += time.perf_counter_ns() - began

    gc.callbacks.append(note)
    took = worker.run(count)["ns"]
    gc.callbacks.remove(note)
    walked = len(heap)  # alive until here
    return {"lines": count, "heap": walked, "number": number, "share": [time_ns / took for time_ns in spent]}


def count_collections(instruments: list[str], series: list[int], objects: int) -> None:
    """Print the collections of each way of recording, without and with the heap, each in its own process."""
    print(
        f"{'way of recording':<26}{'series':>8}{'objects':>10}  collections, oldest last   share of time: all, oldest"
    )
    for name in instruments:
        for count in series:
            for heap in (0, objects):
                subject = json.dumps({"instrument": name, "series": count, "heap": heap})
                command = [sys.executable, __file__, "--child", subject]
                process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                counts = json.loads(process.stdout)
                shares = f"{sum(counts['share']):.1%}, {counts['share'][-1]:.1%}"
                numbers = f"{counts['number']} in {counts['lines']:,} lines"
                print(f"{name:<26}{count:>8}{heap:>10,}  {numbers:<34} {shares}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=parse_count, default=200_000, help="number of objects, such as 200k")
    parser.add_argument("--instruments", default=",".join(BUILT_IN), help="ways of recording, separated by commas")
    parser.add_argument("--series", default="1,100,1000", help="numbers of series, separated by commas")
    parser.add_argument("--budget", type=parse_duration_ns, default=600_000_000_000, help="total time, such as 10m")
    parser.add_argument("--collections", action="store_true", help="count collections instead of measuring pairs")
    parser.add_argument("--json", type=Path, help="write the document there")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(collections(Subject(**json.loads(options.child)))))
        return
    instruments, series = options.instruments.split(","), list(map(int, options.series.split(",")))
    if options.collections:
        count_collections(instruments, series, options.objects)
        return
    document = measure_overhead(
        comparisons(instruments, series, options.objects), Terms(budget_s=options.budget / 1e9, fewest=3)
    )
    if options.json is not None:
        options.json.write_text(json.dumps(document.model_dump(mode="json")), encoding="utf-8")
    print(table(document))


if __name__ == "__main__":
    main()
