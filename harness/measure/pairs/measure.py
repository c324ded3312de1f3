"""The measurement of a list of comparisons, with its launcher and scraper set up and ended."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from harness.errors import UsageError
from harness.host.environment import environment
from harness.measure.inputs import lines_for
from harness.measure.pairs.launcher import Launcher
from harness.measure.pairs.schedule import Terms, run_experiments
from harness.measure.pairs.side import Lines
from harness.measure.pairs.slots import SlotScraper
from harness.measure.result import Experiments
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison
from harness.progress import Progress

__all__ = ["comparisons_for", "measure_overhead", "target_comparison"]


def comparisons_for(
    instruments: Sequence[str], series: Sequence[int] = (1,), base: str = "none", common: Subject | None = None
) -> list[Comparison]:
    """Return each instrument against `base` at each number of series, under the conditions of `common`.

    `base` among the instruments is compared with itself. Raise `UsageError` for an empty list.
    """
    if not instruments or not series:
        raise UsageError(
            "there is nothing to compare: at least one value is needed", field="series" if instruments else "instrument"
        )
    shared = common or Subject()
    return [
        Comparison(replace(shared, instrument=base, series=count), replace(shared, instrument=name, series=count))
        for count in series
        for name in instruments
    ]


def target_comparison(target: str, bare: str = "", common: Subject | None = None) -> Comparison:
    """Return the comparison of the user's function `target` with itself, recording calls muted, or with `bare`."""
    shared = replace(common or Subject(), target=target, bare=bare)
    return Comparison(replace(shared, instrument="none"), replace(shared, instrument="own"))


def measure_overhead(
    comparisons: Sequence[Comparison],
    terms: Terms,
    progress: Progress = lambda _step: None,
    *,
    scraper: str = "auto",
    lines: Callable[[int], Lines] = lines_for,
) -> Experiments:
    """Measure the comparisons side by side in pairs of processes; return the document, `interrupted` after Ctrl-C.

    Scraped subjects are scraped by `scraper`. Raise `UsageError` where their scrape intervals differ, and any error
    from building the subjects.
    """
    intervals = {side.interval_ms for pair in comparisons for side in (pair.base, pair.head) if side.scraped}
    if len(intervals) > 1:
        raise UsageError("what is compared in one go has to be scraped at one interval")
    # Read (and cached) while this process may still use every core.
    environment()
    with ExitStack() as stack:
        # Entered before the scraper starts: it keeps this process and its children off the measured core.
        launch = Launcher(terms.plan, terms.seed, lines=lines, lumpy=terms.lumpy)
        stack.enter_context(launch)
        slots = None
        if intervals:
            launch.scraping = slots = stack.enter_context(SlotScraper(scraper, intervals.pop()))
        document = launch.provenance.applied(run_experiments(comparisons, terms, launch, progress))
        return document if slots is None else document.model_copy(update={"scraper": slots.description})
