"""The ladder: what recording is made of, each step measured against the one below it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.report.experiments import VOID, cost_of, is_rung, levels_of, remark_words, verdict_words
from harness.report.numbers import NOT_KNOWN, MeasuredValue, Unit, finite, plus_minus, with_interval
from harness.report.plots.waterfall import LadderSteps, RungCost, ladder_unit, waterfall
from harness.report.tables import Column, Illustration, Note, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.measure.result import Experiment, Experiments

__all__ = ["ladder_section", "ladder_table", "ladders_of"]


def ladders_of(document: "Experiments") -> list[LadderSteps]:
    """Return the ladders among the experiments: one for each axis, each rung measured against the one below it."""
    from harness.measure.steps import RUNGS

    ladders = []
    for axis in ("wall_ns", "instructions"):
        known = {(each.base, each.head): each for each in document.experiments if each.axis == axis and is_rung(each)}
        rungs = [
            _rung(known[below.name, rung.name], rung.title)
            for below, rung in pairwise(RUNGS)
            if (below.name, rung.name) in known
        ]
        if rungs:
            lowest = known.get((RUNGS[0].name, RUNGS[1].name))
            sound = lowest is not None and lowest.verdict != "void"
            start = MeasuredValue(finite(levels_of(lowest)[0]) if lowest is not None and sound else None)
            if start.value is not None:
                rungs.insert(0, RungCost(RUNGS[0].name, RUNGS[0].title, start, start))
            ladders.append(LadderSteps(rungs, unit="ns" if axis == "wall_ns" else "instructions"))
    return ladders


def _rung(experiment: "Experiment", title: str) -> RungCost:
    verdict, remark = experiment.verdict, remark_words(experiment)
    if verdict == "void":
        return RungCost(experiment.head, title, NOT_KNOWN, NOT_KNOWN, verdict, remark=remark)
    below, total = (MeasuredValue(finite(side)) for side in levels_of(experiment))
    return RungCost(experiment.head, title, cost_of(experiment), total, verdict, below, remark)


def ladder_table(ladder: LadderSteps) -> ReportTable:
    """Return what each step adds and what the line then costs in all."""
    unit = ladder_unit(ladder)
    columns = (
        Column("Step", kind="text", narrow="step"), Column("Adds", unit.name, narrow="adds"),
        Column("In all", unit.name, narrow="in all"), Column("Verdict", kind="word", narrow=""),
    )  # fmt: skip
    most = max([abs(rung.increment.value or 0) for rung in ladder.rungs], default=0.0) or 1.0
    rows = tuple(_row(rung, unit, most) for rung in ladder.rungs)
    words = "adds: what this step costs above the one before; of twenty 95 % intervals one misses the truth by chance"
    note = Note(words, tone="quiet")
    return ReportTable(f"The ladder of {ladder.subject}, {unit.name} a line", columns, rows, (note,))


def _row(rung: RungCost, unit: Unit, most: float) -> tuple[TableCell, ...]:
    words = verdict_words(rung.verdict)
    verdict = TableCell(words, tone=rung.verdict, short=words.partition(" ")[0])
    # For a step within the noise the verdict has said so; why an experiment is void is said nowhere else.
    title = TableCell(rung.title, remarks=(rung.remark,) if rung.remark and rung.verdict not in _PLAIN else ())
    if rung.void:
        return row_of(title, VOID, "", verdict)
    adds = TableCell(plus_minus(rung.increment, unit), bar=abs(rung.increment.value or 0) / most)
    return row_of(title, adds, with_interval(rung.total, unit)[0], verdict if rung.verdict else "")


_PLAIN = frozenset({"indistinguishable", "undecided"})


def ladder_section(ladders: Sequence[LadderSteps]) -> Section | None:
    """Return the ladders, each as waterfall and table."""
    if not ladders:
        return None
    intro = (
        "What recording is made of: each rung does all that the one above it in the list does, and one thing more. A "
        "hollow bar is a step whose interval covers zero; a void one has no bar, and no sum holds it."
    )
    parts = tuple(
        Illustration(waterfall(ladder, f"waterfall-{index}"), ladder_table(ladder))
        for index, ladder in enumerate(ladders)
        if ladder.rungs
    )
    return Section("ladder", "The ladder", parts, intro)
