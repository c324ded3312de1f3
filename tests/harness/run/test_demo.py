"""What the demo promises."""

import statistics
from pathlib import Path

import pytest

from harness.dashboards.links import TRY
from harness.load.pump import Snapshot
from harness.run import demo
from harness.run.demo import DemoSpec, SimulatedService, show

SHORT = {"arrivals": "constant:50/s", "count": 20, "service_time": "1ms", "port": 0}


class Hearing:
    """Keeps what a demo says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        pass


@pytest.mark.prometheus
def test_it_runs_one_real_prometheus_and_links_to_the_four_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is started once, told of with its console and four links, and gone afterwards, its folder too."""
    started: list[demo.PrometheusServer] = []
    folders: list[Path] = []

    class Watched(demo.PrometheusServer):
        def start(self) -> "Watched":
            started.append(super().start())
            assert self.folder is not None
            folders.append(self.folder)
            return self

    monkeypatch.setattr(demo, "PrometheusServer", Watched)
    hearing = Hearing()
    driven = show(DemoSpec(**SHORT), hearing)
    assert driven.ledger.offered == 20
    assert len(started) == 1
    assert not folders[0].exists()
    said = [line.partition(":")[0].strip() for line in hearing.said]
    assert said[2:7] == ["all metrics", "lines in", "latency distribution", "line lengths", "dashboard and alerts"]
    assert [line.strip() for line in hearing.said[-3:]] == [f"{command}: {effect}" for command, effect in TRY]


def test_without_prometheus_it_says_how_to_get_it_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines are sent none the less."""
    monkeypatch.setenv("PROMETHEUS_BIN", "/no/such/prometheus")
    hearing = Hearing()
    assert show(DemoSpec(**SHORT), hearing).ledger.offered == 20
    assert any("apt-get install prometheus" in line for line in hearing.said)


def test_the_simulated_service_time_has_the_median_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the writes take longer, half shorter; the same seed takes the same times."""
    slept: list[float] = []
    monkeypatch.setattr(demo.time, "sleep", slept.append)
    for seed in (1, 1):
        service = SimulatedService(30_000_000, seed)
        for _ in range(2001):
            service.write("x")
    assert slept[:2001] == slept[2001:]
    assert statistics.median(slept) == pytest.approx(0.03, rel=0.05)
