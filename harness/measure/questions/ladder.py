"""The ladder: the cost of each step of recording, by paired comparison of each rung with the rung below."""

from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field

from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.schedule import Progress, Terms
from harness.measure.result import Experiment, Experiments, Interval
from harness.measure.steps import RUNGS, Rung
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison

__all__ = ["Increment", "Ladder", "ladder_of", "measure_ladder", "rung_comparisons"]


class Increment(BaseModel):
    """One rung: its cost above the rung below, and the cost of a line with it; ns, null where it is void."""

    model_config = ConfigDict(frozen=True)

    rung: str
    title: str
    per_line: float | None
    increment: float | None = Field(description="added by this step; null for the lowest rung")
    increment_interval: Interval
    verdict: str = Field(description="of the pairs with the rung below; empty for the lowest rung")


class Ladder(BaseModel):
    """All rungs from the lowest up, with their document."""

    model_config = ConfigDict(frozen=True)

    series: int
    rungs: list[Increment]
    document: Experiments


def _subject(rung: Rung, series: int, interval_ms: int) -> Subject:
    return Subject(rung=rung.name, series=series, scraped=rung.scraped, interval_ms=interval_ms)


def rung_comparisons(series: int = 1, interval_ms: int = 100) -> list[Comparison]:
    """Return the comparison of each rung with the rung below."""
    subjects = [_subject(rung, series, interval_ms) for rung in RUNGS]
    return [Comparison(low, high) for low, high in pairwise(subjects)]


def ladder_of(document: Experiments, series: int = 1) -> Ladder:
    """Return the ladder from a document of `rung_comparisons`."""
    by_head: dict[str, Experiment] = {experiment.head: experiment for experiment in document.experiments}
    second = by_head[RUNGS[1].name]
    lowest = None if second.verdict == "void" else second.base_per_line
    first = Increment(
        rung=RUNGS[0].name,
        title=RUNGS[0].title,
        per_line=lowest,
        increment=None,
        increment_interval=(None, None),
        verdict="",
    )
    rungs = [first]
    for rung in RUNGS[1:]:
        experiment = by_head[rung.name]
        void = experiment.verdict == "void"
        rungs.append(
            Increment(
                rung=rung.name,
                title=rung.title,
                per_line=None if void else experiment.head_per_line,
                increment=None if void else experiment.cost_per_line,
                increment_interval=(None, None) if void else experiment.cost_interval,
                verdict=experiment.verdict,
            )
        )
    return Ladder(series=series, rungs=rungs, document=document)


def measure_ladder(
    terms: Terms,
    progress: Progress = lambda _step: None,
    *,
    series: int = 1,
    scraper: str = "auto",
    interval_ms: int = 100,
) -> Ladder:
    """Measure all rungs side by side; after Ctrl-C return the ladder of the pairs so far."""
    document = measure_overhead(rung_comparisons(series, interval_ms), terms, progress, scraper=scraper)
    return ladder_of(document, series)
