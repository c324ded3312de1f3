"""Runs through instruments that push: conserved, or with findings that say how many datagrams were lost."""

import os
import signal
from typing import Any

import pytest

from harness.errors import UsageError
from harness.instruments.statsd import StatsdInstrument
from harness.run.execute import execute
from harness.run.result import RunResult
from harness.run.spec import RunSpec
from harness.views import View

pytestmark = pytest.mark.system

PUSHING = (
    "statsd", "dogstatsd", "dogstatsd-buffered", "dogstatsd-unix", "dogstatsd-unix-buffered", "opentelemetry-otlp",
)  # fmt: skip


class Silent:
    def phase(self, text: str) -> None:
        pass

    def progress(self, *_: object) -> None:
        pass


class StoppedSink(StatsdInstrument):
    """Pushes to a sink that does not read before it is asked what has arrived."""

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__(views)
        os.kill(self.sink.pid, signal.SIGSTOP)
        self.sink.attach(lambda: os.kill(self.sink.pid, signal.SIGCONT))


class DyingSink(StatsdInstrument):
    """Pushes to a sink that is gone."""

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__(views)
        os.kill(self.sink.pid, signal.SIGKILL)


def run(instrument: str, **more: Any) -> RunResult:
    values: dict[str, Any] = {
        "arrivals": "constant:rate=200", "lengths": "edges", "errors": "5%", "series": "3", "count": 100,
    }  # fmt: skip
    return execute(RunSpec(instrument=instrument, **values | more), Silent())


def sizes(result: RunResult) -> dict[str, float]:
    return {finding.name: finding.size for finding in result.audit.findings}


@pytest.mark.parametrize("instrument", PUSHING)
def test_what_was_pushed_is_what_was_recorded_or_counted_as_lost(instrument: str) -> None:
    """Every count, bucket and sum at the sink equals the ledger's, or the audit has the number of datagrams lost.

    On a machine that does not let the sink run, datagrams are lost, and that is what has to be said then.
    """
    result = run(instrument, scrape_interval="50ms")
    push = result.push
    assert push is not None
    lost = push.lost_at_client + push.lost_at_sink
    assert result.audit.conserved is (lost == 0), result.audit.findings
    assert sizes(result).get("datagrams_lost", 0) == lost
    assert sizes(result)["pushed"] == push.arrived > 0
    assert push.unreadable == 0
    if instrument in {"statsd", "dogstatsd", "dogstatsd-unix"}:
        # One for each value of each line; DogStatsD's client also tells of itself.
        telemetry = push.arrived + lost - 3 * 100 - sum(result.ledger.refused.values())
        assert telemetry == 0 if instrument == "statsd" else 0 <= telemetry <= 1
    assert result.audit.compared == ["sink"]
    assert result.spec.scraper == "sink"
    assert "not_stored" not in sizes(result)


@pytest.mark.parametrize("instrument", ["statsd", "opentelemetry-otlp"])
def test_a_run_says_how_old_the_newest_value_was(instrument: str) -> None:
    """Shares of the time in which lines were sent, none of them longer than that."""
    result = run(instrument, scrape_interval="50ms")
    assert result.push is not None
    p50, p99, most, mean = (result.push.age_ms[name] or 0.0 for name in ("p50", "p99", "max", "mean"))
    assert 0 <= p50 <= p99 <= most <= 1e3 * result.elapsed_s
    assert 0 < mean <= most


def test_values_that_wait_for_the_next_push_grow_old() -> None:
    """With an interval longer than the run nothing arrives while lines are sent: the age is the run's length."""
    result = run("opentelemetry-otlp", scrape_interval="1h")
    assert result.audit.conserved
    assert result.push is not None
    assert result.push.age_ms["max"] == pytest.approx(1e3 * result.elapsed_s)


def test_lost_datagrams_are_a_finding_with_a_count() -> None:
    """Arrived and lost are as many as were sent: one for each value of each line."""
    result = run(f"{__name__}:StoppedSink", count=2_000, arrivals="constant:rate=20k", errors="0", max_lag="1h")
    assert result.push is not None
    assert result.push.lost_at_sink > 0
    assert result.push.arrived + result.push.lost_at_sink == 3 * 2_000
    found = sizes(result)
    assert found["datagrams_lost"] == result.push.lost_at_sink
    assert result.audit.conserved is False
    # Each lost datagram was one value, and the counts lack as many.
    assert found["count_mismatch"] > 0 or found["series_missing"] > 0


def test_a_sink_that_is_gone_leaves_the_latencies() -> None:
    """The run is not verified, and what was measured is kept."""
    result = run(f"{__name__}:DyingSink")
    assert result.audit.conserved is None
    assert "page_unreadable" in sizes(result)
    assert result.service_ns.count == 100


def test_workers_push_to_sinks_of_their_own() -> None:
    """Each is audited, and the result has the packets of all."""
    from harness.distributed.choose import open_workers

    spec = RunSpec(instrument="statsd", count=100, arrivals="constant:rate=200", workers=2)
    result = execute(spec, Silent(), open_workers)
    assert result.push is not None
    assert result.push.arrived + result.push.lost_at_sink == 300
    assert result.audit.conserved is (result.push.lost_at_sink == 0)
    assert result.push.age_ms["max"] is not None


@pytest.mark.parametrize(
    ("instrument", "scraper", "words"),
    [
        ("statsd", "builtin", "statsd pushes its values and is not scraped"),
        ("statsd", "prometheus", "statsd pushes its values and is not scraped"),
        ("prometheus-client", "sink", "prometheus-client pushes nothing to a sink"),
    ],
)
def test_a_scraper_that_does_not_go_with_the_instrument_is_refused(instrument: str, scraper: str, words: str) -> None:
    """Before anything starts."""
    with pytest.raises(UsageError, match=words) as refused:
        run(instrument, scraper=scraper)
    assert refused.value.field == "scraper"
