"""What the measurement of an event loop promises: a stall is found with its size, and none where there is none."""

import select
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from harness.errors import RunError, UsageError
from harness.measure.questions.event_loop.effect import LoopPoint, longest, loop_effect, stall_laws
from harness.measure.questions.event_loop.loop import LoopPlan, measure_loops
from harness.measure.questions.event_loop.page import FetchedPage, OtlpRequest
from harness.measure.questions.scraping.gate import Windows
from harness.measure.service import deployments
from harness.measure.service.deployments import DEPLOYMENTS, load_deployment, missing_library, paths_for
from harness.measure.service.heartbeat import note_beats
from harness.measure.service.timer import Timer
from tests.harness.measure.loop_traces import MS, REST_NS, effect_of, loop_trace

BLOCKING = """
import time
from harness.measure.service.deployments import COUNTER, respond


class Blocking:
    port = 0

    def __init__(self, surroundings):
        self.count = 0

    def record(self, path, seconds, /):
        self.count += 1

    async def app(self, scope, receive, send):
        time.sleep(0.02)
        await respond(send, f'{COUNTER}{{path="/"}} {self.count}\\n'.encode())

    def close(self):
        pass
"""


class TestTheHeartbeat:
    """Lags as an open loop has them."""

    def test_every_beat_that_a_stall_held_up_has_its_own_lag(self) -> None:
        """30 ms without the loop are thirty late beats, and not one."""
        lags = array("q")
        note_beats(lags, 100 * MS, MS, 130 * MS, 1000)
        assert lags.tolist() == [(30 - i) * MS for i in range(31)]

    def test_a_beat_that_is_not_due_yet_is_not_noted(self) -> None:
        """Neither before the start, nor twice, nor beyond the number asked for."""
        lags = array("q")
        note_beats(lags, 100 * MS, MS, 99 * MS, 10)
        assert not lags
        note_beats(lags, 100 * MS, MS, 100 * MS, 10)
        note_beats(lags, 100 * MS, MS, 100 * MS + 5, 10)
        assert lags.tolist() == [0]
        note_beats(lags, 100 * MS, MS, 200 * MS, 10)
        assert len(lags) == 10

    def test_the_timer_never_expires_early_and_counts_what_was_missed(self) -> None:
        """Absolute times of the monotonic clock."""
        timer = Timer()
        try:
            first = time.monotonic_ns() + 5 * MS
            timer.set(first, MS)
            assert timer.clear() == 0 or time.monotonic_ns() >= first
            assert select.select([timer.fileno()], [], [], 10)[0]
            assert time.monotonic_ns() >= first
            assert timer.clear() >= 1
        finally:
            timer.close()


class TestTheEffect:
    """Simulated processes."""

    def test_a_stall_is_found_with_its_size(self) -> None:
        """20 ms in each scrape, in the heartbeat and in the response times; the interval holds it."""
        found = effect_of("x", 20.0, 100.0)
        low, high = found.stall.interval
        assert low is not None
        assert high is not None
        assert low <= 20 * MS <= high
        assert found.stall.unscraped == REST_NS
        assert found.longest_response.difference == pytest.approx(20 * MS, rel=0.15)
        assert found.processes == 5
        assert found.scrapes == 25

    def test_beats_due_in_a_scrape_lag_by_what_is_left_of_the_stall(self) -> None:
        """Half of it for the middle one."""
        found = {shift.percentile: shift for shift in effect_of("x", 40.0, 100.0).beats_by_moment}
        assert found[50.0].difference == pytest.approx(20 * MS, rel=0.1)

    def test_without_a_stall_nothing_is_found(self) -> None:
        """The same lag in all windows."""
        found = effect_of("x", 0.0, 100.0)
        assert found.stall.difference == 0
        assert found.longest_response.difference == 0

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"lost": 2}, "the page shows 1998 of 2000 requests"),
            ({"failed": 3}, "3 of 2000 requests had no good answer"),
        ],
    )
    def test_a_process_that_lost_something_does_not_count(self, changed: dict[str, int], reason: str) -> None:
        """It is stored with its reason."""
        traces = [loop_trace(20.0, 1), loop_trace(20.0, 2), loop_trace(500.0, 3, **changed)]
        found = loop_effect(LoopPoint("x", 1000), traces, rate=400.0)
        assert found.processes == 2
        assert [trace.void for trace in found.traces] == ["", "", reason]
        assert found.stall.difference == pytest.approx(20 * MS)

    def test_the_longest_of_a_window_leaves_out_its_first_part(self) -> None:
        """What the window before left behind is not its own."""
        due = np.array([0, 19, 20, 99, 120, 300], dtype=np.int64)
        durations = np.array([900, 900, 7, 3, 5, 900], dtype=np.int64)
        assert longest(due, durations, Windows(0, 100, (True, False, True))) == [7, 5, 0]


class TestTheLaw:
    """The stall by the size of the page."""

    def test_a_line_is_recovered(self) -> None:
        """0.3 ms and 0.08 ms for each KiB."""
        sizes = (10, 100, 1000)
        (law,) = stall_laws([effect_of("x", 0.3 + 0.08 * size, size, series=size) for size in sizes])
        assert law.fit is not None
        assert law.fit.b_interval[0] <= 0.08 * MS <= law.fit.b_interval[1]
        assert law.fit.b == pytest.approx(0.08 * MS, rel=0.02)
        assert law.factor == "KiB"

    def test_there_is_none_of_two_sizes_or_of_three_processes(self) -> None:
        """The points are there, and no fit."""
        two = stall_laws([effect_of("x", 10.0, 10), effect_of("x", 20.0, 20)])
        few = stall_laws([effect_of("x", 10.0 * i, 10 * i, processes=3) for i in (1, 2, 3)])
        assert [law.fit for law in (*two, *few)] == [None, None]
        assert [len(law.points) for law in (*two, *few)] == [2, 3]


