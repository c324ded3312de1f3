"""A server that answers something else than Prometheus' API documents is one clear line, over real HTTP."""

import sys
from pathlib import Path

import pytest

from benchmarks.faults.prometheus import FAKE, NONSENSE
from harness.errors import ScraperError
from harness.scrape.prometheus import server as module
from harness.scrape.prometheus.scraper import PrometheusScraper
from harness.scrape.scraper import Target

pytestmark = pytest.mark.system


def refused(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    program = tmp_path / "prometheus"
    program.write_text(f"#!{sys.executable} -IS\n{FAKE}")
    program.chmod(0o755)
    monkeypatch.setenv("PROMETHEUS_BIN", str(program))
    monkeypatch.setenv("HARNESS_FAKE", mode)
    scraper = PrometheusScraper(10**9)
    with pytest.raises(ScraperError) as raised:
        scraper.start(Target("127.0.0.1", 4711))
    assert scraper.server is None
    message = str(raised.value)
    assert message.isprintable()
    return message


@pytest.mark.parametrize("mode", NONSENSE)
def test_nonsense_is_one_line(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever form the answer has: no exception but ours, and the server is stopped."""
    assert refused(mode, tmp_path, monkeypatch).startswith("scraper prometheus: ")


def test_a_server_without_the_api_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is too old to tell its own flags is given up."""
    monkeypatch.setattr(module, "START_S", 0.5)
    assert "not ready within 0.5 s" in refused("old-api", tmp_path, monkeypatch)
