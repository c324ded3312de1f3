import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InstrumentError, RunError, UsageError
from harness.measure.inputs import lines_for
from harness.measure.pairs.launcher import Launcher
from harness.measure.pairs.pair import BlockPlan, figures, lines_per_block, measure_pair, voided
from harness.measure.pairs.side import Lines, Side, apart, cores
from harness.measure.subject import Subject
from harness.measure.worker.blocks import Worker
from harness.views import Tags

TINY = BlockPlan(rounds=3, block_ns=200_000)
FEW = Lines(("one line", "and another"), (Tags("a"), Tags("b")))
TIMES = st.floats(1e3, 1e9)
RNG = random.Random(1)  # noqa: S311 - no secret


@pytest.mark.parametrize(
    ("base", "head", "expected", "says"),
    [
        (500, 500, (20_000, 20_000), "equal sides process the same lines"),
        (500, 900, (14_907, 14_907), "so do sides within a factor of two"),
        (500, 100_000, (20_000, 100), "unlike ones fill the same time"),
        (500, 7_000_000, (20_000, 1), "a slow line is still a whole one"),
        (500, 70_000_000, (20_000, 1), "even when it takes longer than a block should"),
    ],
)
def test_blocks_hold_whole_lines(base, head, expected, says):
    """Blocks of 10 ms, in whole lines, calibrated for each side."""
    assert lines_per_block(base, head, 10_000_000) == expected, says


@given(st.lists(TIMES, min_size=1, max_size=30), st.floats(0.1, 50), st.floats(0.01, 100), st.booleans())
def test_a_factor_common_to_all_rounds_is_found_exactly(base, factor, slow, lumpy):
    """Whatever the machine does from round to round, a head that takes `factor` as long gives log(factor)."""
    head = [time * factor for time in base]
    found = figures(base, head, 7, 7, lumpy=lumpy)
    assert found.log_ratio == pytest.approx(math.log(factor), abs=1e-9)
    slower = figures([time * slow for time in base], [time * slow for time in head], 7, 7, lumpy=lumpy)
    assert slower.log_ratio == pytest.approx(found.log_ratio, abs=1e-9)


def test_one_interrupted_block_does_not_move_a_pair():
    """A block that was preempted for half a second is trimmed away; with lumps counted it is not."""
    base, head = [10.0] * 20, [11.0] * 20
    head[3] = 500.0
    assert figures(base, head, 1, 1).log_ratio == pytest.approx(math.log(1.1))
    assert figures(base, head, 1, 1).difference == pytest.approx(1.0)
    assert figures(base, head, 1, 1, lumpy=True).difference == pytest.approx((490 + 20 - 1) / 20)


def test_a_slow_spell_falls_on_both_sides():
    """When the machine runs at half speed for a third of the rounds the ratio does not see it."""
    slow = [1.0] * 14 + [2.0] * 7
    assert figures([10 * s for s in slow], [12 * s for s in slow], 1, 1).log_ratio == pytest.approx(math.log(1.2))


@pytest.mark.parametrize(
    ("base", "head", "says"), [([], [], "as many"), ([1.0], [], "as many"), ([0.0], [1.0], "no time")]
)
def test_figures_of_nothing_are_refused(base, head, says):
    """A pair without blocks, with sides of unequal length or without time has no ratio."""
    with pytest.raises(ValueError, match=says):
        figures(base, head, 1, 1)


@pytest.mark.parametrize(
    ("finished", "threads", "says"),
    [
        ({"evaluated": 10, "raised": 0, "shown": {"v": 10}}, 1, ""),
        ({"evaluated": 10, "raised": 0, "shown": {}}, 1, ""),
        ({"evaluated": 10, "raised": 0, "shown": {"v": 10, "w": 9}}, 1, "shows 9 of 10 lines in w"),
        ({"evaluated": 10, "raised": 0, "shown": {"v": 11}}, 1, "shows 11 of 10"),
        ({"evaluated": 10, "raised": 2, "shown": {"v": 8}}, 1, "raised for 2 of 10"),
        ({"evaluated": 10, "raised": 2, "shown": {"v": 5}}, 4, ""),
    ],
)
def test_what_was_recorded_has_to_have_arrived(finished, threads, says):
    """A side whose page does not show each line is void; under threads the loss is a result of its own."""
    found = voided("x", threads, finished)
    assert says in found
    assert bool(found) == bool(says)


