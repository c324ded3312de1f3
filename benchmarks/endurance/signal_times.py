"""Measures the time from a signal to the end of each command, at random moments: ``signal_times.py [--trials N]``.

Exits with 1 where one took longer than five seconds, which a busy machine may cause.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.harness.cli.commands import running
from tests.harness.cli.test_signals import COMMANDS, KEEPS, SIGNALS, WAITS, moment, started

LONGEST_S = 5.0
# Other seeds than those of the tests.
FIRST_SEED = 1000


def history_in(folder: Path) -> Path:
    """Return a history with one run, created below `folder`."""
    place = folder / "kept"
    place.mkdir()
    arguments = ["overhead", "--instruments", "prometheus-client-cached", "--budget", "1s"]
    with running(place, arguments, store=folder / "runs") as command:
        command.ended()
    return folder / "runs"


def one(name: str, seed: int, history: Path) -> float | None:
    """Return the seconds from the signal to the end, None where the command had ended before its moment."""
    folder = Path(tempfile.mkdtemp(prefix="signal-times-"))
    try:
        with started(name, folder, history if name in KEEPS else None) as command:
            if not (command.wait_until_ready() and command.wait_until_used(moment(name, seed), WAITS.get(name, ""))):
                return None
            began = time.monotonic()
            command.interrupt(SIGNALS[seed % len(SIGNALS)])
            command.ended()
            took = time.monotonic() - began
            command.leaves_nothing()
            return took
    finally:
        shutil.rmtree(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("names", nargs="*", default=list(COMMANDS))
    options = parser.parse_args()
    longest = 0.0
    print(f"{'command':<16} {'ended':>5} {'median s':>9} {'longest s':>9}")
    with tempfile.TemporaryDirectory() as folder:
        history = history_in(Path(folder))
        for name in options.names:
            times = [one(name, FIRST_SEED + trial, history) for trial in range(options.trials)]
            took = [time_s for time_s in times if time_s is not None]
            if took:
                longest = max(longest, *took)
                print(f"{name:<16} {len(took):>5} {statistics.median(took):>9.2f} {max(took):>9.2f}", flush=True)
            else:
                print(f"{name:<16}     0", flush=True)
    return 1 if longest > LONGEST_S else 0


if __name__ == "__main__":
    sys.exit(main())
