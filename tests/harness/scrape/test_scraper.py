from pathlib import Path

import pytest

from harness.audit.findings import Name, Severity, sentence
from harness.errors import UsageError
from harness.scrape.choose import make_scraper
from harness.scrape.scraper import Scrape, ScrapeStats, Target, failures, slowness

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
    scraper.allow(SECOND)
    scraper.wait_for_next()
    assert scraper.stored() is None
    assert list(scraper.pages()) == []
    assert scraper.problems() == []
    assert scraper.stats() == ScrapeStats()
    scraper.stop()


@pytest.mark.parametrize(
    ("kind", "interval_ns", "field", "message"),
    [
        ("promethius", SECOND, "scraper", "there is no 'promethius'; choose one of auto"),
        ("auto", 9_999_999, "scrape_interval", "is too short"),
    ],
)
def test_wrong_values_name_their_field(kind: str, interval_ns: int, field: str, message: str) -> None:
    """A wrong kind or interval is one line about the parameter."""
    with pytest.raises(UsageError, match=f"^{message}") as raised:
        make_scraper(kind, interval_ns)
    assert raised.value.field == field


def scrapes(good: int, failed: int = 0, timed_out: int = 0) -> ScrapeStats:
    return ScrapeStats(
        (
            *[Scrape(0, 1, ok=True)] * good,
            *[Scrape(0, 1, ok=False)] * failed,
            *[Scrape(0, 1, ok=False, timed_out=True)] * timed_out,
        )
    )


@pytest.mark.parametrize(
    ("what", "stats", "found"),
    [
        ("none failed", scrapes(10), None),
        ("one of two", scrapes(1, 1), Name.SCRAPE_FAILED),
        ("one of a hundred", scrapes(99, 1), Name.SCRAPE_FAILED),
        ("two of a hundred", scrapes(98, 2), Name.TOO_MANY_SCRAPES_FAILED),
        ("two of two hundred, which is not more than 1 %", scrapes(198, 2), Name.SCRAPE_FAILED),
        ("three of two hundred", scrapes(197, 3), Name.TOO_MANY_SCRAPES_FAILED),
        ("all", scrapes(0, 5), Name.TOO_MANY_SCRAPES_FAILED),
        ("all timed out, which is told otherwise", scrapes(1, 0, 9), None),
        ("one failed and nine timed out", scrapes(1, 1, 9), Name.SCRAPE_FAILED),
    ],
)
def test_more_than_one_failed_scrape_in_a_hundred_is_an_error(
    what: str, stats: ScrapeStats, found: Name | None
) -> None:
    """A single failure is a warning; more than 1 %, and at least two, is an error with its reason."""
    findings = failures(stats, "HTTP status 500")
    assert [finding.name for finding in findings] == ([] if found is None else [found]), what
    for finding in findings:
        assert finding.size == stats.failed - stats.timed_out
        assert finding.detail == {"scrapes": stats.count, "reason": "HTTP status 500"}
        assert finding.severity is (Severity.WARNING if found is Name.SCRAPE_FAILED else Severity.ERROR)


@pytest.mark.parametrize(
    ("what", "stats", "page_s", "found"),
    [
        ("a quick page", scrapes(10), 0.1, None),
        ("a page as long as the interval", scrapes(10), 1.0, None),
        ("a page that takes longer, before any scrape could show it", scrapes(1), 3.9, 0),
        ("scrapes that timed out", scrapes(1, 0, 7), 3.9, 7),
        ("scrapes that failed otherwise", scrapes(1, 7), 0.1, None),
    ],
)
def test_a_page_slower_than_the_interval_is_a_finding_of_its_own(
    what: str, stats: ScrapeStats, page_s: float, found: int | None
) -> None:
    """It says what a page takes and which interval cannot hold, and is no error."""
    findings = slowness(stats, page_s, 1.0)
    assert [finding.size for finding in findings] == ([] if found is None else [found]), what
    for finding in findings:
        assert (finding.name, finding.severity) == (Name.SCRAPE_SLOW, Severity.WARNING)
        assert sentence(finding).startswith("a page takes 3.9 s: the interval of 1 s cannot hold; ")


def test_addresses_are_written_as_urls_need_them() -> None:
    """An IPv6 address stands in brackets."""
    assert Target("::1", 80).netloc == "[::1]:80"
    assert Target("127.0.0.1", 80).netloc == "127.0.0.1:80"
