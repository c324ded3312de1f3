from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.scrape.findings import Name
from harness.scrape.scraper import Scrape, ScrapeStats, Target, failures, make_scraper

SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty PATH without Prometheus."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PROMETHEUS_BIN", raising=False)
    return tmp_path


def program(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_auto_without_prometheus_takes_the_built_in_one_and_says_why() -> None:
    """The stand-in is never silent about being one."""
    scraper = make_scraper("auto", SECOND)
    assert scraper.kind == "builtin"
    assert "no prometheus on PATH" in scraper.description


def test_auto_takes_prometheus_from_path(nowhere: Path) -> None:
    """The real one is preferred wherever it is."""
    program(nowhere / "prometheus")
    scraper = make_scraper("auto", SECOND)
    assert scraper.kind == "prometheus"
    assert "found on PATH" in scraper.description


def test_auto_honours_prometheus_bin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names a program wants that one, so it is taken even where it turns out not to start."""
    monkeypatch.setenv("PROMETHEUS_BIN", "/nowhere/prometheus")
    assert make_scraper("auto", SECOND).kind == "prometheus"


def test_none_does_nothing() -> None:
    """Without a scraper every call is allowed and nothing is stored."""
    scraper = make_scraper("none", SECOND)
    scraper.start(Target("127.0.0.1", 1))
    scraper.wait_for_next()
    assert scraper.stored() is None
    assert scraper.problems() == []
    assert scraper.stats() == ScrapeStats()
    scraper.stop()


@pytest.mark.parametrize(
    ("kind", "interval_ns", "message"),
    [("promethius", SECOND, "--scraper: .*choose one of auto"), ("auto", 9_999_999, "--scrape-interval: is too short")],
)
def test_wrong_values_name_their_flag(kind: str, interval_ns: int, message: str) -> None:
    """A wrong kind or interval is one line that begins with the flag."""
    with pytest.raises(UsageError, match=f"^{message}"):
        make_scraper(kind, interval_ns)


def test_failed_scrapes_become_a_finding_with_the_reason() -> None:
    """The finding tells how many of how many failed and why the last one did."""
    (finding,) = failures(ScrapeStats((Scrape(0, 1, ok=False), Scrape(1, 1, ok=True))), "HTTP status 500")
    assert (finding.name, finding.size) == (Name.SCRAPE_FAILED, 1)
    assert finding.detail == {"scrapes": 2, "reason": "HTTP status 500"}
    assert failures(ScrapeStats((Scrape(1, 1, ok=True),)), "") == []


def test_addresses_are_written_as_urls_need_them() -> None:
    """An IPv6 address stands in brackets."""
    assert Target("::1", 80).netloc == "[::1]:80"
    assert Target("127.0.0.1", 80).netloc == "127.0.0.1:80"
