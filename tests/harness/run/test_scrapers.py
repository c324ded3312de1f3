"""The scrapers of several workers start at the same time."""

import threading
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import ScraperError
from harness.run import execute
from harness.run.spec import RunSpec
from harness.run.workers import WorkerInfo
from harness.scrape.scraper import NoScraper, Target
from harness.views import QUICKSTART_VIEWS

PATIENCE_S = 60.0


class Waiting(NoScraper):
    """Starts only when all of them do; the first one of `kind` prometheus starts the server, alone."""

    def __init__(self, kind: str, alone: bool, together: threading.Barrier) -> None:
        self.kind = kind
        self.alone, self.together = alone, together
        self.targets: list[Target] = []
        self.stopped = 0

    def start(self, target: Target) -> None:
        self.targets.append(target)
        if not self.alone:
            self.together.wait(PATIENCE_S)

    def stop(self) -> None:
        self.stopped += 1


class Phases:
    def phase(self, text: str) -> None:
        self.text = text


@pytest.mark.parametrize("kind", ["builtin", "prometheus"])
def test_nobody_waits_for_the_first_scrape_of_another(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """But for the server that all share, which has to be there first; all are stopped in the end."""
    first_alone = kind == "prometheus"
    together = threading.Barrier(4 if first_alone else 5)
    scrapers = [Waiting(kind, first_alone and not number, together) for number in range(5)]
    monkeypatch.setattr(execute, "make_scrapers", lambda *_: scrapers)
    infos = [WorkerInfo(number, "", 0, Target("127.0.0.1", 9_000 + number)) for number in range(5)]
    workers: Any = SimpleNamespace(infos=infos, served=[SimpleNamespace(url="the first")])
    phases: Any = Phases()
    with ExitStack() as stack:
        assert execute._scrapers(RunSpec(), QUICKSTART_VIEWS, workers, phases, stack) == scrapers
    assert [scraper.targets for scraper in scrapers] == [[info.target] for info in infos]
    assert [scraper.stopped for scraper in scrapers] == [1] * 5
    assert phases.text == "waiting for the first scrape of the first and 4 more"


def test_one_that_does_not_start_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its reason; the others are stopped."""

    class Failing(Waiting):
        def start(self, target: Target) -> None:
            raise ScraperError("no scrape succeeded")

    scrapers = [Waiting("builtin", True, threading.Barrier(1)), Failing("builtin", True, threading.Barrier(1))]
    monkeypatch.setattr(execute, "make_scrapers", lambda *_: scrapers)
    infos = [WorkerInfo(number, "", 0, Target("127.0.0.1", 9_000 + number)) for number in range(2)]
    workers: Any = SimpleNamespace(infos=infos, served=[SimpleNamespace(url="the first")])
    phases: Any = Phases()
    with pytest.raises(ScraperError, match="no scrape succeeded"), ExitStack() as stack:
        execute._scrapers(RunSpec(), QUICKSTART_VIEWS, workers, phases, stack)
    assert [scraper.stopped for scraper in scrapers] == [1, 1]
