"""What was observed of a run from outside, as values."""

from dataclasses import dataclass

from harness.audit.findings import Finding
from harness.exposition.page import Page, Shown
from harness.scrape.scraper import ScrapeStats
from harness.scrape.windows import Window

__all__ = ["Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was exposed: the page after the last line, what the scraper stored of it, and the windows of the scrapes.

    `page` and `stored` are None where they could not be read; `problems` has the reason, among the problems of single
    scrapes. `scrapes_compared` is the number of scrapes that were compared with the ledger, `elapsed_s` the duration of
    all of it.
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
