"""Benchmarks of the generator: lines per second from lengths to finished strings, and Faker in the same run.

Each benchmark checks its results afterwards. `extra_info` has the ``lines_per_second`` of the median round; the last
test prints the ratio to ``Faker.sentence`` and checks the bar of eight million lines per second.
"""

from collections.abc import Callable

import numpy as np
import pytest
from faker import Faker
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bars import Bar, Hold
from workloads.arrivals import make_arrivals
from workloads.content import make_content
from workloads.grammar import parse
from workloads.lengths import make_lengths
from workloads.refusals import classify
from workloads.streams import Stream
from workloads.workload import LENGTH_BOUNDS_BYTES, Workload, WorkloadSpec

LINES = 4096
BLOCKS = 64
BAR_LINES_PER_SECOND = 8_000_000
# The rate of Faker on machines that meet the bar easily.
USUAL_FAKER = 110_000

_rates: dict[str, float] = {}


def _measure(benchmark: BenchmarkFixture, name: str, lines: int, work: Callable[[], object]) -> None:
    benchmark.pedantic(work, rounds=15, warmup_rounds=2)
    _rates[name] = lines / benchmark.stats.stats.median
    benchmark.extra_info["lines_per_second"] = round(_rates[name])


@pytest.mark.benchmark(group="generator")
def test_faker_sentence(benchmark: BenchmarkFixture) -> None:
    """Time Faker alone, for the ratio."""
    fake = Faker("en_US")
    fake.seed_instance(1)
    sentences: list[str] = []

    def work() -> None:
        sentences[:] = [fake.sentence() for _ in range(LINES)]

    _measure(benchmark, "faker", LINES, work)
    assert all(line.endswith(".") for line in sentences)


@pytest.mark.benchmark(group="generator")
@pytest.mark.parametrize("start", ["spec", "lengths"])
def test_lognormal_word_lines(benchmark: BenchmarkFixture, start: str) -> None:
    """Time lognormal word lines, with the drawing of lengths ("spec") and from given lengths ("lengths")."""
    law = make_lengths(parse("lengths", "lognormal"), LENGTH_BOUNDS_BYTES)
    content = make_content("words", 1)
    content.prepare(law.possible)
    lengths_of, picks_of = Stream(1, "lengths"), Stream(1, "content")
    drawn = [law.draw(lengths_of.raw(block, LINES)) for block in range(BLOCKS)]
    results: list[list[str]] = []

    def picks(block: int) -> np.ndarray:
        return picks_of.raw(block, LINES // 2).view(np.uint32)

    def from_spec() -> None:
        # As in a run: each block is discarded before the next.
        for block in range(BLOCKS):
            results[:] = [content.take(law.draw(lengths_of.raw(block, LINES)), picks(block))]

    def from_lengths() -> None:
        for block in range(BLOCKS):
            results[:] = [content.take(drawn[block], picks(block))]

    _measure(benchmark, start, LINES * BLOCKS, from_spec if start == "spec" else from_lengths)
    assert [len(line) for line in results[0]] == drawn[-1].tolist()
    assert abs(np.median(np.concatenate(drawn)) - 40) <= 1
    assert len(set(results[0])) > LINES * 0.75


@pytest.mark.benchmark(group="workload")
@pytest.mark.parametrize(
    "parts",
    [{}, {"content": "unicode"}, {"errors": "1%"}, {"series": "100"}, {"arrivals": "sine:1000,jitter=poisson"}],
    ids=["default", "unicode", "errors", "series", "sine"],
)
def test_whole_blocks(benchmark: BenchmarkFixture, parts: dict[str, str]) -> None:
    """Time blocks with lines, due times, tags, truth and digest."""
    workload = Workload(WorkloadSpec(**parts, count=LINES * BLOCKS))  # type: ignore[arg-type]
    last = []

    def work() -> None:
        for block in workload.blocks(LINES):
            last[:] = [block]

    _measure(benchmark, f"blocks {parts}", LINES * BLOCKS, work)
    (block,) = last
    raw = [line.encode("utf-8", "surrogateescape") for line in block.lines]
    assert [len(line) for line in raw] == block.truth.lengths.tolist()
    assert [classify(line) for line in raw] == block.truth.error.tolist()
    assert (np.diff(block.due_ns) >= 0).all()
    assert block.first + len(block.lines) == LINES * BLOCKS


@pytest.mark.benchmark(group="arrivals")
@pytest.mark.parametrize(
    "text",
    ["constant:1000", "poisson:1000", "ramp:from=1,to=10k", "sine:1000", "burst:1000", "day:1000,period=1m"],
    ids=lambda text: text.partition(":")[0],
)
def test_due_times(benchmark: BenchmarkFixture, text: str) -> None:
    """Time due times, a billion lines from the start."""
    arrivals = make_arrivals(parse("arrivals", text), 1)
    first = 10**9
    results = []

    def work() -> None:
        results[:] = [arrivals.due(first + LINES * block, LINES) for block in range(BLOCKS)]

    _measure(benchmark, f"due {text}", LINES * BLOCKS, work)
    due = np.concatenate(results)
    assert (np.diff(due) >= 0).all()
    assert due[777] == arrivals.due(first + 777, 1)[0]


def test_generator_bar(hold: Hold) -> None:
    """Word lines reach eight million per second, with and without the drawing of lengths."""
    if not {"faker", "spec", "lengths"} <= _rates.keys():
        pytest.skip("needs the benchmarks above in the same run")
    for name in ("spec", "lengths"):
        ratio = _rates[name] / _rates["faker"]
        print(f"\nlines/s from {name}: {_rates[name]:,.0f} = {ratio:.0f} x Faker.sentence ({_rates['faker']:,.0f})")
        slow = f"Faker.sentence made {_rates['faker']:,.0f} in the same run, where {USUAL_FAKER:,} are usual"
        reason = f"the machine is slow: {slow}" if _rates["faker"] < USUAL_FAKER / 2 else f"the generator is: {slow}"
        hold(Bar(f"lines/s from {name}", _rates[name], BAR_LINES_PER_SECOND, "{:,.0f}".format, reason, highest=False))
