"""What was observed of a run from outside, as values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.audit.audit import Audit, audit
from harness.audit.findings import Finding
from harness.audit.forks import KILLED
from harness.exposition.page import Page, Shown
from harness.incidents.lives import Lives
from harness.run.observation.pushes import push_findings
from harness.run.shard import ShardRecord
from harness.scrape.scraper import ScrapeStats
from harness.scrape.windows import Window
from harness.views import View

__all__ = ["Seen", "compare"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was exposed: the page after the last line, what the scraper stored of it, and the windows of the scrapes.

    `page` and `stored` are None where they could not be read; `problems` has the reason, among the problems of single
    scrapes. `scrapes_compared` is the number of scrapes that were compared with the ledger, `elapsed_s` the duration of
    all of it. Once the page is compared, `audited` has the outcome and `compared` the names of what it was about, and
    page and store need not be kept.
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
    audited: Audit | None = None
    compared: tuple[str, ...] = ()


def compare(seen: Seen, shard: ShardRecord, views: Sequence[View]) -> Seen:
    """Return what was seen with the outcome of its comparison with the ledger, without page and store.

    A page in memory is many times its text: of many workers no more are kept than are being looked at.
    """
    if seen.audited is not None:
        return seen
    ledger = shard.driven.ledger
    audited = audit(
        shard.expected,
        views,
        seen.page,
        seen.stored,
        raised=sum(number for name, number in ledger.raised.items() if name != KILLED),
        others=[*seen.problems, *push_findings(shard), *(shard.log.findings if isinstance(shard.log, Lives) else ())],
        forked=shard.forked,
    )
    looked_at = {"page" if shard.pushed is None else "sink": seen.page, seen.scraper: seen.stored}
    names = tuple(name for name, value in looked_at.items() if value is not None)
    return replace(seen, page=None, stored=None, audited=audited, compared=names)
