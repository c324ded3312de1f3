"""Addresses of the pictures on a running Prometheus, and what to try with a demo."""

from urllib.parse import urlencode

from harness.dashboards.files import CONSOLE
from harness.dashboards.panels import WINDOW, buckets
from harness.views import LATENCY, LINE_LENGTHS, LINES_IN, NAMESPACE, View

__all__ = ["TRY", "console_url", "pictures"]

# A command, and what it makes visible: each leads to one of the alerts.
TRY = (
    ("harness demo --tour", "all incidents in ten minutes, each explained"),
    ("harness demo --incident bad-deploy@30s+1m", "Errors and Duration climb, LinesRefused and LatencyHigh fire"),
    ("harness demo --workers 3", "three instances behind the same dashboard"),
)


def console_url(prometheus_url: str) -> str:
    """Return the address of the console."""
    return f"{prometheus_url}/{CONSOLE}"


def pictures(prometheus_url: str) -> dict[str, str]:
    """Return links that open Prometheus on the quickstart's four pictures, by their names."""
    lines = f"sum by (status, error) (rate({LINES_IN.family}_total[{WINDOW}]))"
    return {
        "all metrics": _graph(prometheus_url, [f'{{__name__=~"{NAMESPACE}_.*"}}'], tab=1),
        "lines in": _graph(prometheus_url, [lines]),
        "latency distribution": _graph(prometheus_url, [buckets(LATENCY), *_quantiles(LATENCY)]),
        "line lengths": _graph(prometheus_url, [buckets(LINE_LENGTHS), *_quantiles(LINE_LENGTHS)]),
    }


def _quantiles(view: View) -> list[str]:
    return [f"histogram_quantile({q}, {buckets(view)})" for q in (0.5, 0.95, 0.99)]


def _graph(url: str, expressions: list[str], tab: int = 0) -> str:
    parameters: dict[str, str | int] = {}
    for panel, expression in enumerate(expressions):
        parameters |= {f"g{panel}.expr": expression, f"g{panel}.tab": tab, f"g{panel}.range_input": "5m"}
    return f"{url}/graph?{urlencode(parameters)}"
