"""What "sustained" promises: an interval that holds the edge, a bound where there is none, and every try kept."""

import gzip
import json
import math
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import RunError, UsageError
from harness.measure.questions.answer import Answer
from harness.measure.questions.edge import FEWEST_TRIES, Edge, preferred_rate
from harness.measure.questions.open_loop import OpenLoop, due_times
from harness.measure.questions.saturation import (
    METHOD,
    Processes,
    Saturation,
    Search,
    Trial,
    lines_of_a_try,
    run_search,
    saturate_side_by_side,
    trial_of,
)
from harness.measure.subject import Subject
from harness.report.answer import costs_section
from harness.report.sections.saturation import rate_cell, saturation_section
from harness.report.writers.markdown import write_markdown

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[4]
MS = 1_000_000


class Known:
    """Processes that keep every rate up to `edge`, but for the tries numbered in `hiccups`, which fail at any rate."""

    def __init__(self, edge: float, hiccups: tuple[int, ...] = (), ceiling: float = 10_000.0, void: str = "") -> None:
        self.edge, self.hiccups, self.ceiling, self.void = edge, hiccups, ceiling, void
        self.rates: list[float] = []

    def closed_loop(self) -> float:
        return self.ceiling

    def attempt(self, rate: float, seed: int) -> Trial:
        self.rates.append(rate)
        kept = rate <= self.edge and len(self.rates) not in self.hiccups
        return Trial(
            rate=rate, achieved=rate, p99_ns=MS if kept else 9 * MS, lag_p99_ns=0, sustained=kept and not self.void,
            lines=4000, sent=4000, reason=self.void or ("" if kept else "late"), void=bool(self.void),
        )  # fmt: skip


def search(tries: Known, most: int = 24, precision: float = 0.02, seed: int = 1) -> Search:
    return Search(Subject(instrument="x"), tries, bound_ns=5 * MS, run_s=0.4, precision=precision, most=most, seed=seed)


def searched(tries: Known, most: int = 24, **more: float) -> Saturation:
    found = search(tries, most, **more)
    while not found.done:
        found.step()
    return found.result()


def found_of(**changed: object) -> Saturation:
    values = {
        "instrument": "x", "series": 1, "bound_ns": 5 * MS, "closed_loop": 11_000.0, "rate": 9947.1, "above": 10_500.0,
        "trials": [], "method": METHOD, "run_s": 0.4,
    }  # fmt: skip
    return Saturation.model_validate({**values, **changed})


