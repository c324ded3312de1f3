"""Makes the picture of a report for the docs from real runs: a way of recording that becomes slower half-way.

    python benchmarks/pictures/report_picture.py [--runs 12] [--budget 5s] [--folder FOLDER] [--output FILE]

It creates a small project in a folder and measures its recording `--runs` times with `harness overhead`; then it
changes the project so that each record also encodes its tags as JSON, and measures as many runs again. All runs are
stored in the folder; `harness report` makes the page, and Chromium takes a screenshot of the trend. All figures are
real; with the defaults it takes about three minutes. For a folder with runs it only repeats the screenshot.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.harness.report.browser import browser  # noqa: E402 - a script has to find its checkout first

WIDTH = 900
BEFORE = '''"""How the example project records a line."""

from harness.instruments.prometheus_client_ import PrometheusClientInstrument


class Recording:
    def __init__(self, views):
        self._inner = PrometheusClientInstrument(views)
        self.registry, self.close = self._inner.registry, self._inner.close

    def record(self, latency_ms, length_bytes, tags):
        self._inner.record(latency_ms, length_bytes, tags)
'''
AFTER = BEFORE.replace("\n\nfrom", "\n\nimport json\n\nfrom").replace(
    "        self._inner.record(", "        json.dumps(tags)\n        self._inner.record("
)


def harness(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "harness.cli", *arguments, "--store", str(folder / "runs")]
    search = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True, check=False
    )
    # 1 means a void experiment: it is stored, and the trend has a gap.
    if process.returncode not in {0, 1}:
        sys.exit(process.stderr)


def measure(folder: Path, runs: int, budget: str) -> None:
    """Store `runs` results of the project before the change, and as many after it."""
    for name, code in (("before", BEFORE), ("after", AFTER)):
        (folder / "checkout.py").write_text(code, encoding="utf-8")
        for run in range(runs):
            # Each run has its own hash seeds and orders, like runs on different days.
            seed = str(run + (0 if name == "before" else runs))
            harness(
                folder, "overhead", "--instruments", "checkout:Recording", "--budget", budget, "--seed", seed,
                "--label", name, "--quiet",
            )  # fmt: skip
            print(f"{name}: {run + 1} of {runs}", flush=True)


def photograph(page: Path, output: Path) -> None:
    """Write the first trend of the page, from its heading on, as PNG."""
    with tempfile.TemporaryDirectory() as scratch, browser(Path(scratch)) as window:
        window.size(WIDTH)
        window.prefer(prefers_color_scheme="light")
        window.open(page)
        top, end = window.run(
            "const box = element => element.getBoundingClientRect(), section = document.querySelector('#trend');"
            "return [box(section).top + scrollY, box(section.querySelector('figure svg.wide')).bottom + scrollY];"
        )
        window.photograph(output, clip={"x": 0, "y": top - 8, "width": WIDTH, "height": end - top + 24})


def main() -> None:
    """Measure, unless there are runs already, and make the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--budget", default="5s")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "img" / "report.png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not list((folder / "runs").glob("*.json")):
            measure(folder, options.runs, options.budget)
        harness(folder, "report", "--output", str(folder / "report.html"))
        options.output.parent.mkdir(parents=True, exist_ok=True)
        photograph(folder / "report.html", options.output)
    print(f"{options.output}: {options.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
