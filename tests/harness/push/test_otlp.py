"""Requests of OTLP as the SDK's exporter makes them, and what is none."""

import http.client
import os

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE, AGGREGATION_TEMPORALITY_DELTA

from harness.instruments import create
from harness.push.arrived import ArrivedViews
from harness.push.otlp import take_request
from harness.views import QUICKSTART_VIEWS, Tags

NOW_NS = 1_700_000_000_000_000_000


def request(value: int, temporality: int = AGGREGATION_TEMPORALITY_CUMULATIVE, name: str = "lines") -> bytes:
    """Return a request with one counter."""
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
    metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]
    point = metric.sum.data_points.add(as_int=value, time_unix_nano=NOW_NS)
    point.attributes.add(key="method").value.string_value = "a"
    return message.SerializeToString()


def test_the_newest_request_takes_the_place_of_those_before() -> None:
    """Values have added up in the client; the newest moment of a request is returned."""
    views = ArrivedViews({"lines": None})
    assert take_request(request(3), views) == NOW_NS
    take_request(request(7), views)
    assert views.rows() == {"lines": [["a", "", "", 7]]}
    assert views.unreadable == 0


def test_metrics_of_others_are_left_out() -> None:
    views = ArrivedViews({"lines": None})
    assert take_request(request(3, name="other"), views) == 0
    assert views.rows() == {"lines": []}


@pytest.mark.parametrize("temporality", [AGGREGATION_TEMPORALITY_DELTA, 0])
def test_values_that_have_not_added_up_are_counted_as_unreadable(temporality: int) -> None:
    """They would have to be added, which nobody here asks for."""
    views = ArrivedViews({"lines": None})
    take_request(request(3, temporality), views)
    assert views.unreadable == 1


def test_a_counter_in_place_of_a_distribution_is_unreadable() -> None:
    views = ArrivedViews({"lines": (1.0,)})
    take_request(request(3), views)
    assert views.unreadable == 1


def test_what_is_no_request_is_refused() -> None:
    """With a reason, and nothing is taken of it."""
    with pytest.raises(ValueError, match="no request of OTLP"):
        take_request(b"\xff\xff\xff", ArrivedViews({"lines": None}))


def test_a_bad_request_is_answered_and_counted() -> None:
    """The sink goes on, and the next push arrives."""
    instrument = create("opentelemetry-otlp", QUICKSTART_VIEWS)
    sink = instrument.sink  # type: ignore[attr-defined]
    try:
        connection = http.client.HTTPConnection(sink.address, sink.port, timeout=30)
        connection.request("POST", "/v1/metrics", body=b"\xff\xff\xff")
        assert connection.getresponse().status == 400
        connection.close()
        instrument.record(1.0, 5, Tags())
        outcome = sink.pushed()
    finally:
        instrument.close()
    assert outcome.unreadable == 1
    assert outcome.arrived == 1


def test_all_series_are_pushed_at_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being asked to, by the SDK's thread; a proxy of the environment is not asked for a sink of ours."""
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:9")
    instrument = create("opentelemetry-otlp", QUICKSTART_VIEWS, push_interval_ns=20_000_000)
    sink = instrument.sink  # type: ignore[attr-defined]
    try:
        instrument.record(1.0, 5, Tags())
        for _ in range(1_000):
            if sink._ask("shown")["packets"] >= 3:
                break
        else:  # pragma: no cover - asking takes a while each time
            pytest.fail("nothing was pushed")
        assert sink._ask("shown")["series"]["oc_python_demo_lines_in"] == [["repl", "OK", "", 1]]
    finally:
        instrument.close()
