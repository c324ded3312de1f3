"""The machine and the versions behind each result, and the documents that the figures come from."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.report.numbers import plain
from harness.report.tables import Column, Details, Facts, Part, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.host.environment import Environment
    from harness.report.collect import SourceSummary

__all__ = ["environment_section", "environment_words"]


def environment_words(place: "Environment") -> str:
    """Return the machine and the versions in one sentence."""
    libraries = ", ".join(f"{name} {version}" for name, version in place.libraries.items())
    gib = plain(place.memory_bytes / 2**30, 2)
    machine = f"{place.cpu}, {place.cpu_count} CPUs, {gib} GiB, {place.kernel}, {place.python}"
    return f"Measured on {machine}; {libraries}."


def environment_section(
    places: "Iterable[tuple[str, Environment]]", sources: "Sequence[SourceSummary]" = ()
) -> Section | None:
    """Return the machine of each name, once for those that are alike, and where each result comes from."""
    alike: dict[str, tuple[Environment, dict[str, None]]] = {}
    for name, place in places:
        alike.setdefault(repr(place), (place, {}))[1][name] = None
    if not alike:
        return None
    parts = [part for place, names in alike.values() for part in _parts(place, list(names))]
    if sources:
        parts.append(_sources(sources))
    return Section("environment", "Environment", tuple(parts))


def _parts(place: "Environment", names: Sequence[str]) -> Iterator[Part]:
    rows = (
        ("Of", ", ".join(names)),
        ("Processor", f"{place.cpu}, {place.cpu_count} usable"),
        ("Memory", f"{plain(place.memory_bytes / 2**30)} GiB"),
        ("System", f"{place.kernel}, {place.machine}"),
        ("Python", f"{place.python} ({place.python_build})"),
        ("Hash seed", place.hash_seed),
    )
    yield Facts(tuple((name, TableCell(value)) for name, value in rows))
    columns = (Column("Library", kind="text"), Column("Version", kind="text"))
    versions = tuple(row_of(name, version) for name, version in place.libraries.items())
    table = ReportTable("Library versions", columns, versions, quiet=True)
    yield Details("Library versions", (table,), opened=True)


def _sources(sources: "Sequence[SourceSummary]") -> ReportTable:
    columns = tuple(Column(heading, kind="text") for heading in ("Shown", "Measured", "Label", "Document"))
    rows = tuple(row_of(each.what, each.created, each.label, TableCell(each.where, code=True)) for each in sources)
    return ReportTable("Where the figures come from", columns, rows, stacked=True)
