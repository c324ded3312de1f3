"""The self-test: known delays, and what was measured of them."""

from typing import TYPE_CHECKING

from harness.report.experiments import VOID, measured
from harness.report.numbers import Unit, percent, plain, plus_minus, unit_for
from harness.report.tables import Column, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.measure.questions.selftest import Recovered, SelfTest

__all__ = ["selftest_section", "selftest_table"]

_HELD = {True: "✓", False: "✗", None: ""}


def selftest_table(result: "SelfTest") -> ReportTable:
    """Return the injected delays and what was recovered of each."""
    unit = unit_for([delay.injected for delay in result.delays])
    columns = (
        Column("Injected", kind="text", narrow="injected"), Column(f"{unit.name} a line", narrow=unit.name),
        Column("Recovered", unit.name, narrow="recovered"), Column("Interval holds it", kind="word", narrow="holds it"),
        Column("Found", narrow="found"), Column("95 % interval of the share", narrow="95 %"),
        Column("Power expected", narrow="power"),
    )  # fmt: skip
    caption = f"Delays put into {result.subject} ({plain(result.subject_ns / unit.scale, 4)} {unit.name} a line)"
    return ReportTable(caption, columns, tuple(_row(delay, unit) for delay in result.delays), stacked=True)


def _row(delay: "Recovered", unit: Unit) -> tuple[TableCell, ...]:
    low, high = delay.found_interval
    value = measured(delay.recovered, delay.recovered_interval)
    return row_of(
        "absolute" if delay.share is None else percent(delay.share),
        plain(delay.injected / unit.scale, 4),
        plus_minus(value, unit) if delay.trials else VOID,
        _HELD[delay.covered],
        TableCell(
            f"{delay.found} of {delay.trials}{f', {delay.void} void' if delay.void else ''}",
            short=f"{delay.found}/{delay.trials}{f' +{delay.void} void' if delay.void else ''}",
        ),
        f"{percent(low)}–{percent(high)}" if delay.trials else "",
        percent(delay.predicted_power) if delay.trials else "",
    )


def selftest_section(result: "SelfTest | None") -> Section | None:
    """Return the self-test."""
    if result is None:
        return None
    intro = (
        "Known delays were put into every line, and measured as any other cost: found is how often the verdict was "
        "slower, power how often it should be."
    )
    return Section("self-test", "Self-test", (selftest_table(result),), intro)
