"""The ladder: the cost of each step of recording, by paired comparison of each rung with the rung below."""

from itertools import pairwise

from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.schedule import Terms
from harness.measure.result import Experiments
from harness.measure.steps import RUNGS, Rung
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison
from harness.progress import Progress

__all__ = ["measure_ladder", "rung_comparisons"]


def _subject(rung: Rung, series: int, interval_ms: int) -> Subject:
    return Subject(rung=rung.name, series=series, scraped=rung.scraped, interval_ms=interval_ms)


def rung_comparisons(series: int = 1, interval_ms: int = 100) -> list[Comparison]:
    """Return the comparison of each rung with the rung below."""
    subjects = [_subject(rung, series, interval_ms) for rung in RUNGS]
    return [Comparison(low, high) for low, high in pairwise(subjects)]


def measure_ladder(
    terms: Terms,
    progress: Progress = lambda _step: None,
    *,
    series: int = 1,
    scraper: str = "auto",
    interval_ms: int = 100,
) -> Experiments:
    """Measure all rungs side by side; Ctrl-C gives the pairs so far."""
    return measure_overhead(rung_comparisons(series, interval_ms), terms, progress, scraper=scraper)
