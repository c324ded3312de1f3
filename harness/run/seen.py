"""What was seen of a run from outside, as values."""

from dataclasses import dataclass

from harness.audit.findings import Finding
from harness.exposition.page import Page, Shown
from harness.scrape.scraper import ScrapeStats
from harness.scrape.windows import Window

__all__ = ["Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was exposed: the page after the last line, what the scraper stored of it, and each scrape being served.

    `page` and `stored` are None where they could not be had; `problems` says why, among what was wrong with single
    scrapes. `scrapes_compared` is the number of scrapes that were held against the ledger, `elapsed_s` what all of it
    took.
    """

    page: Page | None
    stored: Shown | None
    problems: list[Finding]
    windows: list[Window]
    rest_durations_ns: list[int]
    scraper: str
    stats: ScrapeStats
    interrupted: bool
    scrapes_compared: int = 0
    elapsed_s: float = 0.0
