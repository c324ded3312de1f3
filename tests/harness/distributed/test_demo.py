"""The demo by several workers is one demo: one load, one Prometheus, one end."""

import json
from typing import Any

import httpx
import pytest

from harness.distributed.demo import run_spec_of, show_together
from harness.errors import ScraperError, UsageError
from harness.load.pump import Snapshot
from harness.run import demo
from harness.run.demo import DemoSpec

pytestmark = pytest.mark.system

SHORT = DemoSpec(arrivals="constant:rate=100", count=60, service_time="1ms", port=0, instrument="prometheus-client")


class Hearing:
    """Keeps what a demo says."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.last: Snapshot | None = None

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        self.last = progress


def test_the_load_is_shared_and_prometheus_is_told_of_every_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each serves a page of its own, found through a file with the labels `run` and `worker`; it goes on without."""
    asked: dict[str, Any] = {}

    class Missing:
        def __init__(self, config: str, port: int, files: dict[str, str]) -> None:
            asked.update(config=json.loads(config), files=files)

        def start(self) -> None:
            raise ScraperError("it is not here")

    monkeypatch.setattr(demo, "PrometheusServer", Missing)
    hearing = Hearing()
    driven = show_together(SHORT, run_spec_of(SHORT, "2"), hearing)
    assert (driven.ledger.offered, driven.ledger.processed + driven.ledger.failed) == (60, 60)
    # The simulated service takes a millisecond for half of the lines, which a bare write never does.
    assert (driven.timings.service.percentile(50) or 0) > 500_000
    (job,) = asked["config"]["scrape_configs"]
    ((name,),) = (each["files"] for each in job["file_sd_configs"])
    assert set(asked["files"]) == {name, "rules.yaml", "consoles/index.html"}
    groups = json.loads(asked["files"][name])
    assert [group["labels"] for group in groups] == [{"run": "demo", "worker": str(k)} for k in range(2)]
    served = [line.rsplit(" ", 1)[1] for line in hearing.said if line.startswith("worker")]
    assert [f"http://{group['targets'][0]}/metrics" for group in groups] == served
    assert any("apt-get install prometheus" in line for line in hearing.said)


@pytest.mark.prometheus
@pytest.mark.slow
def test_the_real_prometheus_finds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the demo runs its targets are the workers; afterwards the server is gone."""
    started: list[demo.PrometheusServer] = []
    found: set[str] = set()

    class Watched(demo.PrometheusServer):
        def start(self) -> "Watched":
            started.append(super().start())
            return self

    class Looking(Hearing):
        def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
            targets = httpx.get(f"{started[0].url}/api/v1/targets", trust_env=False).json()["data"]["activeTargets"]
            found.update(target["labels"]["worker"] for target in targets)

    monkeypatch.setattr(demo, "PrometheusServer", Watched)
    spec = DemoSpec(arrivals="constant:rate=10", count=150, service_time="1ms", port=0)
    hearing = Looking()
    show_together(spec, run_spec_of(spec, "2"), hearing)
    assert found == {"0", "1"}
    assert started[0].folder is None
    assert any("latency distribution" in line for line in hearing.said)


def test_a_wrong_number_of_workers_names_the_field() -> None:
    """The command line puts its flag there."""
    with pytest.raises(UsageError, match="is not a count") as caught:
        run_spec_of(SHORT, "many")
    assert caught.value.field == "workers"
