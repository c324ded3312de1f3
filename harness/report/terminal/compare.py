"""The outcome of `harness compare` for a person at a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.measure.compare.compare import Compared, ComparedSide
from harness.measure.resolution import document_notes
from harness.measure.result import Experiment
from harness.report.numbers import MeasuredValue, percent, plain, unit_for, with_interval
from harness.report.overhead import VOID, attempt_words, control_words

__all__ = ["compared_summary"]

_STYLES = {"pass": "bold green", "improved": "bold green", "undecided": "bold yellow", "regressed": "bold red"}
_AXES = {"wall_ns": "wall time", "instructions": "instructions", "allocated_bytes": "bytes allocated"}
_MOST_LIBRARIES = 12


def compared_summary(compared: Compared) -> RenderableType:
    """Return both sides, a row for each axis with ratio and difference per line, and the verdict with its reason."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("per line", "BASE", "HEAD", "difference", "ratio", "smallest effect", "pairs", "verdict"):
        table.add_column(heading, justify="left" if heading in {"per line", "verdict"} else "right")
    experiments = [document.experiments[0] for document in compared.documents]
    for experiment, judged in zip(experiments, compared.judged, strict=True):
        table.add_row(*_row(experiment), Text(judged.outcome, style=_STYLES[judged.outcome]))
    return Group(
        _told(compared.base),
        _told(compared.head),
        *_libraries(compared),
        *(Text(note) for document in compared.documents[:1] for note in document_notes(document)),
        Text(),
        table,
        Text(),
        *(Text(f"{_AXES[each.axis]}: {each.reason}") for each in compared.judged),
        *(Text(line, style="dim") for line in map(_control, experiments)),
        *([Text("interrupted: the figures rest on the pairs measured until then")] if compared.interrupted else []),
        Text.assemble("verdict: ", (compared.outcome, _STYLES[compared.outcome])),
    )


def _told(side: ComparedSide) -> Text:
    commit = f" = {side.commit[:12]}" if side.commit else ""
    # What was given comes from outside: nothing in it is to be taken for markup.
    return Text(f"{side.role}  {side.given}{commit} ({side.kind}; {side.drives}, {side.python})")


def _libraries(compared: Compared) -> Iterator[Text]:
    found = [f"{name} {old} → {new}" for name, (old, new) in compared.differing.items()]
    more = f" and {len(found) - _MOST_LIBRARIES} more" if len(found) > _MOST_LIBRARIES else ""
    if found:
        yield Text(f"libraries that differ: {', '.join(found[:_MOST_LIBRARIES])}{more}")


def _row(experiment: Experiment) -> tuple[Text, ...]:
    name = _AXES[experiment.axis]
    if experiment.verdict == "void":
        return tuple(Text(cell) for cell in (name, *[VOID] * 4, "", str(experiment.pairs)))
    unit = unit_for([experiment.base_per_line, experiment.head_per_line], experiment.axis)
    cells = (
        f"{name}{f', {unit.name}' if unit.name else ''}",
        plain(None if experiment.base_per_line is None else experiment.base_per_line / unit.scale),
        plain(None if experiment.head_per_line is None else experiment.head_per_line / unit.scale),
        _with(with_interval(MeasuredValue(experiment.cost_per_line, *experiment.cost_interval), unit)),
        _with(with_interval(MeasuredValue(experiment.ratio, *experiment.ratio_interval))),
        percent(experiment.minimal_detectable_effect),
        str(experiment.pairs),
    )
    return tuple(Text(cell) for cell in cells)


def _control(experiment: Experiment) -> str:
    """Return what the control said, in a line; for what is counted, how far the counts repeat."""
    if experiment.axis != "wall_ns":
        return f"{_AXES[experiment.axis]}: counts of one side: {control_words(experiment)}"
    null, again = experiment.null, attempt_words(experiment)
    said = f"{control_words(experiment)} at {percent(null.confidence)}, {null.pairs} pairs"
    return f"control (identical code): {said}{f'; {again}' if again else ''}"


def _with(parts: tuple[str, str]) -> str:
    value, interval = parts
    return f"{value} ({interval})" if interval else value
