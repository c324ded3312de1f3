"""What the run's end of a live page promises: it never waits, and the page ends with the run, whatever happens."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.errors import EndpointError
from harness.live.feed import LivePage
from tests.harness.live.feeding import ABOUT, PATIENCE_S, client, events, page, until

LINE = {"now": {"elapsed_ns": 1, "pages": [], "filler": "x" * 1000}}


def test_what_is_told_arrives() -> None:
    """In order, to every browser."""
    with page() as served, events(served) as one, events(served) as other:
        for stream in (one, other):
            stream.next("history")
        for number in range(100):
            assert served.tell({"note": str(number)})
        for stream in (one, other):
            assert [stream.next("note") for _ in range(100)] == [str(number) for number in range(100)]


def test_a_process_that_does_not_read_holds_nothing_up() -> None:
    """With its process stopped, snapshots are dropped at once; what must arrive arrives when it goes on."""
    with page() as served:
        os.kill(served.pid, signal.SIGSTOP)
        try:
            told = [served.tell(LINE, droppable=True) for _ in range(1000)]
            began = time.thread_time()
            served.tell(LINE, droppable=True)
            assert time.thread_time() - began < 1.0
            served.tell({"phase": "the last word"})
        finally:
            os.kill(served.pid, signal.SIGCONT)
        assert told[0]
        assert not told[-1]

        def arrived() -> bool:
            served.tell({"note": "anything"})
            with events(served) as stream:
                return bool(stream.next("history")["phase"] == "the last word")

        until(arrived, "last word")


def test_every_thread_of_the_page_lets_the_run_go_first() -> None:
    """Also those that serve watchers; on waking they take no core away from the run."""
    with page() as served, events(served) as one, events(served) as other:
        one.next("history")
        other.next("history")
        threads = [int(each.name) for each in Path(f"/proc/{served.pid}/task").iterdir()]
        assert len(threads) >= 4
        assert {os.sched_getscheduler(each) for each in threads} == {os.SCHED_BATCH}
        assert min(os.getpriority(os.PRIO_PROCESS, each) for each in threads) >= 10


def test_the_last_words_reach_whoever_watches() -> None:
    """What is told just before the end is read before the connection ends, and the end is told as well."""
    with page() as served, events(served) as stream:
        stream.next("history")
        served.tell({"result": {"html": "x" * 300_000}})
        served.tell({"end": "over"})
        served.close()
        assert len(stream.next("result")["html"]) == 300_000
        assert stream.next("end") == "over"
        assert stream.next("bye") == "over"


def test_a_page_whose_process_dies_costs_nothing_but_the_page() -> None:
    """Telling it more is no error, and it is known to be gone."""
    with page() as served:
        psutil.Process(served.pid).kill()
        until(lambda: not served.tell({"note": "x"}), "end")
        assert served.gone
        assert served.wishes() == []
        assert not served.wait_closed(60.0)


def test_a_port_that_is_taken_is_named() -> None:
    """One line that says what to do, of the flag's field."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EndpointError, match="already in use") as caught:
            LivePage(ABOUT, port)
    assert caught.value.field == "live_port"


def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    """After `close` the process is gone, and the port can be had again by the next page."""
    with page() as served:
        process, port = psutil.Process(served.pid), int(served.url.rsplit(":", 1)[1].rstrip("/"))
        with client(served) as asking:
            assert asking.get("/").status_code == 200
    assert not process.is_running()
    with LivePage(ABOUT, port) as again:
        assert again.url == served.url


KILLED = """
import json, os, sys
from harness.live.feed import LivePage
page = LivePage(json.loads(sys.argv[1]))
if os.fork() == 0:  # holds the pipe open after its parent is gone
    import signal
    signal.pause()
print(page.pid, flush=True)
sys.stdin.read()
"""


def test_it_ends_with_its_parent_even_when_that_is_killed() -> None:
    """SIGKILL of the run leaves no server behind, though a fork of the run still holds the pipe."""
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED, json.dumps(ABOUT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    process = psutil.Process(int(parent.stdout.readline()))
    children = psutil.Process(parent.pid).children()
    try:
        parent.kill()
        parent.wait(PATIENCE_S)
        process.wait(PATIENCE_S)
    finally:
        for each in children:
            if each.pid != process.pid:
                each.kill()
        parent.communicate()
    assert not process.is_running()


def test_a_browser_is_opened_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's browser gets the address; it inherits neither the pipes nor the terminal."""
    seen = tmp_path / "seen"
    program = tmp_path / "browser"
    program.write_text(
        f'#!/bin/sh\n{{ echo "$1"; readlink /proc/self/fd/0 /proc/self/fd/1; }} > {seen}.tmp\nmv {seen}.tmp {seen}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    with LivePage(ABOUT, open_browser=True) as served:
        assert served.opened is True
        until(seen.exists, "browser")
        address, *streams = seen.read_text().split()
        assert address == served.url
        assert not [each for each in streams if each.startswith("pipe:")]


def test_without_a_browser_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The page is served all the same."""
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with LivePage(ABOUT, open_browser=True) as served:
        assert served.opened is False
        with client(served) as asking:
            assert asking.get("/").status_code == 200
