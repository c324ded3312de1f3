"""Memory of each series, and the time that making a page takes, by number of series, of the same fresh processes."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from harness.errors import RunError
from harness.instruments.catalog import pushes
from harness.measure.counts.memory import Footprint, FootprintMeasurer, measure_footprint
from harness.measure.pairs.side import apart, cores
from harness.measure.questions.columns.figures import ColumnFigure, Repeats, figure_of
from harness.measure.questions.columns.names import ColumnName
from harness.measure.subject import Subject

__all__ = ["SERIES", "SeriesPlan", "series_figures"]

SERIES = (100, 1_000)


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """The plan: `rounds` of a fresh process for each way of recording and number of series; at most `pages` in each.

    Memory is read at the largest number: the fewer series there are, the more of them fit into room that is there.
    """

    series: tuple[int, ...] = SERIES
    rounds: int = 5
    pages: int = 3
    seed: int = 1


def series_figures(
    instruments: Sequence[str],
    columns: Collection[ColumnName],
    plan: SeriesPlan,
    step: Callable[[], object],
    measure: FootprintMeasurer = measure_footprint,
) -> list[ColumnFigure]:
    """Return memory and page times, as far as they are among `columns`; `step` is called after each round.

    What an instrument pushes has no page. A process that fails is a repeat that does not count.
    """
    at_memory = max(plan.series)
    memory = [(name, at_memory) for name in instruments] if "memory" in columns else []
    paged = [name for name in instruments if not pushes(name)] if "page" in columns else []
    pages = [(name, count) for name in paged for count in plan.series]
    repeats = {key: (Repeats(), Repeats()) for key in dict.fromkeys([*memory, *pages])}
    rng = random.Random(plan.seed)  # noqa: S311 - orders, nothing secret
    with apart(cores()):
        for _ in range(plan.rounds if repeats else 0):
            for name, count in rng.sample(list(repeats), len(repeats)):
                subject = Subject(instrument=name, series=count)
                of_memory, of_page = repeats[name, count]
                try:
                    made = measure(subject, pages=plan.pages if name in paged else 0, core=cores().measured)
                except RunError as error:
                    of_memory.add(None, str(error))
                    of_page.add(None, str(error))
                else:
                    of_memory.add(made.series_bytes / count, made.void)
                    of_page.add(made.page_time_ns, _void_page(made))
            step()
    figures = [figure_of(name, "memory", count, repeats[name, count][0]) for name, count in memory]
    for name in instruments if "page" in columns else ():
        for count in plan.series:
            if name in paged:
                figures.append(figure_of(name, "page", count, repeats[name, count][1]))
            else:
                figures.append(figure_of(name, "page", count, reason="it pushes, so that nobody asks for a page"))
    return figures


def _void_page(made: Footprint) -> str:
    """Return why the page of a process does not count: it lost lines, or shows fewer series than there are."""
    if made.void or not made.page_ns or made.shown_series == made.series:
        return made.void
    return f"its page shows {made.shown_series} of {made.series} series"
