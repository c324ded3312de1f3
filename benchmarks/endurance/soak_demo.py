"""Runs `harness demo` with a witness, which writes to a file what the command itself does not store.

    python benchmarks/endurance/soak_demo.py FILE FIRST_S SECOND_S ARGUMENT...   `harness demo ARGUMENT...`

Written are the account of all lines, the lag over time, when each page was made, and two looks: at both moments, in
seconds from the start, the page is fetched between two lines, and the lines on it stand beside those of the account.
Counters begin again at a restart, so what both looks tell is the number of lines between them.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import harness.run.demo
from harness.cli import main as command_line
from harness.errors import RunError
from harness.exposition.page import fold
from harness.load.drive_result import DriveResult
from harness.load.pump import Snapshot
from harness.scrape.endpoint import fetch_page
from harness.views import LINES_IN

_show = harness.run.demo.show


class Witness:
    """Passes on what the demo tells, and notes pages and looks."""

    def __init__(self, observer: Any, moments_s: list[float]) -> None:
        self._observer, self._moments_s = observer, moments_s
        self._url = ""
        self.pages: dict[int, int] = {}
        self.looks: list[dict[str, float]] = []

    def phase(self, text: str) -> None:
        """Pass it on."""
        self._observer.phase(text)

    def say(self, text: str) -> None:
        """Pass it on, and note the address of the page."""
        self._observer.say(text)
        if found := re.match(r"serving (http\S+)", text):
            self._url = found[1]

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        """Pass it on, note the pages made since, and look where it is time to."""
        self._observer.progress(progress, scrapes, failed_scrapes)
        self.pages.update(progress.pages)
        while self._moments_s and progress.elapsed_ns >= self._moments_s[0] * 1e9:
            del self._moments_s[0]
            self._look(progress)

    def _look(self, progress: Snapshot) -> None:
        place = urlsplit(self._url)
        try:
            page = fetch_page(str(place.hostname), int(place.port or 0))
        except RunError as error:
            print(f"no page to look at: {error}", file=sys.stderr)
            return
        shown = sum(series.count or 0 for series in fold(page.samples, [LINES_IN])[LINES_IN.name].values())
        account = progress.processed + progress.failed
        self.looks.append({"at_s": progress.elapsed_ns / 1e9, "page": shown, "account": account})


def document(driven: DriveResult, witness: Witness) -> dict[str, Any]:
    """Return what is written."""
    ledger, moments = driven.ledger, driven.moments
    points = driven.timeline.points(max(moments.last_due_ns, moments.last_end_ns))
    lags = [(point.start_ns / 1e9, point.durations["lag"]) for point in points]
    return {
        "interrupted": driven.interrupted,
        "ledger": {
            "offered": ledger.offered,
            "processed": ledger.processed,
            "failed": ledger.failed,
            "dropped": ledger.dropped,
            "raised": dict(ledger.raised),
        },
        "lag_ns": [(start_s, lag.p50, lag.p99) for start_s, lag in lags],
        "pages_ns": sorted(witness.pages.items()),
        "looks": witness.looks,
    }


def main(file: Path, moments_s: list[float], arguments: list[str]) -> None:
    """Run the command; it ends the process."""

    def show(spec: Any, observer: Any, triggers: Any = None) -> DriveResult:
        witness = Witness(observer, moments_s)
        driven = _show(spec, witness, triggers)
        file.write_text(json.dumps(document(driven, witness)), encoding="utf-8")
        return driven

    harness.run.demo.show = show
    command_line(["demo", *arguments])


if __name__ == "__main__":
    main(Path(sys.argv[1]), [float(sys.argv[2]), float(sys.argv[3])], sys.argv[4:])
