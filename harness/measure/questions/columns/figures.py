"""The stored figures of the columns on request, and the reduction of repeats to a figure."""

import math

from pydantic import BaseModel, ConfigDict, Field

from harness.measure.questions.columns.names import ColumnName
from harness.measure.result import Interval, interval_of, number_or_none
from harness.measure.stats import t_interval

__all__ = ["ColumnFigure", "Repeats", "figure_of"]

_UNITS: dict[ColumnName, str] = {"memory": "bytes per series", "cpu": "cores", "import": "ns", "page": "ns"}
# As of pairs: where more of the repeats than this are void, what remains is no sample of them.
_MOST_VOID = 0.25


class ColumnFigure(BaseModel):
    """One cell of a column on request: a mean over repeats in fresh processes, with Student's interval."""

    model_config = ConfigDict(frozen=True)

    instrument: str
    column: ColumnName
    at: int | None = Field(None, description="series (memory, page) or lines/s (cpu); null for import")
    unit: str = Field(description="bytes per series; cores (1 is a whole one); ns")
    value: float | None = Field(None, description="null where there is none, for the `reason`")
    interval: Interval = (None, None)
    values: list[float] = Field(default_factory=list, description="one for each repeat that counts")
    void: int = Field(0, description="repeats that do not count")
    reason: str = Field("", description="why there is no value; empty where there is one")


class Repeats:
    """The repeats of one figure, as they are measured."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.void: list[str] = []

    def add(self, value: float | None, void: str = "") -> None:
        """Add the value of a repeat, or why it does not count."""
        if void or value is None or not math.isfinite(value):
            self.void.append(void or "it has no figure")
        else:
            self.values.append(value)


def figure_of(
    instrument: str, column: ColumnName, at: int | None, repeats: Repeats | None = None, reason: str = ""
) -> ColumnFigure:
    """Return the figure of repeats; without a value, for a reason, where there are too few of them that count."""
    made = repeats or Repeats()
    whole = len(made.values) + len(made.void)
    if not reason and made.void and len(made.void) > _MOST_VOID * whole:
        reason = f"void: {len(made.void)} of {whole} processes do not count ({made.void[0]})"
    elif not reason and not made.values:
        reason = "nothing was measured"
    common = {"instrument": instrument, "column": column, "at": at, "unit": _UNITS[column]}
    if reason:
        return ColumnFigure(**common, values=made.values, void=len(made.void), reason=reason)
    estimate = t_interval(made.values)
    return ColumnFigure(
        **common, value=number_or_none(estimate.value), interval=interval_of(estimate), values=made.values,
        void=len(made.void),
    )  # fmt: skip
