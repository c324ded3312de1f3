"""Workers of this machine are copies of one process, and neither they nor it are left."""

import os
import signal
import socket
import time
from collections.abc import Callable

import psutil
import pytest

from harness.distributed.local import LocalLauncher
from harness.run.spec import RunSpec

pytestmark = pytest.mark.system

PATIENCE_S = 120.0


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        yield listener


def family(launcher: LocalLauncher) -> list[psutil.Process]:
    assert launcher._process is not None
    starter = psutil.Process(launcher._process.pid)
    return [starter, *starter.children()]


def test_each_dials_in_and_ends_with_the_launcher(listener: socket.socket) -> None:
    """Even one that is stopped, whatever it was about to do."""
    launcher = LocalLauncher(RunSpec())
    launcher.start(listener.getsockname()[1], "token", 2)
    try:
        peers = [listener.accept()[0] for _ in range(2)]
        started = family(launcher)
        assert len(started) == 3
        assert [launcher.reason(number) for number in range(2)] == ["", ""]
        started[1].suspend()
    finally:
        launcher.close()
    for peer in peers:
        peer.close()
    assert psutil.wait_procs(started, timeout=PATIENCE_S)[1] == []
    launcher.close()


def test_how_a_worker_ended_is_told_for_each(listener: socket.socket) -> None:
    """The others go on."""
    launcher = LocalLauncher(RunSpec())
    launcher.start(listener.getsockname()[1], "token", 2)
    try:
        peers = [listener.accept()[0] for _ in range(2)]
        numbers = sorted(family(launcher)[1:], key=lambda process: process.pid)
        numbers[1].send_signal(signal.SIGKILL)
        until(lambda: launcher.reason(1))
        assert launcher.reason(1) == "killed by signal 9"
        assert launcher.reason(0) == ""
    finally:
        launcher.close()
    for peer in peers:
        peer.close()


def test_last_words_of_a_worker_are_told(listener: socket.socket) -> None:
    """As of one that finds nobody to dial."""
    port = listener.getsockname()[1]
    listener.close()
    launcher = LocalLauncher(RunSpec())
    launcher.start(port, "token", 2)
    try:
        until(lambda: launcher.reason(0) and launcher.reason(1))
        assert "ended with code 1: it cannot reach the coordinator at 127.0.0.1:" in launcher.reason(1)
    finally:
        launcher.close()


def test_workers_end_with_the_process_that_started_them(listener: socket.socket) -> None:
    """And each of them is told to be gone."""
    launcher = LocalLauncher(RunSpec())
    launcher.start(listener.getsockname()[1], "token", 2)
    try:
        peers = [listener.accept()[0] for _ in range(2)]
        starter, *workers = family(launcher)
        os.kill(starter.pid, signal.SIGKILL)
        assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []
        until(lambda: launcher.reason(0))
        assert launcher.reason(0) == launcher.reason(1) == "killed by signal 9"
    finally:
        launcher.close()
    for peer in peers:
        peer.close()