class TestTheInterval:
    """An estimate that one neighbour's hiccup does not decide."""

    @pytest.mark.parametrize("spread", [0.01, 0.03, 0.1])
    def test_it_holds_the_edge_in_95_of_100_searches_with_false_failures_in_5_percent(self, spread, monkeypatch):
        """Simulated processes, a fixed seed: as often as it says, or more often."""
        monkeypatch.syspath_prepend(ROOT)
        from benchmarks.method.saturation_coverage import Row, coverage

        found = coverage(Row("test", tries=12, spread=spread, false_failures=0.05), runs=100)
        assert found.intervals > 80
        assert found.covering / found.intervals >= 0.94
        assert found.covering_bounds / found.bounds >= 0.94

    @pytest.mark.parametrize("hiccup", range(1, 11))
    def test_one_false_failure_moves_it_by_less_than_its_width(self, hiccup):
        """Whichever try a neighbour fails, the interval still holds the edge."""
        low, high = searched(Known(8000.0, hiccups=(hiccup,)), most=20).interval
        assert low <= 8000.0 <= high

    @pytest.mark.parametrize(("edge", "ceiling"), [(9_900, 10_000), (3_000, 10_000), (700, 10_000), (14_000, 10_000)])
    def test_it_is_found_wherever_the_edge_lies(self, edge, ceiling):
        """Far below the ceiling, and above it too: a closed loop timed in a slow spell is no ceiling."""
        found = searched(Known(edge, ceiling=ceiling), most=30)
        assert found.interval[0] <= edge <= found.interval[1]
        assert found.interval[1] / found.interval[0] < 1.25

    def test_rates_near_the_edge_are_tried_again(self):
        """Rates come from a series of 96 to a decade, so that the same one is met several times."""
        tries = Known(8000.0)
        searched(tries, most=24, precision=0.001)
        assert max(tries.rates.count(rate) for rate in tries.rates) >= 3
        assert all(preferred_rate(rate) == rate for rate in tries.rates)

    def test_it_ends_when_it_is_precise_enough(self):
        """Fewer tries than allowed, once the interval is within the precision asked for."""
        found = searched(Known(8000.0), most=60, precision=0.05)
        assert len(found.trials) < 30
        assert (found.interval[1] / found.interval[0]) ** 0.5 - 1 <= 0.05

    @given(st.lists(st.tuples(st.floats(100, 50_000), st.booleans()), max_size=20))
    def test_what_tries_say_is_in_order_whatever_they_said(self, outcomes):
        """Low end, estimate and high end rise, bounds lie on their sides, and nothing is claimed without its tries."""
        edge = Edge(10_000.0)
        for rate, sustained in outcomes:
            edge.add(rate, sustained=sustained)
        found = edge.estimate()
        passed, failed = (sum(s is kind for _, s in outcomes) for kind in (True, False))
        enough = len(outcomes) >= FEWEST_TRIES
        assert (found.at_least is not None, found.at_most is not None) == (enough and passed > 0, enough and failed > 0)
        if found.interval is not None:
            assert found.interval[0] < found.value < found.interval[1]
            assert passed
            assert failed
        if found.at_least is not None and found.at_most is not None:
            assert found.at_least < found.at_most

    @pytest.mark.parametrize("ceiling", [0.0, math.nan, math.inf])
    def test_it_needs_a_rate_to_start_from(self, ceiling):
        """A closed loop that processed nothing is no start."""
        with pytest.raises(UsageError, match="rate"):
            Edge(ceiling)

    def test_the_same_seed_tries_the_same_rates(self):
        """Which quartile is tried next is drawn from the seed."""
        tries = [Known(8000.0) for _ in range(3)]
        for known, seed in zip(tries, (1, 1, 2), strict=True):
            searched(known, seed=seed)
        assert tries[0].rates == tries[1].rates != tries[2].rates

    @given(st.floats(1, 1e7))
    def test_preferred_rates_are_near_and_have_three_digits(self, rate):
        """Within 1.3 % of what was asked."""
        found = preferred_rate(rate)
        assert found == pytest.approx(rate, rel=0.015)
        assert float(f"{found:.3g}") == found


class TestWithoutAnInterval:
    """A bound, or the reason."""

    def test_a_program_that_never_keeps_up_sustains_nothing(self):
        """No rate is invented when none passed, and no bound from above: a busy machine fails tries as well."""
        found = searched(Known(0.0), most=6)
        assert (found.rate, found.interval, found.at_least) == (0.0, None, None)
        assert found.reason.startswith("none of 6 tries was sustained, down to ")
        assert rate_cell(found).text == "–"

    def test_a_program_that_keeps_every_rate_tried_has_a_bound(self):
        """Where no try failed there is no interval, only what it exceeds."""
        found = searched(Known(1e9), most=4)
        assert found.interval is None
        assert found.at_most is None
        assert found.reason == "all of 4 tries were sustained"
        assert rate_cell(found).text.startswith("≥ ")

    def test_three_tries_tell_nothing(self):
        """What would be printed was thought before them: there is only the reason."""
        found = searched(Known(8000.0), most=3)
        assert (found.interval, found.at_least, found.at_most) == (None, None, None)
        assert found.reason == "3 of the 4 tries that it takes were made"
        assert rate_cell(found).text == "–"

    def test_a_line_that_takes_longer_than_a_fiftieth_of_a_second_is_not_tried(self):
        """Ten lines beyond p99 would take minutes: it says so instead of printing the maximum of a few."""
        tries = Known(10.0, ceiling=14.0)
        found = searched(tries)
        assert tries.rates == []
        assert found.rate == 0.0
        assert "1000 lines that p99 needs" in found.reason
        assert rate_cell(found).text == "–"

    def test_tries_whose_records_were_lost_do_not_count(self):
        """A void try says nothing of the rate, and three of them end the search with the reason."""
        with pytest.raises(RunError, match="shows 9 of 10"):
            searched(Known(8000.0, void="x shows 9 of 10 lines in v"))


