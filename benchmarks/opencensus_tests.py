"""OpenCensus' own unit tests for stats, tags and metrics, run plainly and while recording is lean.

    python benchmarks/opencensus_tests.py PATH

PATH is a checkout of opencensus-python, whose tests are in no distribution, or a folder of such tests. Prints how many
pass either way and what only fails with lean, and returns 1 where anything does.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest

PARTS = ("tests/unit/stats", "tests/unit/tags", "tests/unit/metrics")
# Tests of exporters are of their own distributions.
IGNORED = ("exporter", "exporters")


class Outcomes:
    """What became of each test, by its name: passed, failed or skipped; setting up and tearing down count as well."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of a test's three reports."""
        if report.when == "call" or report.outcome != "passed":
            self.found[report.nodeid] = report.outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep files that cannot be imported: none of their tests ran."""
        if report.outcome == "failed":
            self.found[report.nodeid] = "not collected"


def folders(path: Path) -> list[Path]:
    """Return where the tests are below `path`."""
    return [path / part for part in PARTS if (path / part).is_dir()] or [path]


def run(path: Path, results: Path, *, lean: bool) -> None:
    """Run the tests in this process and write their outcomes."""
    # What the tests import by the name that it had before it came into the standard library.
    sys.modules.setdefault("mock", mock)
    if lean:
        import opencensus_lean

        opencensus_lean.install(port=None)
    outcomes = Outcomes()
    ignored = [f"--ignore={folder / name}" for folder in folders(path) for name in IGNORED]
    arguments = [*map(str, folders(path)), *ignored, "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    arguments += [f"--rootdir={path}", "--import-mode=importlib"]
    pytest.main(arguments, plugins=[outcomes])
    results.write_text(json.dumps(outcomes.found), encoding="utf-8")


def outcomes_of(path: Path, *, lean: bool) -> dict[str, str]:
    """Return each test's outcome from a process of its own."""
    with tempfile.TemporaryDirectory(prefix="opencensus-tests-") as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, __file__, str(path), "--results", str(results)]
        done = subprocess.run(
            command + ["--lean"] * lean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if not results.exists():
            raise SystemExit(f"the tests did not run:\n{done.stdout}")
        found: dict[str, str] = json.loads(results.read_text(encoding="utf-8"))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both ways and compare; returns 1 where a test fails with lean alone, or none was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="a checkout of opencensus-python")
    parser.add_argument("--lean", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    path = chosen.path.resolve()
    if not path.is_dir():
        parser.error(f"there is no folder {chosen.path}")
    if chosen.results is not None:
        run(path, chosen.results, lean=chosen.lean)
        return 0
    plain, lean = outcomes_of(path, lean=False), outcomes_of(path, lean=True)
    if not plain:
        print(f"there is no test below {path}")
        return 1
    for name, found in (("opencensus", plain), ("with lean", lean)):
        print(f"{name}: {sum(each == 'passed' for each in found.values())} of {len(found)} pass")
    worse = [name for name, outcome in plain.items() if outcome == "passed" and lean.get(name) != "passed"]
    for name in worse:
        print(f"only with lean: {name}: {lean.get(name, 'not run')}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
