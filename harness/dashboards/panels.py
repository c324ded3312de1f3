"""The panels of console and Grafana dashboard, as data: expressions, units and thresholds."""

from dataclasses import dataclass
from enum import Enum

from harness.views import ERRORS, LATENCY, LINE_LENGTHS, LINES_IN, NAMESPACE, View

__all__ = ["JOB", "PANELS", "WINDOW", "DashboardPanel", "PanelKind", "PanelUnit", "Query", "buckets"]

# The job in promconfig.yaml; Prometheus' own metrics about scrapes carry it.
JOB = "ocpythonmetrics_tutorial"
# What rates are taken over; the rules use the same.
WINDOW = "15s"


class PanelKind(Enum):
    """How a panel is drawn."""

    LINES = "lines"
    STACKED = "stacked"
    HEATMAP = "heatmap"
    TABLE = "table"


class PanelUnit(Enum):
    """The unit of a panel's values; a ratio is shown in per cent."""

    LINES_PER_S = "lines/s"
    MS = "ms"
    S = "s"
    BYTES = "B"
    RATIO = "ratio"
    NUMBER = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression; its series are named by the values of `labels`, or by `name` where it has none."""

    expression: str
    name: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DashboardPanel:
    """One picture or table.

    `threshold` is where an alert begins, in the unit of the values. `current` is the caption under which the newest
    value of the last query, summed over its series, is shown as a number; without one it is not.
    """

    title: str
    description: str
    kind: PanelKind
    unit: PanelUnit
    queries: tuple[Query, ...]
    threshold: float | None = None
    current: str = ""


def buckets(view: View) -> str:
    """Return the expression for the lines per second in each cumulative bucket of a distribution."""
    return f"sum by (le) (rate({view.family}_bucket[{WINDOW}]))"


_LATENCY_QUANTILE = f"job:{NAMESPACE}_demo_latency_ms:quantile_rate{WINDOW}"

PANELS = (
    # The quickstart's four pictures.
    DashboardPanel(
        "Lines in",
        "Lines per second by status; a refused line carries its error.",
        PanelKind.STACKED,
        PanelUnit.LINES_PER_S,
        (
            Query(
                f"sum by (status, error) (rate({LINES_IN.family}_total[{WINDOW}]))",
                labels=("status", "error"),
            ),
        ),
    ),
    DashboardPanel(
        "Latency distribution",
        "Lines by bucket (ms), the darker the more; the quickstart's first bound is 25 ms.",
        PanelKind.HEATMAP,
        PanelUnit.MS,
        (Query(buckets(LATENCY), labels=("le",)),),
    ),
    DashboardPanel(
        "Line lengths",
        "Lines by bucket (bytes), the darker the more; a refused line may exceed 64 KiB.",
        PanelKind.HEATMAP,
        PanelUnit.BYTES,
        (Query(buckets(LINE_LENGTHS), labels=("le",)),),
    ),
    DashboardPanel(
        "All metrics",
        "Everything that the endpoint exposes, with its number of series.",
        PanelKind.TABLE,
        PanelUnit.NUMBER,
        (Query(f'count by (__name__) ({{__name__=~"{NAMESPACE}_.+"}})', labels=("__name__",)),),
    ),
    # Rate, errors and duration.
    DashboardPanel(
        "Rate",
        "Lines per second; above the dashed line TrafficFlood fires.",
        PanelKind.LINES,
        PanelUnit.LINES_PER_S,
        (Query(f"job:{LINES_IN.family}:rate{WINDOW}", "lines"),),
        threshold=80,
        current="rate",
    ),
    DashboardPanel(
        "Errors",
        "Share of the lines refused; above the dashed line LinesRefused fires.",
        PanelKind.LINES,
        PanelUnit.RATIO,
        (Query(f"job:{ERRORS.family}:ratio_rate{WINDOW}", "refused"),),
        threshold=0.15,
        current="refused",
    ),
    DashboardPanel(
        "Duration",
        "Latency percentiles; when p99 is above the dashed line LatencyHigh fires.",
        PanelKind.LINES,
        PanelUnit.MS,
        (
            Query(f'{_LATENCY_QUANTILE}{{quantile="0.5"}}', "p50"),
            Query(f'{_LATENCY_QUANTILE}{{quantile="0.95"}}', "p95"),
            Query(f'{_LATENCY_QUANTILE}{{quantile="0.99"}}', "p99"),
        ),
        threshold=300,
        current="99th percentile",
    ),
    # Scrape health.
    DashboardPanel(
        "Scrape duration",
        "Time that Prometheus needs for a scrape, by target.",
        PanelKind.LINES,
        PanelUnit.S,
        (Query(f'scrape_duration_seconds{{job="{JOB}"}}', labels=("instance",)),),
    ),
    DashboardPanel(
        "Targets up",
        "1 where the newest scrape succeeded, else 0, by target.",
        PanelKind.LINES,
        PanelUnit.NUMBER,
        (Query(f'up{{job="{JOB}"}}', labels=("instance",)),),
        current="targets up",
    ),
    DashboardPanel(
        "Series",
        "Series of one view, by target; above the dashed line SeriesExplosion fires.",
        PanelKind.LINES,
        PanelUnit.NUMBER,
        (Query(f"instance:{NAMESPACE}_demo_series:count", labels=("instance",)),),
        threshold=50,
        current="series of one view",
    ),
    DashboardPanel(
        "Alerts firing",
        "Alerts that fire, by name; 0 where none does.",
        PanelKind.LINES,
        PanelUnit.NUMBER,
        (Query('sum by (alertname) (ALERTS{alertstate="firing"}) or vector(0)', "none", labels=("alertname",)),),
    ),
)
