"""Runs OpenCensus' own unit tests for stats, tags and metrics, with and without opencensus-lean.

    python benchmarks/cost/opencensus_tests.py PATH

PATH is a checkout of opencensus-python, whose tests are in no distribution, or a folder of such tests. It prints the
number of tests that pass either way and the tests that fail only with lean, and returns 1 where there are any.
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
# Tests of exporters belong to other distributions.
IGNORED = ("exporter", "exporters")


class Outcomes:
    """The outcome of each test by name: passed, failed or skipped, including set-up and teardown."""

    def __init__(self) -> None:
        self.by_test: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Store the worst of a test's three reports."""
        if report.when == "call" or report.outcome != "passed":
            self.by_test[report.nodeid] = report.outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Store files that cannot be imported, whose tests do not run."""
        if report.outcome == "failed":
            self.by_test[report.nodeid] = "not collected"


def folders(path: Path) -> list[Path]:
    """Return the folders of tests below `path`."""
    return [path / part for part in PARTS if (path / part).is_dir()] or [path]


def run(path: Path, results: Path, *, lean: bool) -> None:
    """Run the tests in this process and write their outcomes."""
    # The tests import it by its name from before it was in the standard library.
    sys.modules.setdefault("mock", mock)
    if lean:
        import opencensus_lean

        opencensus_lean.install(port=None)
    outcomes = Outcomes()
    ignored = [f"--ignore={folder / name}" for folder in folders(path) for name in IGNORED]
    arguments = [*map(str, folders(path)), *ignored, "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    arguments += [f"--rootdir={path}", "--import-mode=importlib"]
    pytest.main(arguments, plugins=[outcomes])
    results.write_text(json.dumps(outcomes.by_test), encoding="utf-8")


def outcomes_of(path: Path, *, lean: bool) -> dict[str, str]:
    """Run the tests in a process of their own and return the outcome of each."""
    with tempfile.TemporaryDirectory(prefix="opencensus-tests-") as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, __file__, str(path), "--results", str(results)]
        process = subprocess.run(
            command + ["--lean"] * lean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if not results.exists():
            raise SystemExit(f"the tests did not run:\n{process.stdout}")
        outcomes: dict[str, str] = json.loads(results.read_text(encoding="utf-8"))
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both ways and compare; return 1 where a test fails only with lean, or there are no tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="a checkout of opencensus-python")
    parser.add_argument("--lean", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    path = options.path.resolve()
    if not path.is_dir():
        parser.error(f"there is no folder {options.path}")
    if options.results is not None:
        run(path, options.results, lean=options.lean)
        return 0
    plain, lean = outcomes_of(path, lean=False), outcomes_of(path, lean=True)
    if not plain:
        print(f"there is no test below {path}")
        return 1
    for name, outcomes in (("opencensus", plain), ("with lean", lean)):
        print(f"{name}: {sum(outcome == 'passed' for outcome in outcomes.values())} of {len(outcomes)} pass")
    worse = [name for name, outcome in plain.items() if outcome == "passed" and lean.get(name) != "passed"]
    for name in worse:
        print(f"only with lean: {name}: {lean.get(name, 'not run')}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
