"""The comparison of two sides: ratio and difference per line on each axis, and the verdict with its reason."""

from collections.abc import Iterator

from harness.measure.compare.compare import Compared, ComparedSide
from harness.measure.resolution import document_notes
from harness.measure.result import Experiment
from harness.report.experiments import VOID, attempt_words, control_words, cost_of, levels_of, ratio_of
from harness.report.numbers import percent, plain, unit_for
from harness.report.tables import Column, Note, Part, ReportTable, Section, TableCell, figure, row_of

__all__ = ["compared_section"]

_AXES = {"wall_ns": "wall time", "instructions": "instructions", "allocated_bytes": "bytes allocated"}
_MOST_LIBRARIES = 12
_COLUMNS = (
    Column("per line", kind="word"), Column("BASE"), Column("HEAD"), Column("difference"), Column("ratio"),
    Column("smallest effect"), Column("pairs"), Column("verdict", kind="word"),
)  # fmt: skip


def compared_section(compared: Compared) -> Section:
    """Return both sides, a row for each axis, and the verdict with its reason."""
    experiments = [document.experiments[0] for document in compared.documents]
    rows = tuple(
        row_of(*_row(experiment), TableCell(judged.outcome, tone=judged.outcome))
        for experiment, judged in zip(experiments, compared.judged, strict=True)
    )
    notes = [note for document in compared.documents[:1] for note in document_notes(document)]
    parts: list[Part] = [
        *map(_side, (compared.base, compared.head)), *_libraries(compared), *map(Note, notes),
        ReportTable("", _COLUMNS, rows), Note(""),
        *(Note(f"{_AXES[judged.axis]}: {judged.reason}") for judged in compared.judged),
        *(Note(_control(experiment), tone="quiet") for experiment in experiments),
    ]  # fmt: skip
    if compared.interrupted:
        parts.append(Note("interrupted: the figures rest on the pairs measured until then"))
    parts.append(Note(f"verdict: {compared.outcome}", tone=compared.outcome))
    return Section("compare", "Comparison", tuple(parts))


def _side(side: ComparedSide) -> Note:
    commit = f" = {side.commit[:12]}" if side.commit else ""
    return Note(f"{side.role}  {side.given}{commit} ({side.kind}; {side.drives}, {side.python})")


def _libraries(compared: Compared) -> Iterator[Note]:
    differing = [f"{name} {old} → {new}" for name, (old, new) in compared.differing.items()]
    more = f" and {len(differing) - _MOST_LIBRARIES} more" if len(differing) > _MOST_LIBRARIES else ""
    if differing:
        yield Note(f"libraries that differ: {', '.join(differing[:_MOST_LIBRARIES])}{more}")


def _row(experiment: Experiment) -> tuple[TableCell, ...]:
    name, pairs = _AXES[experiment.axis], str(experiment.pairs)
    if experiment.verdict == "void":
        return row_of(name, *[VOID] * 4, "", pairs)
    sides = levels_of(experiment)
    unit = unit_for(sides, experiment.axis)
    return row_of(
        f"{name}{f', {unit.name}' if unit.name else ''}",
        *(plain(None if side is None else side / unit.scale) for side in sides),
        *(TableCell(cell.text) for cell in (figure(cost_of(experiment), unit), figure(ratio_of(experiment)))),
        percent(experiment.minimal_detectable_effect),
        pairs,
    )


def _control(experiment: Experiment) -> str:
    """Return what the control says, in a line; for what is counted, how far the counts repeat."""
    if experiment.axis != "wall_ns":
        return f"{_AXES[experiment.axis]}: counts of one side: {control_words(experiment)}"
    null, again = experiment.null, attempt_words(experiment)
    words = f"{control_words(experiment)} at {percent(null.confidence)}, {null.pairs} pairs"
    return f"control (identical code): {words}{f'; {again}' if again else ''}"
