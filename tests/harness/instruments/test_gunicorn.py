"""Instruments behind the real gunicorn, loaded before it forks: what its page shows after recycling and kills."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from harness.views import LINES_IN
from tests.harness.instruments.pages import read

pytest.importorskip("gunicorn")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0
# So many requests, those for the page included, and a worker is replaced.
MOST = 10


@contextmanager
def served(folder: Path, instrument: str) -> Iterator[httpx.Client]:
    """Yield a client of two workers."""
    log = folder / "log"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--max-requests", str(MOST)),
                *("--bind", "127.0.0.1:0", "tests.harness.instruments.gunicorn_app:application"),
            ],
            stderr=told,
            cwd=ROOT,
            env={**os.environ, "INSTRUMENT": instrument, "TMPDIR": str(folder)},
            process_group=0,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while (address := re.search(r"Listening at: (http://\S+)", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        with httpx.Client(base_url=address[1], timeout=PATIENCE_S, headers={"Connection": "close"}) as client:
            yield client
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def send(client: httpx.Client, requests: int) -> list[int]:
    """Return the numbers of the processes that answered."""
    return [int(client.get("/").text) for _ in range(requests)]


def lines_on(client: httpx.Client) -> float:
    page = read(client.get("/metrics").text)
    return sum(value for (name, _), value in page.items() if name == f"{LINES_IN.family}_total")


def test_multiprocess_mode_counts_every_request(tmp_path: Path) -> None:
    """Whichever worker makes the page, and whatever became of those that answered."""
    with served(tmp_path, "prometheus-client-multiprocess") as client:
        processes = send(client, 3 * MOST)
        assert len(set(processes)) > 1
        assert lines_on(client) == 3 * MOST
        # It may have been replaced by now, and then there is nobody to kill.
        last = send(client, 1)[0]
        try:
            os.kill(last, signal.SIGKILL)
        except ProcessLookupError:
            last = 0
        assert lines_on(client) == 3 * MOST + 1
        send(client, MOST)
        assert lines_on(client) == 4 * MOST + 1
    assert list(tmp_path.glob("harness-multiprocess-*")) == []


@pytest.mark.parametrize("instrument", ["prometheus-client", "opencensus", "opentelemetry"])
def test_counters_in_memory_are_lost_with_their_worker(tmp_path: Path, instrument: str) -> None:
    """The page is that of one worker, which has never answered more than its number of requests."""
    with served(tmp_path, instrument) as client:
        send(client, 3 * MOST)
        assert lines_on(client) <= MOST
