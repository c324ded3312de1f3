"""The expressions that ship, read from the files and links themselves."""

import json
import re
import urllib.parse
from pathlib import Path
from typing import Any

import yaml

from harness.dashboards.links import pictures

FOLDER = Path(__file__).resolve().parents[3] / "harness" / "dashboards"
RULES = FOLDER / "rules.yaml"
CONSOLE = FOLDER / "console.html"
GRAFANA = FOLDER / "grafana"
DASHBOARD = GRAFANA / "dashboards" / "quickstart.json"


def rules() -> list[dict[str, Any]]:
    """Return all rules of the rule file."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def recording_expressions() -> set[str]:
    """Return the expressions of the recording rules."""
    return {rule["expr"] for rule in rules() if "record" in rule}


def alerts() -> set[str]:
    """Return the names of the alerts."""
    return {rule["alert"] for rule in rules() if "alert" in rule}


def console_panels() -> list[dict[str, Any]]:
    """Return the panels that the console template holds."""
    text = CONSOLE.read_text(encoding="utf-8")
    match = re.search(r'<script type="application/json" id="panels">(.*?)</script>', text, re.DOTALL)
    assert match is not None
    panels: list[dict[str, Any]] = json.loads(match[1])
    return panels


def console_expressions() -> set[str]:
    """Return the expressions of the console."""
    return {query["expression"] for panel in console_panels() for query in panel["queries"]}


def grafana_expressions() -> set[str]:
    """Return the expressions of the Grafana dashboard."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return {target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])}


def link_expressions() -> set[str]:
    """Return the expressions in the links."""
    found = set()
    for link in pictures("http://127.0.0.1:9090").values():
        query = urllib.parse.parse_qsl(urllib.parse.urlsplit(link).query)
        found |= {value for name, value in query if name.endswith(".expr")}
    return found
