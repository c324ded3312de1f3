"""A program that records lean and exports to Azure Monitor; prints its own books at the end. Run by test_azure.py."""

import json
import sys
import threading
from typing import Any

from opencensus.ext.azure import metrics_exporter
from opencensus.stats import aggregation, measure, view
from opencensus.stats.stats import stats
from opencensus.tags import TagKey, TagMap, TagValue

import opencensus_lean

BYTES = measure.MeasureInt("bytes", "bytes of a line", "By")
SECONDS = measure.MeasureFloat("seconds", "seconds for a line", "s")
KIND = TagKey("kind")
THREADS = 4
RECORDS = 400
FRACTIONS = [0.1, 0.2, 0.3, 1e-9, 1e6]

books: dict[str | None, list[float]] = {}
lock = threading.Lock()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def put(kind: str | None, seconds: float) -> None:
    mmap = stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(BYTES, 8)
    mmap.measure_float_put(SECONDS, seconds)
    tags = TagMap()
    if kind is not None:
        tags.insert(KIND, TagValue(kind))
    mmap.record(tags)
    with lock:
        books.setdefault(kind, []).append(seconds)


def work(number: int) -> None:
    """Record under a tag of this thread's own, under shared ones and under none."""
    for i in range(RECORDS):
        put([f"own {number}", "shared", f"series {i % 7}", None][i % 4], FRACTIONS[i % 5])


def record() -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(connection: str) -> None:
    views: list[tuple[str, list[Any], Any, Any]] = [
        ("lines", [KIND], BYTES, aggregation.CountAggregation()),
        ("bytes", [KIND], BYTES, aggregation.SumAggregation()),
        ("seconds", [KIND], SECONDS, aggregation.SumAggregation()),
        ("latest", [KIND], SECONDS, aggregation.LastValueAggregation()),
        ("all", [], BYTES, aggregation.CountAggregation()),
        ("lengths", [KIND], BYTES, aggregation.DistributionAggregation([5, 10])),  # which Azure's exporter leaves out
    ]
    for name, columns, measured, kind in views:
        stats.view_manager.register_view(view.View(name, name, columns, measured, kind))
    opencensus_lean.install(port=None)
    exporter = metrics_exporter.new_metrics_exporter(
        connection_string=connection, export_interval=0.05, enable_standard_metrics=False, enable_local_storage=False
    )
    stats.view_manager.register_exporter(exporter)  # as its documentation has it; it has no `export`
    for _ in range(3):
        # While it records, exports go out as they fall due.
        recording = threading.Thread(target=record)
        recording.start()
        say("recording")
        sys.stdin.readline()
        recording.join()
    say(json.dumps([[kind, values] for kind, values in books.items()]))


if __name__ == "__main__":
    main(sys.argv[1])
