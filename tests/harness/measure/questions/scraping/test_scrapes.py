"""What the study of scrapes promises: due times fixed before, lines told apart by them, and no percentile of a few."""

import gzip
import http.client
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import cycle
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.measure.pairs.side import Lines
from harness.measure.questions.answer import Answer
from harness.measure.questions.open_loop import OpenLoop, due_until
from harness.measure.questions.scraping.effect import Conditions, Trace, classes_of, scrape_effect
from harness.measure.questions.scraping.gate import Gate, Windows
from harness.measure.questions.scraping.scrapes import measure_scrapes
from harness.measure.worker.paced import run_paced
from harness.report.sections.latency import effect_table
from harness.report.writers.markdown import write_markdown
from harness.views import Tags
from tests.fakes import FakeClock

DATA = Path(__file__).resolve().parents[4] / "data" / "earlier"
LINES = Lines(("a", "hello", "x" * 20, ""), (Tags("a"), Tags("b"), Tags("a"), Tags("b")))
MS = 1_000_000
NOBODY = np.empty((0, 2), dtype=np.int64)


def ns(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def queued(due: np.ndarray, service: np.ndarray, stalls: np.ndarray) -> OpenLoop:
    """Return what a single server makes of arrivals (Lindley 1952) that can do nothing while a stall lasts."""
    starts, free = [], 0
    for arrival, work in zip(due.tolist(), service.tolist(), strict=True):
        start = max(arrival, free)
        for begun, ended in stalls.tolist():
            if begun <= start < ended:
                start = ended
        starts.append(start)
        free = start + work
    begins = np.array(starts, dtype=np.int64)
    return OpenLoop(due, begins, begins + service, stalls)


def trace(
    seed: int, stall_ns: int = 4 * MS, rate: float = 5000.0, windows: int = 20, service_ns: int = 20_000
) -> Trace:
    """Return a simulated process: 20 windows of 250 ms, every other one scraped each 100 ms, with a stall at each."""
    schedule = Windows(0, 250 * MS, tuple(i % 2 == seed % 2 for i in range(windows)))
    due = due_until(rate, schedule.end_ns, seed)
    moments = [at for at in range(30 * MS, schedule.end_ns, 100 * MS) if schedule.open_at(at)]
    stalls = np.array([(at, at + stall_ns) for at in moments], dtype=np.int64)
    return Trace(queued(due, np.full(len(due), service_ns, dtype=np.int64), stalls), schedule)


def effect(traces: list[Trace], **changed: float):
    return scrape_effect(Conditions(), traces, "builtin", rate=5000.0, closed_loop=10_000.0, **changed)


class TestWhichLinesAreWhich:
    """By the due time alone."""

    def test_a_line_belongs_to_the_window_it_was_due_in(self):
        """The first fifth of each window is left out: what the one before it left behind is over by then."""
        schedule = Windows(1000, 100, (True, False, True))
        found = classes_of(ns(999, 1000, 1019, 1020, 1099, 1119, 1120, 1199, 1220, 1300), NOBODY, schedule)
        assert found.scraped.tolist() == [False, False, False, True, True, False, False, False, True, False]
        assert found.unscraped.tolist() == [False, False, False, False, False, False, True, True, False, False]

    def test_a_line_is_during_a_scrape_when_it_was_due_in_it(self):
        """Both ends included; one that was due before is not, however long it waited into it."""
        served = ns(50, 60, 200, 230).reshape(-1, 2)
        found = classes_of(ns(49, 50, 60, 61, 199, 215), served, Windows(0, 1000, (True,)))
        assert found.during.tolist() == [False, True, True, False, False, True]

    def test_overlapping_scrapes_count_until_the_last_ends(self):
        """A long scrape under a short later one still holds the lines due after the short one's end."""
        found = classes_of(ns(50, 101), ns(0, 100, 10, 20).reshape(-1, 2), Windows(0, 1000, (True,)))
        assert found.during.tolist() == [True, False]

    def test_a_scrape_that_goes_on_into_a_window_without_is_not_counted_there(self):
        """Lines due while it is still served are neither quiet nor of a scraped window."""
        found = classes_of(ns(150, 170), ns(95, 160).reshape(-1, 2), Windows(0, 100, (True, False)))
        assert found.unscraped.tolist() == [False, True]
        assert found.during.tolist() == [True, False]

    @given(st.lists(st.integers(-500, 5000), max_size=50), st.integers(0, 7))
    def test_no_line_is_of_two_kinds_of_window(self, due, kinds):
        """Whatever was drawn, windows with and without scrapes share no line."""
        flags = tuple(bool(kinds >> i & 1) for i in range(3))
        found = classes_of(np.array(sorted(due), dtype=np.int64), NOBODY, Windows(0, 1000, flags))
        assert not (found.scraped & found.unscraped).any()
        assert not found.during.any()

    def test_long_lines_do_not_look_like_scraped_ones(self):
        """Where scrapes do nothing the lines due in them are no longer than others.

        By overlap they would be: of lines that take 1 or 50 ms, those that a scrape of 2 ms meets are mostly long.
        """
        rng = np.random.default_rng(4)
        due = np.arange(20_000, dtype=np.int64) * 100 * MS
        service = rng.choice(ns(MS, 50 * MS), len(due), p=[0.9, 0.1])
        moments = np.sort(rng.integers(0, int(due[-1]), 20_000))
        served = np.stack([moments, moments + 2 * MS], axis=1)
        during = classes_of(due, served, Windows(0, int(due[-1]) + 1, (True,))).during
        last = np.searchsorted(served[:, 0], due + service, side="right") - 1
        overlapping = (last >= 0) & (served[np.maximum(last, 0), 1] >= due)
        everywhere = service.mean()
        assert service[during].mean() < 1.3 * everywhere
        assert service[overlapping].mean() > 2 * everywhere


class TestWhatAStallDoes:
    """Simulated processes that stand still while a scrape is served."""

    def test_lines_due_in_a_scrape_wait_for_its_end(self):
        """In the response time half of the stall is seen by the median line due in it; the service time hides it."""
        found = effect([trace(seed) for seed in range(5)])
        by_moment = {shift.percentile: shift for shift in found.by_moment}
        low, high = by_moment[50.0].interval
        assert 1.5 * MS < low < by_moment[50.0].difference < high < 3.5 * MS
        assert all(shift.difference == 0 for shift in found.service_by_window if shift.difference is not None)

    def test_windows_with_scrapes_have_the_stalls_in_their_tail(self):
        """4 ms of each 100: one line in 25, so p50 is as it was and p99 is not."""
        found = {shift.percentile: shift for shift in effect([trace(seed) for seed in range(5)]).by_window}
        assert found[50.0].difference < 0.1 * MS
        assert found[99.0].interval[0] > 1 * MS

    def test_without_stalls_nothing_is_found(self):
        """Windows drawn at random then differ by the luck of the arrivals alone: by less than a tenth of a line."""
        found = effect([trace(seed, stall_ns=1) for seed in range(5)])
        shown = [shift.difference for shift in found.by_window if shift.difference is not None]
        assert len(shown) == 3
        assert max(map(abs, shown)) < 2_000

    def test_the_truth_is_kept(self):
        """Which windows were scraped, when each scrape was served, and how many lines were due when."""
        traces = [trace(seed) for seed in range(3)]
        found = effect(traces)
        assert [process.scraped for process in found.traces] == [list(each.schedule.scraped) for each in traces]
        assert [len(process.served) for process in found.traces] == [len(each.run.served) for each in traces]
        for process in found.traces:
            assert process.during_lines > 0
            assert process.scraped_lines + process.unscraped_lines == pytest.approx(0.8 * 25_000, rel=0.03)
        assert found.busy == pytest.approx(0.1, rel=0.05)
        assert (found.rate, found.lines) == (5000.0, sum(each.run.sent for each in traces))

    def test_a_process_that_cannot_keep_the_schedule_does_not_count(self):
        """A slow spell that makes a queue of its own is left out, counted and told; it never looks like a scrape."""
        slow = trace(9, service_ns=300_000)
        found = effect([*(trace(seed) for seed in range(4)), slow])
        assert found.processes == 4
        assert [bool(process.void) for process in found.traces] == [False] * 4 + [True]
        assert found.by_window == effect([trace(seed) for seed in range(4)]).by_window
        assert "left out: 1 of 5 processes" in effect_table(found).notes[0].text
        nothing = effect([slow])
        assert (nothing.processes, nothing.by_window[0].difference) == (0, None)
        assert "left out: 1 of 1 processes" in effect_table(nothing).notes[0].text

    def test_ctrl_c_before_the_first_process_leaves_an_empty_study(self):
        """Nothing was measured: no figure, no division by nothing."""
        found = effect([], interrupted=True)
        assert (found.processes, found.lines, found.served_share, found.busy) == (0, 0, 0.0, None)
        assert all(shift.difference is None for shift in found.by_window)
        assert effect_table(found).rows


class TestPercentilesOfAFew:
    """Ten lines beyond, in each process, or no figure."""

    def test_a_few_hundred_lines_have_no_p999(self):
        """The figure is missing from the document, and stands as – with its reason in what is printed."""
        found = effect([trace(seed, rate=300.0) for seed in range(4)])
        fewest = {shift.fewest for shift in found.by_window}
        assert fewest.pop() < 1000
        shown = {shift.percentile: shift.scraped is not None for shift in found.by_window}
        assert shown == {50.0: True, 90.0: True, 99.0: False, 99.9: False}
        text = write_markdown([effect_table(found)])
        row = next(line for line in text.splitlines() if line.startswith("| p99.9 |"))
        assert row.count("–") == 6
        assert "fewer than 10 lines of some process lie beyond that percentile" in text

    def test_one_process_with_too_few_lines_takes_the_figure_away(self):
        """The unit is the process: a percentile that one of them cannot tell has no mean over all."""
        found = effect([trace(1), trace(2), trace(3, rate=300.0)])
        assert [shift.difference is None for shift in found.by_window] == [False, False, True, True]

    def test_a_stored_closed_loop_opens_and_says_what_it_was(self):
        """The documents of earlier versions render as service times of a closed loop, without their p99.9 of a few."""
        tables = [effect_table(each) for each in stored().scrapes]
        text = write_markdown(tables)
        assert "Service time in a closed loop" in text
        assert "Response time" not in text
        (table,) = (each for each in tables if "opencensus, 100 series" in each.caption)
        assert [row[1].text for row in table.rows] == ["5.57", "6.16", "–", "–"]


def stored() -> Answer:
    return Answer.model_validate(json.loads(gzip.decompress((DATA / "full.json.gz").read_bytes())))


class TestThePacedLoop:
    """Due times decide, on a clock that moves only when told."""

    def run(self, costs: list[int], due: list[int], give_up: int | None = None):
        clock = FakeClock(0)
        left = iter(costs)

        def evaluate(line: str, _tags: Tags) -> None:
            clock.advance(next(left))
            if line == "raises":
                raise ValueError(line)

        lines = cycle([("a", Tags()), ("raises", Tags())])
        return run_paced(evaluate, lines, due, give_up, clock), clock

    def test_a_line_waits_until_it_is_due(self):
        """None begins before its time, and one that raises is a line like the others."""
        found, clock = self.run([5, 5, 5], [100, 200, 300])
        assert (found.starts, found.ends, found.raised) == ([100, 200, 300], [105, 205, 305], 1)
        assert clock.waits == [100, 200, 300]

    def test_a_slow_line_makes_the_next_ones_late_and_none_is_left_out(self):
        """The schedule does not move: lines catch up as fast as they can."""
        found, _ = self.run([250, 5, 5, 5], [100, 200, 300, 400])
        assert found.starts == [100, 350, 355, 400]

    def test_it_gives_up_far_behind_and_not_before(self):
        """The line that would start later than allowed ends it; exactly as late as allowed is sent."""
        found, _ = self.run([150, 60, 5, 5], [0, 100, 200, 210], give_up=50)
        assert found.starts == [0, 150, 210, 215]
        found, _ = self.run([151, 60, 5, 5], [0, 100, 200, 210], give_up=50)
        assert found.starts == [0]

    def test_without_a_schedule_there_is_nothing_to_do(self):
        """No due time, no line."""
        assert self.run([], [])[0].starts == []


class TestTheGate:
    """Between a scraper and the subject."""

    def ask(self, gate: Gate, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=10)
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        answer.body = answer.read()
        connection.close()
        return answer

    def test_it_passes_on_what_the_scraper_asked_for(self):
        """The page comes compressed where the scraper takes that: compressing is part of what a scrape costs."""
        asked: list[dict[str, str]] = []

        class Subject(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(dict(self.headers))
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                self.wfile.write(gzip.compress(b"a 1\n"))

            def log_message(self, *_args: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Subject) as server, Gate() as gate:
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            gate.set(server.server_port, Windows(0, 10**19, (True,)))
            answer = self.ask(gate, **{"Accept": "text/plain", "Accept-Encoding": "gzip"})
            gate.set(server.server_port, Windows(0, 10**19, (False,)))
            shut = self.ask(gate)
            server.shutdown()
            thread.join()
        assert (asked[0]["Accept"], asked[0]["Accept-Encoding"]) == ("text/plain", "gzip")
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.body) == b"a 1\n"
        assert len(asked) == 1
        assert (shut.status, shut.body) == (200, b"")


@pytest.mark.parametrize("load", [0.0, 1.0, -1.0])
def test_a_load_that_is_no_share_is_refused(load):
    """At or above what the subject reaches a queue has no end."""
    with pytest.raises(UsageError, match="load"):
        Conditions(load=load)


@pytest.mark.parametrize(
    ("interval_ms", "window_ms", "windows", "says"),
    [
        (50, 250, 20, "short intervals keep the windows"),
        (200, 400, 12, "a window holds two scrapes, for as long in all"),
        (1000, 2000, 8, "and there are some windows of each kind"),
    ],
)
def test_a_window_holds_two_scrapes(interval_ms, window_ms, windows, says):
    """Whatever the interval, and the run gets no longer than it must."""
    found = Conditions().every(interval_ms)
    assert (found.interval_ms, found.window_ms, found.windows) == (interval_ms, window_ms, windows), says


@pytest.mark.slow
def test_a_real_run_sends_its_lines_on_schedule_and_knows_its_scrapes():
    """With the built-in poller: scrapes are served, lines are told apart, and the rate is the share asked for."""
    found = measure_scrapes(
        Conditions(
            instrument="opencensus-lean", interval_ms=20, windows=6, window_ms=200, processes=2, scraper="builtin",
            load=0.05,
        ),
        lines=lambda _s: LINES,
    )  # fmt: skip
    assert found.rate == pytest.approx(found.closed_loop / 20, rel=0.02)
    assert found.scraper == "the built-in scraper"
    # Of each process, whether it counts or the machine was too slow for it.
    assert [sum(process.scraped) for process in found.traces] == [3, 3]
    assert sum(len(process.served) for process in found.traces) >= 1
    for process in found.traces:
        assert 0 < process.scraped_lines < 0.6 * found.rate