class Timed(Worker):
    """A worker whose lines take `ns` each, on a machine that interrupts the blocks named for 50 ms."""

    def __init__(self, ns, interrupted=()):
        self.ns, self.interrupted, self.blocks = ns, interrupted, []

    def run(self, count):
        self.blocks.append(count)
        return {"ns": self.ns * count + 50_000_000 * (len(self.blocks) - 1 in self.interrupted)}


@pytest.mark.parametrize(
    ("ns", "interrupted", "lines", "says"),
    [
        (400, (), 16_384, "5 ms of fast lines"),
        (300_000, (), 64, "64 lines where 5 ms are fewer"),
        (400, (0, 5, 15), 16_384, "interruptions neither end it nor count, even that of the last block"),
        (300_000, (0, 1), 64, "nor do two of the first three"),
        (10_000_000, (), 4, "slow lines end it before a block takes more than 50 ms"),
        (72_000_000, (), 1, "lines slower still run three times"),
    ],
)
def test_warming_up_does_not_depend_on_the_neighbours(ns, interrupted, lines, says):
    """It ends when a block of so many lines takes long enough uninterrupted, and tells what a line takes then."""
    worker = Timed(ns, interrupted)
    assert worker.warm_up() == ns, says
    assert worker.blocks[-1] == lines, says
    assert worker.blocks[:3] == [1, 1, 1]


class Answering:
    """A side that answers: it warmed up at one speed, and runs at another."""

    def __init__(self, warm_ns, ns):
        self.ns_per_line, self.ns, self.subject, self.hash_seed, self.blocks = warm_ns, ns, Subject(), 1, []

    def ask(self, command):
        if command["do"] == "run":
            self.blocks.append(command["lines"])
            return {"ns": round(self.ns * command["lines"]), "cpu_ns": round(self.ns * command["lines"])}
        return {"evaluated": 1, "raised": 0, "shown": {}}


def test_blocks_are_as_long_as_planned_though_warming_up_was_disturbed():
    """What a line takes in the round that is not kept, on a core of its own, corrects what it took while warming up."""
    base, head = Answering(40_000, 1000), Answering(1500, 1100)
    found = measure_pair(base, head, BlockPlan(rounds=4, block_ns=1_000_000), RNG)
    assert found.base_lines == found.head_lines == round(1e6 / math.sqrt(1000 * 1100))
    assert base.blocks == [25, *[found.base_lines] * 4]
    assert found.log_ratio == pytest.approx(math.log(1.1), abs=1e-3)


