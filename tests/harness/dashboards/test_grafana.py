"""What the files for Grafana promise."""

import json

import yaml

from benchmarks.pictures import dashboards
from tests.harness.dashboards import artefacts


def test_the_dashboard_is_made_from_the_panels() -> None:
    """Made anew it is the same, byte for byte; so is the console template."""
    assert dashboards.dashboard() == artefacts.DASHBOARD.read_text(encoding="utf-8")
    template = artefacts.CONSOLE.read_text(encoding="utf-8")
    assert dashboards.console(template) == template


def test_each_panel_asks_the_source_that_is_chosen() -> None:
    """Nothing is tied to one installation: panels name the variable, which offers every Prometheus there is."""
    dashboard = json.loads(artefacts.DASHBOARD.read_text(encoding="utf-8"))
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${source}"}
    (variable,) = dashboard["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("source", "datasource", "prometheus")


def test_panels_lie_side_by_side() -> None:
    """Three to a row of 24 columns, none upon another."""
    dashboard = json.loads(artefacts.DASHBOARD.read_text(encoding="utf-8"))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(places) == len(set(places))
    assert all(panel["gridPos"]["w"] == 8 for panel in dashboard["panels"])
    assert {x for x, _ in places} == {0, 8, 16}


def test_provisioning_leads_to_the_demo() -> None:
    """The data source is the Prometheus that the demo starts, and the provider reads a folder of dashboards."""
    folder = artefacts.GRAFANA / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    (provider,) = yaml.safe_load((folder / "dashboards" / "quickstart.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"]
