"""Prints a short summary of a pytest-benchmark file of these suites: ``python benchmarks/summary.py FILE``."""

import json
import sys
from pathlib import Path
from typing import Any

from workloads.units import format_duration

Benchmarks = dict[str, dict[str, Any]]

_STEPS = (
    ("a new measurement map", "test_new_map"),
    ("one put", "test_put[int]"),
    ("a tag map of two tags", "test_tag_map"),
    ("the record itself, no view registered", "test_record_without_views[1]"),
    ("with the quickstart's views", "test_record_with_views[{}]"),
    ("with the exporter attached", "test_record_with_exporter[{}]"),
    ("while it is scraped", "test_record_while_scraped[{}]"),
)
_INSTRUMENTS = (
    "none",
    "opencensus",
    "opencensus-lean",
    "prometheus-client",
    "prometheus-client-cached",
    "opentelemetry",
)
_SERIES = (1, 10, 100)


def _median(benchmarks: Benchmarks, name: str) -> str:
    one = benchmarks.get(name)
    return "" if one is None else format_duration(one["stats"]["median"] * 1e9)


def _row(label: str, cells: list[str]) -> str:
    return f"  {label:<40}" + "".join(f"{cell:>12}" for cell in cells)


def _record(benchmarks: Benchmarks) -> list[str]:
    lines = ["", "What recording one line costs in OpenCensus, step by step (medians)"]
    lines.append(_row("", [f"{count} series" for count in _SERIES]))
    for label, name in _STEPS:
        counts = _SERIES if "{}" in name else (1,)
        lines.append(_row(label, [_median(benchmarks, name.format(count)) for count in counts]))
    return lines


def _repl(benchmarks: Benchmarks) -> list[str]:
    lines = ["", "A whole line through the REPL, by way of recording"]
    for name in _INSTRUMENTS:
        cells = [_median(benchmarks, f"test_repl[{name}-{count}]") for count in _SERIES]
        if any(cells):
            lines.append(_row(name, cells))
    return lines


def _generator(benchmarks: Benchmarks) -> list[str]:
    ours, faker = (benchmarks.get(name) for name in ("test_lognormal_word_lines[spec]", "test_faker_sentence"))
    if ours is None or faker is None:
        return []
    rate, theirs = (one["extra_info"]["lines_per_second"] for one in (ours, faker))
    return [
        "",
        f"The generator makes {rate / 1e6:.1f} million lines/s, {rate / theirs:.0f} times as many as Faker.sentence.",
    ]


def _driver(benchmarks: Benchmarks) -> list[str]:
    lines = []
    cost = benchmarks.get("test_self_cost_bar")
    if cost is not None:
        lines.append(f"The timed loop adds {cost['extra_info']['paced_ns']:.0f} ns a line.")
    for name, one in benchmarks.items():
        if name.startswith("test_schedule_bar"):
            figures = one["extra_info"]
            rate = int(name.split("[")[1].rstrip("]"))
            lines.append(
                f"At {rate:>7,} lines/s it is {abs(figures['deviation']):.4%} off schedule; lag p50 "
                f"{format_duration(figures['lag_p50_ns'])}, p99 {format_duration(figures['lag_p99_ns'])}."
            )
    return lines


def summarise(document: dict[str, Any]) -> str:
    """Return the summary of a pytest-benchmark document, without the parts that it does not have."""
    benchmarks: Benchmarks = {one["name"]: one for one in document["benchmarks"]}
    machine = document["machine_info"]
    head = f"On {machine.get('cpu', {}).get('brand_raw', machine.get('machine'))}, Python {machine['python_version']}"
    foot = [
        "",
        "Each benchmark checked that what it recorded arrived, label for label. A single run on a busy machine is off",
        "by tens of percent; ratios within it hold better. To decide, use pairs: harness overhead.",
    ]
    return "\n".join(
        [head, *_record(benchmarks), *_repl(benchmarks), *_generator(benchmarks), *_driver(benchmarks), *foot]
    )


def main() -> None:
    """Print the summary of the file named on the command line."""
    print(summarise(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
