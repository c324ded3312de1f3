"""What the files for Prometheus promise."""

import json
from pathlib import Path

from harness.dashboards.files import console_panels, with_dashboards
from harness.dashboards.panels import PANELS
from harness.scrape.prometheus.server import default_config, derived_config
from harness.scrape.scraper import Target
from tests.harness.dashboards import artefacts

ROOT = Path(__file__).resolve().parents[3]


def test_the_console_has_the_panels() -> None:
    """The template holds the panels as they are in the code; `make dashboards` writes them."""
    assert artefacts.console_panels() == json.loads(json.dumps(console_panels()))


def test_console_and_grafana_show_the_same() -> None:
    """Each expression of the panels is in both."""
    expressions = {query.expression for panel in PANELS for query in panel.queries}
    assert artefacts.console_expressions() == expressions
    assert artefacts.grafana_expressions() == expressions


def test_the_console_means_nothing_to_the_template_engine() -> None:
    """Prometheus serves the file as it is: no action of a Go template, no template literal, no external address."""
    text = artefacts.CONSOLE.read_text(encoding="utf-8")
    assert "{{" not in text
    assert "`" not in text
    assert text.count("http://") == text.count("http://www.w3.org/2000/svg")
    assert "https://" not in text


def test_the_configuration_is_the_quickstarts_with_rules_and_console() -> None:
    """The job keeps its name, settings and target; rules and console are added."""
    _, config = derived_config(default_config(), Target("127.0.0.1", 8000), 10**9)
    extended, files = with_dashboards(config, "1s")
    assert extended["scrape_configs"] == config["scrape_configs"]
    assert extended["global"]["evaluation_interval"] == "1s"
    assert set(files) == {*extended["rule_files"], "consoles/index.html"}
    assert files["rules.yaml"] == artefacts.RULES.read_text(encoding="utf-8")
