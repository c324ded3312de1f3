"""What the rules promise; when each alert fires is in rules_test.yaml, in promtool's own format."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.dashboards.panels import JOB, WINDOW
from tests.harness.dashboards.artefacts import RULES, alerts, rules

pytestmark = pytest.mark.system

UNIT_TESTS = Path(__file__).with_name("rules_test.yaml")


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_promtool_accepts_the_rules() -> None:
    """Prometheus' own checker finds nothing wrong with them."""
    promtool("check", "rules", str(RULES))


@pytest.mark.prometheus
def test_each_alert_fires_in_its_situation_and_in_no_other() -> None:
    """The unit tests of the rules pass: none fires on a day of traffic, one alone in each situation."""
    promtool("test", "rules", str(UNIT_TESTS))


def test_each_alert_has_a_unit_test() -> None:
    """No alert is added without a situation in which it fires."""
    tests = yaml.safe_load(UNIT_TESTS.read_text(encoding="utf-8"))["tests"]
    assert {rule["alertname"] for test in tests for rule in test.get("alert_rule_test", [])} == alerts()


def test_each_alert_explains_itself() -> None:
    """A summary that is always true of it, and a description with what was found."""
    for rule in rules():
        if "alert" in rule:
            assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
            assert "{{" not in rule["annotations"]["summary"]
            assert "{{" in rule["annotations"]["description"]
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_the_names_agree_with_the_panels() -> None:
    """Job and window of the rules are those of the panels and of promconfig.yaml."""
    text = RULES.read_text(encoding="utf-8")
    assert set(re.findall(r'job="([^"]+)"', text)) == {JOB}
    assert f"[{WINDOW}]" in text
    root = Path(__file__).resolve().parents[3]
    assert yaml.safe_load((root / "promconfig.yaml").read_text())["scrape_configs"][0]["job_name"] == JOB