@pytest.mark.parametrize(
    ("interval", "bounds", "says", "why"),
    [
        ((9_560.0, 10_340.0), {}, "9\u202f900 (9\u202f500–10\u202f400)", "ends rounded outward, to what is known"),
        ((146_320.0, 160_700.0), {"rate": 152_791.0}, "153\u202f000 (146\u202f000–161\u202f000)", "no five digits"),
        ((212.4, 238.9), {"rate": 225.0}, "225 (212–239)", "nor a fraction of a line"),
        (None, {"at_least": 9_987.0, "at_most": 12_001.0}, "≥ 9\u202f900", "a bound, rounded down"),
        (None, {"at_least": None, "at_most": 141.0}, "–", "a bound from above may be the machine's"),
        (None, {}, "–", "nothing known"),
    ],
)
def test_a_rate_is_printed_as_closely_as_it_is_known(interval, bounds, says, why):
    """Parentheses hold an interval or are not there."""
    assert rate_cell(found_of(interval=interval, **bounds)).text == says, why


def test_a_stored_bisection_opens_and_is_shown_as_a_single_try():
    """The document of an earlier version renders, without parentheses that read like an interval."""
    path = ROOT / "tests" / "data" / "earlier" / "full.json.gz"
    outcome = Answer.model_validate(json.loads(gzip.decompress(path.read_bytes())))
    assert [each.method for each in outcome.saturation] == ["bisection"] * 5
    assert [rate_cell(each).text for each in outcome.saturation][:2] == [
        "9\u202f900 single try", "150\u202f000 single try",
    ]  # fmt: skip
    for section in (saturation_section(outcome.saturation), costs_section(outcome)):
        text = write_markdown([section])
        assert "9\u202f900 single try" in text
        assert "9\u202f947" not in text


def test_the_column_says_that_nobody_scrapes():
    """The column beside is measured while scraped; this one is not, and its heading says so."""
    path = ROOT / "tests" / "data" / "earlier" / "full.json.gz"
    outcome = Answer.model_validate(json.loads(gzip.decompress(path.read_bytes())))
    assert "| Sustained unscraped, lines/s |" in write_markdown([costs_section(outcome)])
    assert "not scraped" in write_markdown([saturation_section(outcome.saturation)])


class TestOneTry:
    """From an open-loop run to its outcome."""

    def run(self, response_ns: list[int], due: int | None = None) -> OpenLoop:
        times = np.arange(due or len(response_ns), dtype=np.int64) * MS
        ends = times[: len(response_ns)] + np.array(response_ns, dtype=np.int64)
        return OpenLoop(times, ends - 1000, ends, np.empty((0, 2), dtype=np.int64))

    @pytest.mark.parametrize(
        ("late", "sustained"), [(0, True), (10, True), (11, False), (500, False)], ids=["none", "1 %", "more", "half"]
    )
    def test_it_is_sustained_when_99_percent_are_answered_in_time(self, late, sustained):
        """The response time counts, from when a line was due; the reason says how many were late."""
        found = trial_of(self.run([MS] * (1000 - late) + [9 * MS] * late), 1000.0, 5 * MS)
        assert found.sustained is sustained
        assert (found.lines, found.sent) == (1000, 1000)
        assert found.reason == ("" if sustained else f"{late} of 1000 lines later than 5 ms: p99 9.0 ms")

    def test_lines_never_sent_were_not_answered(self):
        """A run that was given up fails, however fast the lines were that it sent."""
        found = trial_of(self.run([MS] * 985, due=1000), 1000.0, 5 * MS)
        assert not found.sustained
        assert found.p99_ns is None
        assert "behind after 985 of 1000 lines" in found.reason

    def test_a_run_that_sent_nothing_is_told(self):
        """No line: no figures, and not sustained."""
        assert trial_of(self.run([], due=1000), 1000.0, 5 * MS).reason == "no line sent"

    def test_every_try_has_ten_lines_beyond_its_99th_percentile(self):
        """Slow ways of recording get longer tries, and the very fastest shorter ones."""
        assert [lines_of_a_try(rate, 0.4) for rate in (50, 2_000, 10_000, 1e7)] == [1000, 1000, 4000, 500_000]

    def test_due_times_are_fixed_by_the_seed(self):
        """The same seed gives the same arrivals, at the rate asked for."""
        first, again, other = (due_times(10_000.0, 5000, seed) for seed in (1, 1, 2))
        assert (first == again).all()
        assert (first != other).any()
        assert first[-1] == pytest.approx(0.5e9, rel=0.05)

    def test_a_real_process_tells_a_slow_rate_from_an_impossible_one(self):
        """One line a millisecond is kept by a line of some microseconds; ten million a second are not."""
        with Processes(Subject(instrument="prometheus-client"), 2_000 * MS, 0.05, 1) as tries:
            slow = tries.attempt(1000.0, 1)
        assert (slow.sent, slow.void, slow.sustained) == (1000, False, True)
        assert slow.lag_p99_ns <= slow.p99_ns
        with Processes(Subject(instrument="prometheus-client"), MS, 0.01, 1) as tries:
            fast = tries.attempt(10_000_000.0, 1)
        assert not fast.sustained
        assert fast.sent < fast.lines == 100_000
        assert fast.reason


