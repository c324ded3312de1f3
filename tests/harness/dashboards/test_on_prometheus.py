"""Everything that is shown, on the real Prometheus of a real demo."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.instruments import create
from harness.load.pump import Snapshot
from harness.run.demo import SCRAPE_INTERVAL, dashboard
from harness.scrape.endpoint import serve
from harness.scrape.prometheus.server import default_config, derived_config
from harness.scrape.scraper import Target
from harness.views import Tags, views_for
from tests.harness.cli.commands import Command, running
from tests.harness.dashboards import artefacts
from workloads.units import parse_duration_ns

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]
PATIENCE_S = 120.0


class Unheard:
    """Hears what a demo says."""

    def say(self, text: str) -> None: ...

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None: ...


class Asker:
    """Asks a Prometheus, for as long as it takes."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=30, trust_env=False).json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def has_data(self, expression: str) -> bool:
        return bool(self.get("query", query=expression)["result"])

    def fired(self) -> set[str]:
        """Return the names of all alerts that have fired."""
        expression = 'group by (alertname) (max_over_time(ALERTS{alertstate="firing"}[10m]))'
        return {one["metric"]["alertname"] for one in self.get("query", query=expression)["result"]}

    def wait(self, condition: Callable[[], bool], what: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, what()
            time.sleep(0.2)

    def wait_for_alerts(self, names: set[str], patience_s: float = PATIENCE_S) -> None:
        self.wait(lambda: names <= self.fired(), lambda: f"fired: {self.fired()} of {names}", patience_s)


@contextmanager
def demo(folder: Path, *flags: str) -> Iterator[Asker]:
    """Run a demo on free ports, and yield who asks its Prometheus."""
    with running(folder, ["demo", "--port", "0", *flags]) as command:
        assert command.wait_until_told("(?m)^harness: dashboard and alerts: .*$"), command.told
        yield Asker(_url(command))
        command.interrupt(2)
        assert command.ended() == 0, command.told
        command.leaves_nothing()


def _url(command: Command) -> str:
    (line,) = [line for line in command.told.splitlines() if "dashboard and alerts: " in line]
    return line.partition("alerts: ")[2].removesuffix("/consoles/index.html")


@pytest.mark.parametrize("instrument", ["opencensus", "opentelemetry"])
def test_every_expression_returns_data(tmp_path: Path, instrument: str) -> None:
    """Rules, console, Grafana dashboard and links show something of an ordinary demo, whatever it is recorded with."""
    expressions = (
        artefacts.recording_expressions()
        | artefacts.console_expressions()
        | artefacts.grafana_expressions()
        | artefacts.link_expressions()
    )
    with demo(tmp_path, "--instrument", instrument) as prometheus:

        def silent() -> list[str]:
            return [expression for expression in sorted(expressions) if not prometheus.has_data(expression)]

        prometheus.wait(lambda: not silent(), silent)
        assert {rule["name"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]} >= (
            artefacts.alerts()
        )


# What causes the situation of some alerts. Many series make OpenCensus slow, so nothing else is asked of it then; a
# flood has to pass the loop of a busy machine.
SITUATIONS = {
    ("LinesRefused", "LatencyHigh", "LinesLong"): (
        "--errors", "40%", "--service-time", "30ms", "--lengths", "uniform:min=400,max=2kB",
        "--arrivals", "constant:30",
    ),
    ("SeriesExplosion",): ("--series", "80", "--errors", "0"),
    ("TrafficFlood",): (
        "--arrivals", "constant:400", "--service-time", "1us", "--instrument", "opencensus-lean", "--lengths", "40",
    ),
    ("NoLines",): ("--arrivals", "steps:rates=50:0:50:0:50:0:50,each=20s"),
}  # fmt: skip


@pytest.mark.parametrize("names", SITUATIONS, ids=" ".join)
def test_alerts_fire_in_their_situation(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Traffic that causes the situation makes the alert fire."""
    with demo(tmp_path, *SITUATIONS[names]) as prometheus:
        prometheus.wait_for_alerts(set(names))


def test_alerts_about_the_target_fire() -> None:
    """A process that is started anew, and one that is gone, each make their alert fire."""

    def counting(lines: int) -> Any:
        instrument = create("opencensus-lean", views_for())
        for _ in range(lines):
            instrument.record(1.0, 10, Tags())
        return instrument.registry

    with serve(counting(100), "127.0.0.1", 0) as first:
        port = first.port
        _, config = derived_config(default_config(), Target("127.0.0.1", port), parse_duration_ns(SCRAPE_INTERVAL))
        with dashboard(config, Unheard()) as server:
            assert server is not None
            prometheus = Asker(server.url)
            prometheus.wait(lambda: prometheus.has_data("oc_python_demo_lines_in_total == 100"), lambda: "no lines")
            first.stop()
            with serve(counting(10), "127.0.0.1", port):
                prometheus.wait_for_alerts({"CounterReset"})
            prometheus.wait_for_alerts({"CounterReset", "TargetDown"})
