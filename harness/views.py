"""The quickstart's measures, tags, views and bounds as plain data, shared by every instrument and by the ledger."""

from dataclasses import dataclass, replace
from enum import Enum

from workloads.tags import ERROR, OK, Tags

__all__ = [
    "ERROR",
    "ERRORS",
    "FINE_LATENCY_BOUNDS_MS",
    "LATENCY",
    "LATENCY_BOUNDS_MS",
    "LATENCY_MS",
    "LENGTH_BOUNDS_BYTES",
    "LINES_IN",
    "LINE_LENGTH",
    "LINE_LENGTHS",
    "NAMESPACE",
    "OK",
    "QUICKSTART_VIEWS",
    "REFUSED",
    "TAG_KEYS",
    "Aggregation",
    "Measure",
    "Tags",
    "View",
    "views_for",
]

NAMESPACE = "oc_python"
TAG_KEYS = Tags._fields

# The quickstart also lists the bound 0, which OpenCensus drops with a warning at every start.
LATENCY_BOUNDS_MS: tuple[float, ...] = (25, 50, 75, 100, 200, 400, 600, 800, 1000, 2000, 4000, 6000)
LENGTH_BOUNDS_BYTES: tuple[float, ...] = (5, 10, 15, 20, 40, 60, 80, 100, 200, 400, 600, 800, 1000)

# The loop takes microseconds, so with the quickstart's bounds each sample falls in the first bucket.
FINE_LATENCY_BOUNDS_MS: tuple[float, ...] = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, *LATENCY_BOUNDS_MS,
)  # fmt: skip


class Aggregation(Enum):
    """How a view folds its measure's values."""

    COUNT = "count"
    DISTRIBUTION = "distribution"


@dataclass(frozen=True, slots=True)
class Measure:
    """A quantity that is recorded: its name, what it is, its unit and whether values are whole numbers."""

    name: str
    description: str
    unit: str
    integer: bool


@dataclass(frozen=True, slots=True)
class View:
    """A measure folded by an aggregation, for each combination of the tag keys; `bounds` are upper bounds."""

    name: str
    description: str
    measure: Measure
    aggregation: Aggregation
    bounds: tuple[float, ...] = ()
    tag_keys: tuple[str, ...] = TAG_KEYS

    @property
    def family(self) -> str:
        """The metric family's name on a page, without the suffixes that a type adds."""
        return f"{NAMESPACE}_{self.name}"


LATENCY_MS = Measure("repl_latency", "The latency in milliseconds per REPL loop", "ms", integer=False)
LINE_LENGTH = Measure("repl_line_lengths", "The distribution of line lengths", "By", integer=True)
REFUSED = Measure("repl_errors", "The number of lines that the REPL refused", "1", integer=True)

LATENCY = View(
    "demo_latency", "The distribution of the latencies", LATENCY_MS, Aggregation.DISTRIBUTION, LATENCY_BOUNDS_MS
)
LINES_IN = View("demo_lines_in", "The number of lines from standard input", LINE_LENGTH, Aggregation.COUNT)
LINE_LENGTHS = View(
    "demo_line_lengths",
    "Groups the lengths of keys in buckets",
    LINE_LENGTH,
    Aggregation.DISTRIBUTION,
    LENGTH_BOUNDS_BYTES,
)
# Promised by the quickstart's list of metrics, never recorded by its code.
ERRORS = View("demo_errors", "The number of lines refused, by error", REFUSED, Aggregation.COUNT)

QUICKSTART_VIEWS = (LATENCY, LINES_IN, LINE_LENGTHS, ERRORS)


def views_for(latency_buckets: str = "quickstart") -> tuple[View, ...]:
    """Return the views with the latency bounds named ``quickstart`` or ``fine`` (which adds bounds from 1 µs)."""
    if latency_buckets == "quickstart":
        return QUICKSTART_VIEWS
    if latency_buckets == "fine":
        return (replace(LATENCY, bounds=FINE_LATENCY_BOUNDS_MS), *QUICKSTART_VIEWS[1:])
    msg = f"latency_buckets must be 'quickstart' or 'fine', not {latency_buckets!r}"
    raise ValueError(msg)
