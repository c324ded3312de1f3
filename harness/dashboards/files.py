"""The files that a Prometheus needs for console and rules, and the configuration that refers to them."""

from importlib.resources import files
from typing import Any

from harness.dashboards.panels import PANELS

__all__ = ["CONSOLE", "console", "console_panels", "rules", "with_dashboards"]

CONSOLE = "consoles/index.html"
_RULES = "rules.yaml"


def rules() -> str:
    """Return the recording and alerting rules as YAML."""
    return _read(_RULES)


def console() -> str:
    """Return the console template."""
    return _read("console.html")


def _read(name: str) -> str:
    return (files("harness.dashboards") / name).read_text(encoding="utf-8")


def console_panels() -> list[dict[str, Any]]:
    """Return the panels in the form in which the console template holds them as JSON."""
    return [
        {
            "title": panel.title,
            "description": panel.description,
            "kind": panel.kind.value,
            "unit": panel.unit.value,
            "threshold": panel.threshold,
            "current": panel.current,
            "queries": [
                {"expression": query.expression, "name": query.name, "labels": list(query.labels)}
                for query in panel.queries
            ],
        }
        for panel in PANELS
    ]


def with_dashboards(config: dict[str, Any], interval: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a configuration that evaluates the rules as well, and the texts of the files it then refers to.

    `interval` is how often rules are evaluated, as Prometheus writes durations. The files are named relative to the
    configuration's folder.
    """
    extended = {
        **config,
        "global": {**config.get("global", {}), "evaluation_interval": interval},
        "rule_files": [_RULES],
    }
    return extended, {_RULES: rules(), CONSOLE: console()}
