"""The columns that were asked for, one group of processes after the other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.errors import RunError
from harness.interrupts import interruptible
from harness.measure.questions.columns.figures import ColumnFigure, figure_of
from harness.measure.questions.columns.imports import ImportPlan, import_times
from harness.measure.questions.columns.names import ColumnName
from harness.measure.questions.columns.series import SeriesPlan, series_figures
from harness.measure.questions.columns.share import SharePlan, cpu_shares, share_rounds
from harness.progress import Progress, Step

__all__ = ["ColumnsPlan", "measure_columns"]


@dataclass(frozen=True, slots=True)
class ColumnsPlan:
    """What is measured of each way of recording, and with how many repeats."""

    instruments: tuple[str, ...]
    columns: tuple[ColumnName, ...]
    share: SharePlan = field(default_factory=SharePlan)
    imports: ImportPlan = field(default_factory=ImportPlan)
    series: SeriesPlan = field(default_factory=SeriesPlan)

    @classmethod
    def of(cls, instruments: Sequence[str], columns: Sequence[ColumnName], seed: int) -> "ColumnsPlan":
        """Return the usual plan for these ways of recording and columns, with `seed`."""
        return cls(
            tuple(instruments), tuple(columns), SharePlan(seed=seed), ImportPlan(seed=seed), SeriesPlan(seed=seed)
        )

    @property
    def seconds(self) -> float:
        """About how long it takes, on a machine with nothing else to do."""
        count = len(self.instruments)
        took = 0.0
        if "cpu" in self.columns:
            share = self.share
            windows = len(share.rates) * share.windows * share.window_s
            took += share.rounds * (count + 1) * (windows + 0.7)
        if "import" in self.columns:
            took += (self.imports.rounds + 1) * (count + 1) * 0.2
        if {"memory", "page"} & set(self.columns):
            pages = 1e-3 * self.series.pages * sum(self.series.series) if "page" in self.columns else 0.0
            took += self.series.rounds * count * (len(self.series.series) * 0.8 + pages)
        return took


class _Steps:
    """Progress in rounds: the share done by the number of rounds of all groups."""

    def __init__(self, plan: ColumnsPlan, progress: Progress) -> None:
        self._whole = sum(
            rounds
            for rounds, columns in (
                (plan.share.rounds, {"cpu"}), (plan.imports.rounds, {"import"}),
                (plan.series.rounds, {"memory", "page"}),
            ) if columns & set(plan.columns)
        )  # fmt: skip
        self._progress, self._done, self._began, self._what = progress, 0, time.monotonic(), ""
        self._seconds = plan.seconds

    def begin(self, what: str) -> Callable[[], None]:
        """Tell that a group begins, and return what tells that one of its rounds is done."""
        self._what = what
        self._tell()
        return self._next

    def _next(self) -> None:
        self._done += 1
        self._tell()

    def _tell(self) -> None:
        done = min(1.0, self._done / self._whole)
        left = self._seconds - (time.monotonic() - self._began)
        # Where it takes longer than planned, how much longer is not known.
        self._progress(Step(done, left if left > 0 else None, self._what))


def measure_columns(plan: ColumnsPlan, progress: Progress = lambda _step: None) -> tuple[list[ColumnFigure], bool]:
    """Return the figures of the columns in the order asked for, and whether Ctrl-C ended the measurement.

    Ctrl-C keeps the groups that were measured to their end. Memory and page are one group. What fails has a reason in
    the place of its figure, since the table before it took minutes.
    """
    steps = _Steps(plan, progress)
    figures: list[ColumnFigure] = []
    stopped = False
    try:
        with interruptible():
            if columns := {"memory", "page"} & set(plan.columns):
                named = tuple(name for name in plan.columns if name in columns)
                figures += series_figures(plan.instruments, named, plan.series, steps.begin("memory and pages"))
            if "cpu" in plan.columns:
                figures += _shares(plan, steps.begin("processor time at a rate"))
            if "import" in plan.columns:
                figures += import_times(plan.instruments, plan.imports, steps.begin("imports"))
    except KeyboardInterrupt:
        stopped = True
    return sorted(figures, key=lambda figure: plan.columns.index(figure.column)), stopped


def _shares(plan: ColumnsPlan, step: Callable[[], object]) -> list[ColumnFigure]:
    try:
        with share_rounds(plan.instruments, plan.share) as rounds:
            return cpu_shares(plan.instruments, rounds, plan.share.rates, step)
    except RunError as error:
        cells = [(name, rate) for name in plan.instruments for rate in plan.share.rates]
        return [figure_of(name, "cpu", rate, reason=str(error)) for name, rate in cells]
