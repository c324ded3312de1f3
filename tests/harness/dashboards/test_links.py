"""What the links and hints promise."""

import os
import subprocess
import sys
import urllib.parse

import pytest

from harness.dashboards.links import TRY, console_url, pictures

pytestmark = pytest.mark.system


def test_the_links_are_what_prometheus_reads() -> None:
    """Each link carries its expressions as panels g0, g1, ..."""
    links = pictures("http://127.0.0.1:9090")
    assert list(links) == ["all metrics", "lines in", "latency distribution", "line lengths"]
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(links["latency distribution"]).query))
    assert query["g0.expr"] == "sum by (le) (rate(oc_python_demo_latency_bucket[15s]))"
    assert query["g3.expr"].startswith("histogram_quantile(0.99,")
    assert console_url("http://127.0.0.1:9090") == "http://127.0.0.1:9090/consoles/index.html"


@pytest.mark.parametrize("command", [command for command, _ in TRY])
def test_what_the_demo_says_to_try_can_be_typed(command: str) -> None:
    """Each command names flags that exist, with values that they accept."""
    program, *arguments = command.split()
    assert program == "harness"
    # As long as it is worth waiting for; a tour ends by itself, and as soon as it is told to.
    end = [] if "--tour" in arguments else ["--duration", "1s"]
    arguments = ["--tour=1s" if each == "--tour" else each.replace("@30s+1m", "@100ms+100ms") for each in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments, *end, "--port", "0"],
        env={**os.environ, "PROMETHEUS_BIN": "/no/such/prometheus"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
