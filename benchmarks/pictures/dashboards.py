"""Writes the generated parts of harness/dashboards: the Grafana dashboard, and the panels in the console template.

    python benchmarks/pictures/dashboards.py

Both show the panels of `harness.dashboards.panels`. A test compares the files with what this script would write.
"""

import json
import re
import sys
from pathlib import Path

from grafana_foundation_sdk.builders import common, heatmap, prometheus, table, timeseries
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from harness.dashboards.files import console_panels  # noqa: E402 - a script has to find its checkout first
from harness.dashboards.panels import PANELS, DashboardPanel, PanelKind, PanelUnit, Query  # noqa: E402

FOLDER = ROOT / "harness" / "dashboards"
GRAFANA = FOLDER / "grafana" / "dashboards" / "quickstart.json"
CONSOLE = FOLDER / "console.html"

# Grafana's names of units.
UNITS = {
    PanelUnit.LINES_PER_S: "suffix: lines/s",
    PanelUnit.MS: "ms",
    PanelUnit.S: "s",
    PanelUnit.BYTES: "bytes",
    PanelUnit.RATIO: "percentunit",
    PanelUnit.NUMBER: "short",
}
SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
# Of 24 columns; three panels a row.
WIDTH, HEIGHT = 8, 8


def target(query: Query, ref: str, kind: PanelKind) -> prometheus.Dataquery:
    """Return a query as Grafana sends it."""
    legend = " ".join(f"{{{{{label}}}}}" for label in query.labels) or query.name
    built = prometheus.Dataquery().ref_id(ref).expr(query.expression).legend_format(legend)
    if kind is PanelKind.TABLE:
        return built.instant().format(PromQueryFormat.TABLE)
    built.range()
    return built.format(PromQueryFormat.HEATMAP) if kind is PanelKind.HEATMAP else built


def picture(panel: DashboardPanel) -> timeseries.Panel | heatmap.Panel | table.Panel:
    """Return the builder of a panel's kind, with what is particular to it."""
    if panel.kind is PanelKind.HEATMAP:
        return heatmap.Panel().calculate(False).y_axis(heatmap.YAxisConfig().unit(UNITS[panel.unit]))
    if panel.kind is PanelKind.TABLE:
        columns = {"excludeByName": {"Time": True}, "renameByName": {"__name__": "metric", "Value": "series"}}
        return table.Panel().transformations([DataTransformerConfig(id_val="organize", options=columns)])
    built = timeseries.Panel().unit(UNITS[panel.unit]).min(0).line_width(2)
    built.legend(common.VizLegendOptions().show_legend(True).calcs(["lastNotNull"]).placement(LegendPlacement.BOTTOM))
    if panel.kind is PanelKind.STACKED:
        built.fill_opacity(35).stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if panel.threshold is not None:
        steps = [Threshold(color="green"), Threshold(value=panel.threshold, color="red")]
        built.thresholds(dashboards.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        built.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    return built


def dashboard() -> str:
    """Return the Grafana dashboard as JSON."""
    built = (
        dashboards.Dashboard("OpenCensus quickstart")
        .uid("opencensus-quickstart")
        .tags(["recording-harness"])
        .description("Lines, latencies and scrapes of the OpenCensus quickstart.")
        .refresh("5s")
        .time("now-5m", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboards.DatasourceVariable("source").label("Data source").type("prometheus"))
    )
    for panel in PANELS:
        one = picture(panel).title(panel.title).description(panel.description).datasource(SOURCE)
        for ref, query in zip("ABC", panel.queries, strict=False):
            one.with_target(target(query, ref, panel.kind))
        built.with_panel(one.span(WIDTH).height(HEIGHT))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


def console(template: str) -> str:
    """Return the console template with the panels as they are in the code, a line for each."""
    lines = ",\n".join(json.dumps(panel, ensure_ascii=False) for panel in console_panels())
    return re.sub(
        r'(<script type="application/json" id="panels">\n).*?(</script>)',
        lambda match: f"{match[1]}[\n{lines}\n]\n{match[2]}",
        template,
        flags=re.DOTALL,
    )


def main() -> None:
    """Write both files."""
    GRAFANA.parent.mkdir(parents=True, exist_ok=True)
    GRAFANA.write_text(dashboard(), encoding="utf-8")
    CONSOLE.write_text(console(CONSOLE.read_text(encoding="utf-8")), encoding="utf-8")
    for path in (GRAFANA, CONSOLE):
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
