"""What the summary of `make bench-steps` promises."""

from typing import Any

from benchmarks.summary import summarise

MACHINE = {"cpu": {"brand_raw": "Some CPU"}, "python_version": "3.11.7"}


def bench(name: str, median: float, **extra: float) -> dict[str, Any]:
    return {"name": name, "stats": {"median": median}, "extra_info": extra}


def test_figures_stand_beside_what_they_are_of() -> None:
    """Steps by series, instruments, the generator's ratio and the loop's cost, each with its unit."""
    text = summarise(
        {
            "machine_info": MACHINE,
            "benchmarks": [
                bench("test_record_with_views[1]", 67e-6),
                bench("test_record_with_views[100]", 4.5e-3),
                bench("test_repl[opencensus-lean-1]", 5.6e-6),
                bench("test_faker_sentence", 0.03, lines_per_second=100_000),
                bench("test_lognormal_word_lines[spec]", 0.01, lines_per_second=20_000_000),
                bench("test_self_cost_bar", 0.01, paced_ns=146.4),
                bench("test_schedule_bar[1000]", 3, deviation=-0.0001, lag_p50_ns=700, lag_p99_ns=3_000_000),
            ],
        }
    )
    views = next(line for line in text.splitlines() if "views" in line and "quickstart" in line)
    assert views.split()[-4:] == ["67", "µs", "4.5", "ms"]
    assert "20.0 million lines/s, 200 times" in text
    assert "adds 146 ns a line" in text
    assert "0.0100% off schedule; lag p50 700 ns, p99 3 ms" in text


def test_what_was_not_measured_is_left_out() -> None:
    """A part of the suites, or none of them, gives a summary of that part."""
    text = summarise({"machine_info": MACHINE, "benchmarks": []})
    assert "Some CPU" in text
    assert "opencensus" not in text.replace("OpenCensus", "")
