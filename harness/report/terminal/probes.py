"""The table of defects: present, absent or not seen in each way of recording, with the evidence."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.probe.catalog import Probe, ProbeResult
from harness.report.markup import clean

__all__ = ["probe_view"]

_SIGNS = {
    "present": ("✗ present", "red"),
    "absent": ("✓ absent", "green"),
    "not seen": ("○ not seen", "green"),
    "unknown": ("? unknown", "yellow"),
}


def probe_view(
    probes: Sequence[Probe],
    outcomes: Sequence[ProbeResult],
    instruments: Sequence[str],
    environment: Mapping[str, str | None],
) -> RenderableType:
    """Return each probe with its outcomes side by side, the evidence below, and the versions it was found in."""
    by_key = {(each.probe, each.instrument): each for each in outcomes}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("defect", overflow="fold", ratio=1)
    for name in instruments:
        table.add_column(name, overflow="fold", ratio=1)
    for probe in probes:
        cells = [_cell(by_key[probe.name, name]) for name in instruments]
        table.add_row(Text.assemble((probe.name, "bold"), "\n", clean(probe.defect)), *cells)
        table.add_row()
    counts = [_count(name, outcomes) for name in instruments]
    versions = ", ".join(f"{name} {version or 'absent'}" for name, version in environment.items())
    return Group(table, Text("; ".join(counts)), Text(f"Found in {versions}.", style="dim"))


def _cell(outcome: ProbeResult) -> Text:
    sign, style = _SIGNS[outcome.state]
    return Text.assemble((sign, style), "\n", clean(outcome.evidence))


def _count(name: str, outcomes: Sequence[ProbeResult]) -> str:
    states = [each.state for each in outcomes if each.instrument == name]
    unknown = states.count("unknown")
    said = f", {unknown} could not be looked for" if unknown else ""
    races = states.count("not seen")
    missed = f", {races} race{'s' if races > 1 else ''} not seen" if races else ""
    return f"{name}: {states.count('present')} of {len(states)} present{missed}{said}"
