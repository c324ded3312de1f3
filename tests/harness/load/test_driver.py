import signal
from collections.abc import Callable

import pytest

from harness.load.driver import BURST, CLOSED, Policy, drive, drop
from harness.load.recorder import DROPPED, EVALUATED, RAISED, Recorder
from harness.load.stop import Stop
from tests.fakes import FakeClock

MS = 1_000_000


def taking(clock: FakeClock, *costs: int) -> Callable[..., None]:
    """Return a subject whose lines take these times, the last one for all that follow."""
    left = list(costs)

    def evaluate(line, tags):
        clock.advance(left.pop(0) if len(left) > 1 else left[0])

    return evaluate


def run(block, evaluate, clock, policy, stop=None):
    recorder = Recorder()
    start = clock.now_ns()
    done = drive(block, evaluate, recorder, clock, policy, start, stop)
    starts = [at - start for at in recorder.starts]
    ends = [at - start for at in recorder.ends]
    return recorder, done, starts, ends


class TestBurst:
    def test_a_line_starts_when_it_is_due(self, make_block):
        """With time to spare each line starts at its due time, to the nanosecond."""
        clock = FakeClock()
        _, done, starts, ends = run(make_block([0, 3, 10_000]), taking(clock, 2), clock, BURST)
        assert (done, starts, ends) == (3, [0, 3, 10_000], [2, 5, 10_002])

    def test_late_lines_follow_at_once(self, make_block):
        """Behind schedule the clock is not asked to wait, and lines follow each other without a pause."""
        clock = FakeClock()
        _, _, starts, ends = run(make_block([0, 1, 2, 3]), taking(clock, 100), clock, BURST)
        assert starts == [0, 100, 200, 300]
        assert ends == [100, 200, 300, 400]
        assert clock.waits == []

    def test_a_stall_grows_response_and_lag_but_not_service(self, make_block):
        """A subject that stalls once delays the lines behind it: they show it in lag and response, not in service."""
        clock = FakeClock()
        block = make_block([i * MS for i in range(100)])
        recorder, *_ = run(block, taking(clock, 50 * MS, MS // 10), clock, BURST)
        recorder.fold(block.due_ns + (clock.now - recorder.ends[-1]) + 1_000_000_000, recorder.outcomes())
        timings = recorder.timings
        assert timings.service.percentile(50) == pytest.approx(MS // 10, rel=1e-3)
        assert timings.service.max == timings.response.max == 50 * MS
        assert timings.lag.max == 49 * MS
        # The 50 ms are made up at 0.9 ms a line, so every second line still feels them.
        assert timings.response.percentile(50) > 4 * MS
        assert timings.response.sum == timings.lag.sum + timings.service.sum


class TestDrop:
    def test_a_line_within_its_patience_is_sent(self, make_block):
        """A line late by exactly the patience is still sent; one nanosecond more and it is given up."""
        clock = FakeClock()
        block = make_block([0, 90, 89, 200])
        recorder, done, starts, _ = run(block, taking(clock, 100, 0), clock, drop(10))
        assert done == 4
        assert recorder.outcomes().tolist() == [EVALUATED, EVALUATED, DROPPED, EVALUATED]
        assert starts == [0, 100, 100, 200]

    def test_dropped_lines_are_in_no_histogram(self, make_block):
        """What was never sent has no latency."""
        clock = FakeClock()
        block = make_block([0, 1, 2, 500])
        recorder, _, _, _ = run(block, taking(clock, 100), clock, drop(10))
        recorder.fold(block.due_ns + 1_000_000_000, recorder.outcomes())
        assert recorder.timings.lag.count == recorder.timings.service.count == 2
        assert recorder.timings.lag.max == 0

    def test_burst_never_drops(self, make_block):
        """However late, under `burst` every line is sent."""
        clock = FakeClock()
        recorder, *_ = run(make_block([0] * 50), taking(clock, 10**12), clock, BURST)
        assert set(recorder.outcomes().tolist()) == {EVALUATED}


class TestClosedLoop:
    def test_lines_follow_each_other(self, make_block):
        """In a closed loop nothing waits, lag is zero and response equals service."""
        clock = FakeClock()
        recorder, _, starts, ends = run(make_block([0, 0, 0]), taking(clock, 7), clock, CLOSED)
        assert starts == [0, 7, 14]
        assert ends == [7, 14, 21]
        recorder.fold(None, recorder.outcomes())
        assert recorder.timings.lag.max == 0
        assert recorder.timings.response.counts.tolist() == recorder.timings.service.counts.tolist()
        assert clock.waits == []


@pytest.mark.parametrize("policy", [BURST, drop(), CLOSED], ids=lambda policy: policy.name)
class TestExceptionsAndStops:
    def test_an_exception_is_noted_and_the_loop_goes_on(self, make_block, policy: Policy):
        """A line out of which an exception came is told by its type; the others are untouched."""
        clock = FakeClock()
        calls = []

        def evaluate(line, tags):
            calls.append(line)
            clock.advance(5)
            if len(calls) == 2:
                raise KeyError(line)

        recorder, done, _, _ = run(make_block([0, 10, 20]), evaluate, clock, policy)
        assert done == len(calls) == 3
        assert recorder.outcomes().tolist() == [EVALUATED, RAISED, EVALUATED]
        assert recorder.raised() == ["KeyError"]

    def test_an_interrupt_out_of_the_subject_ends_the_run_consistently(self, make_block, policy: Policy):
        """KeyboardInterrupt inside a line: that line is accounted for, and those after it were never offered."""
        clock = FakeClock()
        stop = Stop()

        def evaluate(line, tags):
            if clock.now >= 1_000_000_005:
                raise KeyboardInterrupt
            clock.advance(5)

        recorder, done, starts, ends = run(make_block([0, 5, 10]), evaluate, clock, policy, stop)
        assert stop.requested
        assert done == len(starts) == len(ends) == 2
        assert recorder.raised() == ["KeyboardInterrupt"]

    def test_a_stop_takes_effect_at_the_next_line(self, make_block, policy: Policy):
        """The line during which a stop is asked for is finished and counted; no other begins."""
        clock = FakeClock()
        stop = Stop()

        def evaluate(line, tags):
            clock.advance(5)
            stop.request()

        recorder, done, _, _ = run(make_block([0, 5, 10]), evaluate, clock, policy, stop)
        assert done == 1
        assert recorder.outcomes().tolist() == [EVALUATED]

    def test_a_real_ctrl_c_never_strikes_inside_a_line(self, make_block, policy: Policy):
        """SIGINT while a line is evaluated lets that line finish."""
        clock = FakeClock()
        finished = []

        def evaluate(line, tags):
            signal.raise_signal(signal.SIGINT)
            finished.append(line)

        with Stop().on_signals() as stop:
            _, done, _, _ = run(make_block([0, 5]), evaluate, clock, policy, stop)
        assert done == len(finished) == 1
        assert stop.signal == signal.SIGINT


def test_a_stop_while_waiting_takes_effect_within_50_ms(make_block):
    """A line that is due in an hour does not keep a stopped run alive; it was never offered."""
    stop = Stop()

    class Impatient(FakeClock):
        def wait_until(self, ns, /):
            super().wait_until(ns)
            stop.request()

    clock = Impatient()
    _, done, _, _ = run(make_block([3600 * 10**9]), taking(clock, 1), clock, BURST, stop)
    assert done == 0
    assert clock.now - 1_000_000_000 == 50 * MS


def test_signal_handlers_are_restored():
    """After the run, signals do what they did before; a second Ctrl-C during the run interrupts at once."""
    before = signal.getsignal(signal.SIGINT)
    with Stop().on_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