class TestProcesses:
    """Real, small workers."""

    def test_a_pair_measures_fresh_processes_and_proves_arrival(self):
        """Both sides run, the slower one is found slower, and each line is on the page."""
        with Launcher(TINY, lines=lambda _series: FEW) as launch:
            found = launch(Subject(), Subject(instrument="opencensus", series=2))
        assert found.void == ""
        assert found.log_ratio > 0.5
        assert found.difference == pytest.approx(found.head_per_line - found.base_per_line, rel=0.5)
        assert len(found.base_blocks) == len(found.head_blocks) == len(found.order) == 3
        assert found.hash_seeds[0] != found.hash_seeds[1]
        assert found.head_evaluated > 3 * found.head_lines

    def test_an_injected_delay_is_recovered(self):
        """100 µs more on each line are seen; a stall of the base would have to last 150 ms to hide half of them."""
        with Launcher(BlockPlan(rounds=3, block_ns=2_000_000), lines=lambda _series: FEW) as launch:
            found = launch(Subject(delay_ns=1000), Subject(delay_ns=101_000))
        assert found.difference >= 50_000

    def test_the_process_keeps_off_the_measured_core_meanwhile(self):
        """While a launcher is open this process is elsewhere, and afterwards where it was."""
        before = os.sched_getaffinity(0)
        which = cores()
        with apart(which):
            assert which.measured not in os.sched_getaffinity(0) or len(before) == 1
        assert os.sched_getaffinity(0) == before

    def test_order_and_seeds_repeat_with_the_seed(self):
        """The same seed starts the same sides with the same hash seeds in the same order of blocks."""
        found = []
        for _ in range(2):
            with Launcher(TINY, seed=3, lines=lambda _series: FEW) as launch:
                found.append(launch(Subject(), Subject()))
        assert found[0].hash_seeds == found[1].hash_seeds
        assert found[0].order == found[1].order

    @pytest.mark.parametrize(
        ("subject", "error", "says"),
        [
            (Subject(instrument="nothing-such"), UsageError, "there is no instrument 'nothing-such'"),
            (Subject(instrument="harness.views:View"), InstrumentError, "could not be built"),
            (Subject(instrument="own", target="harness.views:nothing"), UsageError, "has no attribute 'nothing'"),
            (Subject(instrument="own", target="os.path:basename"), InstrumentError, "records nothing"),
            (Subject(instrument="own", target="math:sqrt"), InstrumentError, "TypeError"),
        ],
    )
    def test_what_cannot_be_built_is_told_in_one_line(self, subject, error, says):
        """A worker's own complaint reaches the caller as the exception it was."""
        with Launcher(TINY, lines=lambda _series: FEW) as launch, pytest.raises(error, match=says):
            launch(Subject(), subject)

    def test_a_worker_that_dies_is_told(self):
        """The death of a side is an error that names it, with its last words, and never a hang."""
        with Side(Subject(), RNG) as side:
            side.load(FEW, cores())
            side.loaded()
            os.kill(side.pid, signal.SIGKILL)
            with pytest.raises(RunError, match=r"measuring none ended with -9"):
                side.ask({"do": "run", "lines": 1})

    def test_leaving_ends_the_workers(self):
        """Nothing started is left behind, however the block was left."""
        side = Side(Subject(), RNG)
        try:
            with side:
                _ = 1 / 0
        except ZeroDivisionError:
            assert not psutil.pid_exists(side.pid)

    def test_workers_do_not_outlive_a_killed_parent(self, tmp_path):
        """When the parent is killed with no chance to clean up, its workers are gone a moment later."""
        script = tmp_path / "parent.py"
        script.write_text(
            "import random, sys, time\n"
            "from harness.measure.pairs.side import Side\n"
            "from harness.measure.subject import Subject\n"
            "side = Side(Subject(), random.Random(1))\n"
            "print(side.pid, flush=True)\n"
            "time.sleep(600)\n"
        )
        root = str(Path(__file__).resolve().parents[4])
        environment = {**os.environ, "PYTHONPATH": root}
        with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as parent:
            worker = int(parent.stdout.readline())
            parent.kill()
        deadline = time.monotonic() + 20
        while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline

    @pytest.mark.slow
    def test_ctrl_c_keeps_the_pairs_and_leaves_no_process(self, tmp_path):
        """An interrupt in the middle of a real pair ends with the document of the pairs before it, and no worker."""
        script = tmp_path / "parent.py"
        script.write_text(
            "import psutil\n"
            "from harness.measure.pairs.schedule import Terms\n"
            "from harness.measure.pairs.measure import comparisons_for, measure_overhead\n"
            "from harness.measure.pairs.pair import BlockPlan\n"
            "terms = Terms(budget_s=600, plan=BlockPlan(rounds=3, block_ns=200_000))\n"
            "found = measure_overhead(comparisons_for(['none']), terms, lambda step: print(step.note, flush=True))\n"
            "e = found.experiments[0]\n"
            "print('end', found.interrupted, e.pairs + e.null.pairs, len(psutil.Process().children()), e.conclusion)\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4])}
        with subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, env=environment, text=True
        ) as parent:
            for _ in range(4):
                assert "none against itself" in parent.stdout.readline()
            parent.send_signal(signal.SIGINT)
            last = parent.stdout.read().splitlines()[-1].split(maxsplit=4)
        assert last[:2] == ["end", "True"]
        assert int(last[2]) >= 3
        assert last[3] == "0"
        assert parent.returncode == 0

    def test_a_function_is_compared_with_itself_muted(self, tmp_path, monkeypatch):
        """The user's own function as it is costs more than with its recording calls muted; no code was changed."""
        (tmp_path / "shop.py").write_text(
            "from prometheus_client import CollectorRegistry, Histogram\n"
            "SOLD = Histogram('sold', 'Sold.', ['what'], registry=CollectorRegistry())\n"
            "def sell(line):\n"
            "    for part in range(20):\n"
            "        SOLD.labels('tea').observe(len(line))\n"
            "    return line.upper()\n"
        )
        monkeypatch.chdir(tmp_path)
        plan = BlockPlan(rounds=5, block_ns=1_000_000)
        with Launcher(plan, lines=lambda _series: FEW) as launch:
            found = launch(Subject(target="shop:sell"), Subject(target="shop:sell", instrument="own"))
        assert found.log_ratio > 0.5

    def test_threads_share_the_lines(self):
        """Two threads evaluate a block's lines between them, each line once."""
        with Launcher(TINY, lines=lambda _series: FEW) as launch:
            found = launch(Subject(threads=2), Subject(threads=2))
        assert found.void == ""
        assert found.head_evaluated >= 4 * found.head_lines

    def test_a_thousand_series_are_filled_before_the_clock_starts(self):
        """Each series exists before the first block, in a fraction of the time that recording them all would take."""
        subject = Subject(instrument="opencensus", series=300)
        began = time.monotonic()
        with Launcher(BlockPlan(rounds=1, block_ns=1000), lines=lines_for) as launch:
            found = launch(Subject(), subject)
        assert found.void == ""
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"series": 0}, "series"),
        ({"threads": 0}, "thread"),
        ({"tags": 4}, "tags"),
        ({"views": ("no_view",)}, "no_view"),
        ({"buckets": "many"}, "buckets"),
        ({"buckets": "0"}, "buckets"),
        ({"delay_ns": -1.0}, "delay"),
        ({"rung": "attic"}, "attic"),
    ],
)
def test_subjects_are_checked(settings, says):
    """What a subject cannot be is refused by name before any process starts."""
    with pytest.raises(UsageError, match=says):
        Subject(**settings)


