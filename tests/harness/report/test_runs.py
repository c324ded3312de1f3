"""How a run is told to people: how well it kept its schedule, and no percentile that its lines cannot tell."""

import io

import numpy as np
import pytest
from rich.console import Console

from harness.load.latency.histogram import Histogram
from harness.report.collect import Report
from harness.report.page import render
from harness.report.sections.runs import on_schedule, run_parts
from harness.report.writers.terminal import write_terminal
from harness.run.result import ForkResult, IncidentResult, Latency, Rate, RunResult, Schedule, WorkerResult
from harness.run.spec import RunSpec
from tests.harness.report.run_samples import run_result

MS = 1_000_000
SCHEDULE = Schedule(
    allowed_lateness_ns=MS, worst_stretch_lag_ns=2 * MS, worst_stretch_lateness_ns=MS, lost={"subject": 1.0}
)


def latency(values: list[int]) -> Latency:
    histogram = Histogram()
    histogram.record(np.array(values, dtype=np.int64))
    found = histogram.summary()
    return Latency(
        p50=found.p50, p90=found.p90, p99=found.p99, p999=found.p999, max=found.max, mean=found.mean,
        count=found.count, hdr=histogram.encode(),
    )  # fmt: skip


def printed(result: RunResult) -> str:
    out = io.StringIO()
    Console(file=out, width=120, highlight=False).print(write_terminal(run_parts(result)))
    return out.getvalue()


def row(result: RunResult, name: str) -> list[str]:
    return next(line for line in printed(result).splitlines() if line.split()[:1] == [name]).split("  ")


def test_a_valid_run_says_how_late_it_was() -> None:
    """The line has the p99 lag and the worst stretch, on the terminal and on the page."""
    result = run_result(lag_ns=latency([300_000] * 10_000), lateness_ns=latency([MS] * 10_000), schedule=SCHEDULE)
    line = "on schedule: lag p99 300 µs, worst stretch 2 ms late"
    assert on_schedule(result) == line
    assert f"VALID: {line}." in printed(result)
    assert f"VALID: {line}." in render(Report(runs=[result]))
    assert "lateness" in printed(result)


def test_a_result_of_an_earlier_version_says_what_it_knows() -> None:
    """Without the worst stretch and the lateness, the p99 lag is told alone."""
    text = run_result(lag_ns=latency([300_000] * 10_000)).model_dump_json(exclude={"schedule", "lateness_ns"})
    result = RunResult.model_validate_json(text)
    assert on_schedule(result) == "on schedule: lag p99 300 µs"
    assert "VALID: on schedule: lag p99 300 µs." in printed(result)


def test_a_closed_loop_has_no_schedule_to_keep() -> None:
    """It is not said to have been on schedule."""
    assert on_schedule(run_result(rate=Rate(target=None, achieved=5.0))) == "no schedule to keep"


@pytest.mark.parametrize(
    ("lines", "shown"), [(10, 0), (19, 0), (20, 1), (99, 1), (100, 2), (999, 2), (1000, 3), (9_999, 3), (10_000, 4)]
)
def test_a_percentile_with_fewer_than_ten_lines_beyond_it_is_not_shown(lines: int, shown: int) -> None:
    """Such a figure is a dash with its reason below, while the longest and the mean are always shown."""
    few = latency(list(range(1000, 1000 + lines)))
    result = run_result(service_ns=few, response_ns=few, lag_ns=few)
    cells = [cell.strip() for cell in row(result, "service") if cell.strip()]
    assert cells[1:5].count("–") == 4 - shown
    assert "–" not in cells[5:7]
    assert ("fewer than 10 of" in printed(result)) is (shown < 4)


def test_the_longest_lag_stands_in_for_a_p99_of_few_lines() -> None:
    """With a hundred lines the VALID line names the longest lag, and keeps the percentile out."""
    result = run_result(lag_ns=latency([1000] * 99 + [5 * MS]), schedule=SCHEDULE)
    assert on_schedule(result) == "on schedule: longest lag 5 ms, worst stretch 2 ms late"


def test_incidents_are_named_with_their_times() -> None:
    """And how they came, where they were not scheduled; a run without any has no such row."""
    happened = [
        IncidentResult(kind="stall", start_ns=120 * 10**9, duration_ns=10**10),
        IncidentResult(kind="restart", start_ns=150 * 10**9, duration_ns=0, triggered=True),
    ]
    text = " ".join(printed(run_result(incidents=happened)).split())
    assert "stall at 120 s for 10 s; restart at 150 s, switched on" in text
    assert "Incidents" not in printed(run_result())


def worker(number: int, uncertainty_ns: int, url: str) -> WorkerResult:
    return WorkerResult(number=number, host=f"host-{number}", pid=1, url=url, uncertainty_ns=uncertainty_ns)


def test_a_clock_that_is_known_badly_is_told() -> None:
    """Above a millisecond; the worker is named."""
    page = "http://127.0.0.1:1/metrics"
    text = printed(run_result(workers=[worker(0, MS, page), worker(1, 1_300_000, page)]))
    assert "Worker 1 began at the same instant as the others to within 1.3 ms only." in text
    assert "Worker 0 began" not in text


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        (["http://127.0.0.1:1/metrics", "http://127.0.0.1:2/metrics"], "pages served on 127.0.0.1"),
        (
            ["http://10.0.0.2:1/metrics", "http://[fd00::3]:2/metrics"],
            "pages served on 10.0.0.2, fd00::3, open to the network meanwhile",
        ),
    ],
)
def test_the_addresses_that_a_cluster_opened_are_told(urls: list[str], said: str) -> None:
    """Only a run through a cluster opens any, and that is said."""
    workers = [worker(number, 0, url) for number, url in enumerate(urls)]
    spec = RunSpec(cluster="tcp://10.0.0.1:8786")
    lines = printed(run_result(spec=spec, workers=workers)).splitlines()
    assert next(line for line in lines if line.startswith("Cluster")).rstrip().endswith(f"{spec.cluster}; {said}")
    assert "Cluster" not in printed(run_result(workers=workers))


@pytest.mark.parametrize(
    ("killed", "words"),
    [
        ([0, 0], "2 workers behind one page, 9 recycled"),
        ([1, 0], "2 workers behind one page, 9 recycled, 1 killed"),
        ([2], "1 worker behind one page, 4 recycled, 2 killed"),
    ],
)
def test_a_forked_run_tells_its_workers(killed: list[int], words: str) -> None:
    """How many there were, and how often another one took a worker's place."""
    forks = [
        ForkResult(number=number, lines=50, processes=6, recycled=4 + number, killed=count)
        for number, count in enumerate(killed)
    ]
    line = next(line for line in printed(run_result(forks=forks)).splitlines() if line.startswith("Forked"))
    assert line.removeprefix("Forked").strip() == words
    assert "Forked" not in printed(run_result())
