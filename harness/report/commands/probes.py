"""The defects looked for: present, absent or not seen in each way of recording, with the evidence."""

from collections.abc import Mapping, Sequence

from harness.probe.catalog import Probe, ProbeResult
from harness.report.tables import Column, Note, ReportTable, Section, TableCell, row_of

__all__ = ["probes_section"]

_STATES = {
    "present": TableCell("✗ present", tone="regressed"),
    "absent": TableCell("✓ absent", tone="valid"),
    "not seen": TableCell("○ not seen", tone="valid"),
    "unknown": TableCell("? unknown", tone="undecided"),
}


def probes_section(
    probes: Sequence[Probe],
    results: Sequence[ProbeResult],
    instruments: Sequence[str],
    environment: Mapping[str, str | None],
) -> Section:
    """Return each probe with its results side by side, and the versions it was looked for in."""
    by_key = {(result.probe, result.instrument): result for result in results}
    columns = (Column("defect", kind="text"), *(Column(name, kind="text") for name in instruments))
    rows = tuple(
        row_of(
            TableCell(probe.name, remarks=(probe.defect,)), *(_cell(by_key[probe.name, name]) for name in instruments)
        )
        for probe in probes
    )
    versions = ", ".join(f"{name} {version or 'absent'}" for name, version in environment.items())
    counts = Note("; ".join(_count(name, results) for name in instruments))
    table = ReportTable("", columns, rows, remarks_in_cells=True)
    return Section("probes", "Defects", (table, counts, Note(f"Found in {versions}.", tone="quiet")))


def _cell(result: ProbeResult) -> TableCell:
    state = _STATES[result.state]
    return TableCell(state.value, tone=state.tone, remarks=(result.evidence,))


def _count(name: str, results: Sequence[ProbeResult]) -> str:
    states = [result.state for result in results if result.instrument == name]
    unknown = states.count("unknown")
    missing = f", {unknown} could not be looked for" if unknown else ""
    races = states.count("not seen")
    missed = f", {races} race{'s' if races > 1 else ''} not seen" if races else ""
    return f"{name}: {states.count('present')} of {len(states)} present{missed}{missing}"