class TestInterrupted:
    """Ctrl-C in the middle of a search."""

    def stopping(self, after: int) -> Search:
        class Stopping(Known):
            def attempt(self, rate: float, seed: int) -> Trial:
                if len(self.rates) == after:
                    raise KeyboardInterrupt
                return super().attempt(rate, seed)

        return search(Stopping(8000.0))

    def test_the_tries_made_are_kept(self):
        """What they say is returned, marked as interrupted."""
        found = run_search(self.stopping(5))
        assert (len(found.trials), found.interrupted) == (5, True)
        assert found.at_least is not None

    def test_before_the_first_try_there_is_nothing_to_keep(self):
        """The interrupt goes on to the caller."""
        with pytest.raises(KeyboardInterrupt):
            run_search(self.stopping(0))


class TestSideBySide:
    """Several ways of recording within a time."""

    def searches(self, *edges: float) -> list[Search]:
        return [search(Known(edge), most=12) for edge in edges]

    def test_each_gets_its_turn_before_any_gets_a_second(self):
        """A slow spell of the machine falls on all of them alike."""
        clock = iter(range(1000))
        found = self.searches(8000.0, 4000.0, 2000.0)
        saturate_side_by_side(found, 12.0, lambda _share, _name: None, lambda: float(next(clock)))
        counts = [len(each.trials) for each in found]
        assert max(counts) - min(counts) <= 1
        assert min(counts) >= 1

    def test_without_time_each_is_tried_once(self):
        """However short the time, every way of recording has something to say."""
        clock = iter(range(1000))
        found = self.searches(8000.0, 4000.0)
        saturate_side_by_side(found, 0.001, lambda _share, _name: None, lambda: float(next(clock)))
        assert [len(each.trials) for each in found] == [1, 1]

    def test_one_too_slow_to_be_tried_does_not_hold_up_the_others(self):
        """It is done at once, with its reason, and the time still ends the rest."""
        clock = iter(range(10_000))
        found = [search(Known(10.0, ceiling=14.0)), search(Known(8000.0), most=10_000, precision=1e-9)]
        saturate_side_by_side(found, 50.0, lambda _share, _name: None, lambda: float(next(clock)))
        assert found[0].trials == []
        assert found[0].begun
        assert 1 < len(found[1].trials) < 100

    def test_all_end_when_they_are_precise_enough(self):
        """Time left over is not used up."""
        found = self.searches(8000.0, 4000.0)
        saturate_side_by_side(found, 1e9, lambda _share, _name: None, random.Random(1).random)  # noqa: S311
        assert all(each.done for each in found)


def test_the_coverage_command_prints_its_table(capsys, monkeypatch):
    """A few searches a row: every row is there, and the exit code says whether the intervals hold what they promise."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.delitem(sys.modules, "benchmarks.method.saturation_coverage", raising=False)
    from benchmarks.method import saturation_coverage

    assert saturation_coverage.main(["--runs", "5"]) in (0, 1)
    out = capsys.readouterr().out
    assert all(row.words in out for row in saturation_coverage.ROWS)


def test_the_documentation_shows_the_simulation_of_every_row(monkeypatch):
    """The table in docs/overhead.md has the rows that the command prints, and each holds the edge as often as told."""
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.method.saturation_coverage import ROWS

    lines = (ROOT / "docs" / "overhead.md").read_text(encoding="utf-8").splitlines()
    for row in ROWS:
        told = [line for line in lines if line.startswith(f"| {row.words} |")]
        assert len(told) == 1, row.words
        if not row.spells[0]:
            assert float(told[0].split("|")[6].split()[0]) >= 95.0