@given(
    st.builds(
        Subject,
        instrument=st.sampled_from(["none", "opencensus", "a.b:C"]),
        series=st.integers(1, 1000),
        tags=st.integers(0, 3),
        buckets=st.sampled_from(["quickstart", "fine", "1", "50"]),
        delay_ns=st.none() | st.floats(0, 1e9),
        scraped=st.booleans(),
        rung=st.sampled_from(["", "bare", "scraped"]),
    )
)
def test_subjects_travel_as_json(subject):
    """What arrives in the worker is what was meant, and its views can be built."""
    assert Subject.from_json(json.loads(json.dumps(subject.to_json()))) == subject
    views = subject.view_objects()
    assert [len(view.tag_keys) for view in views] == [subject.tags] * 4
    assert list(views[0].bounds) == sorted(set(views[0].bounds))


def test_lines_go_round_the_series():
    """Each of the series is met equally often, and the same call gives the same lines."""
    found = lines_for(10)
    assert len(set(found.tags)) == 10
    assert found.tags[:10] == found.tags[10:20]
    assert found == lines_for.__wrapped__(10)
    assert len(found.texts) == len(found.tags) >= 2000


@pytest.mark.parametrize(
    ("lost", "shown", "says"),
    [(0, 9, "shows 9 of 10 lines"), (3, 9, ""), (3, 11, "shows 11 of 10 lines"), (0, 10, "")],
)
def test_packets_that_are_known_to_be_lost_do_not_void_a_pair(lost, shown, says):
    """What sending them cost is measured; lines that vanish otherwise, or come from nowhere, void it as ever."""
    finished = {"evaluated": 10, "raised": 0, "shown": {"v": shown}, "lost_packets": lost}
    assert (says in voided("statsd", 1, finished)) if says else voided("statsd", 1, finished) == ""


@pytest.mark.system
@pytest.mark.parametrize("instrument", ["statsd", "dogstatsd-buffered", "opentelemetry-otlp"])
def test_a_side_that_pushes_proves_what_arrived(instrument):
    """Its sink is a process on the home core; what it has decoded are the lines evaluated, less what is known lost."""
    which = cores()
    with apart(which), Side(Subject(instrument=instrument, scraped=True, interval_ms=50), RNG) as side:
        side.load(FEW, which, port=0, roam=True)
        side.loaded()
        (sink,) = psutil.Process(side.pid).children()
        assert set(sink.cpu_affinity()) == {which.home}
        side.ask({"do": "pin"})
        for _ in range(3):
            side.ask({"do": "run", "lines": 50})
        end = side.ask({"do": "finish"})
    assert not voided(instrument, 1, end)
    if not end["lost_packets"]:
        assert set(end["shown"].values()) == {end["evaluated"]}