class TestDeployments:
    """Names, libraries and series."""

    def test_the_series_asked_for_are_those_of_whole_paths(self) -> None:
        """14 for each path."""
        assert len(paths_for(1)) == 1
        assert len(paths_for(1000)) == 72
        assert len(set(paths_for(30_000))) == 2143

    def test_a_library_that_is_missing_is_named_with_what_installs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In one line."""
        monkeypatch.setattr(deployments, "find_spec", lambda name: None if name == "uvicorn" else name)
        with pytest.raises(UsageError, match=r"needs uvicorn: pip install 'recording-harness\[loop\]'$") as refused:
            load_deployment("prometheus-client-asgi")
        assert refused.value.field == "deployments"
        assert deployments.available() == []

    def test_an_unknown_deployment_is_refused_with_those_there_are(self) -> None:
        """Before anything is started."""
        with pytest.raises(UsageError, match="there is no deployment 'nothing'; choose one of prometheus-client-asgi"):
            measure_loops(LoopPlan(deployments=("nothing",)))

    @pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
    def test_every_built_in_deployment_loads(self, name: str) -> None:
        """With the libraries of development installed."""
        assert missing_library(name) == ""
        assert callable(load_deployment(name))

    def test_a_rate_out_of_range_is_refused(self) -> None:
        """By its field."""
        with pytest.raises(UsageError) as refused:
            LoopPlan(rate=0)
        assert refused.value.field == "rate"


def test_a_page_tells_its_samples_and_its_requests() -> None:
    """Comments are no samples, and a time stamp or an exemplar is no count."""
    body = b'# HELP x y\nhttp_requests_total{path="/a"} 3.0\nhttp_requests_total{path="/b"} 4.0 # {} 1.0\nother 1\n\n'
    page = FetchedPage(0, 1, good=True, body=body)
    assert page.series == 3
    assert page.requests == 7


def test_a_request_of_otlp_tells_the_same_as_a_page() -> None:
    """Samples as a page would have them, and requests from the counter; without the counter it is refused."""
    message = ExportMetricsServiceRequest()
    metrics = message.resource_metrics.add().scope_metrics.add().metrics
    duration = metrics.add(name="http_request_duration_seconds").histogram.data_points.add(count=7)
    duration.bucket_counts.extend([3, 4])
    other = OtlpRequest(0, 1, good=True, body=message.SerializeToString())
    assert other.series == 4
    with pytest.raises(RunError, match="the service's push has no http_requests_total"):
        _ = other.requests
    for count in (3, 4):
        metrics.add(name="http_requests_total").sum.data_points.add(as_int=count)
    page = OtlpRequest(0, 1, good=True, body=message.SerializeToString())
    assert (page.series, page.requests) == (6, 7)


@pytest.mark.slow
def test_a_page_that_blocks_the_loop_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real service whose page takes 20 ms on the loop: no window with a scrape has a shorter stall."""
    (tmp_path / "blocking_deployment.py").write_text(BLOCKING)
    monkeypatch.chdir(tmp_path)
    plan = LoopPlan(("blocking_deployment:Blocking",), (14,), processes=1, windows=8, window_ms=1000, rate=100.0)
    effects, interrupted = measure_loops(plan)
    assert not interrupted
    (found,) = effects
    assert [trace.void for trace in found.traces] == [""]
    for trace in found.traces:
        stalls = [stall for stall, scraped in zip(trace.stalls, trace.scraped, strict=True) if scraped]
        # A beat is due at most one interval after the page begins.
        assert min(stalls) >= 19 * MS
        assert trace.shown == trace.recorded


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_every_deployment_is_measured_and_loses_nothing(name: str) -> None:
    """A real run of each, as short as can be: what was recorded is on the last page, or in the last push."""
    plan = LoopPlan((name,), (100,), processes=1, windows=8, window_ms=500, rate=100.0)
    effects, _ = measure_loops(plan)
    (found,) = effects
    (trace,) = found.traces
    assert trace.void == ""
    assert trace.requests > 50
    assert found.scrapes == 4
    assert found.series >= 100


def test_ctrl_c_before_the_first_process_ends_it_and_later_keeps_what_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The effects measured until then are returned, and said to be of an interrupted measurement."""
    traces = [loop_trace(20.0, seed) for seed in (1, 2)]

    def trace(_bench: object, _point: LoopPoint) -> object:
        if not traces:
            raise KeyboardInterrupt
        return traces.pop()

    monkeypatch.setattr("harness.measure.questions.event_loop.loop._Bench.trace", trace)
    plan = LoopPlan(("prometheus-client-asgi",), (100,), processes=5)
    effects, interrupted = measure_loops(plan)
    assert interrupted
    assert [effect.processes for effect in effects] == [2]
    assert effects[0].interrupted
    with pytest.raises(KeyboardInterrupt):
        measure_loops(plan)
