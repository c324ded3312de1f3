"""When commands serve a live page, how long it stays, and that it ends with them."""

import json
import os
import re
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from harness.cli.live import served_page
from harness.errors import RunError
from tests.harness.cli.commands import PATIENCE_S, Command, running
from tests.harness.live.feeding import ABOUT, Events, events

pytestmark = pytest.mark.system

QUICK = ["run", "--arrivals", "max", "--count", "300", "--scraper", "none"]


class Terminal:
    """What a command writes to a terminal that stands for its standard error."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.shown = ""

    def wait_for(self, words: str) -> re.Match[str]:
        """Return the first match of a regular expression in what was shown; fails when it does not come."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := re.search(words, self.shown)) is None:
            readable, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, f"no {words!r}: {self.shown[-500:]}"
            self.shown += os.read(self._master, 65_536).decode(errors="replace")
        return found


@contextmanager
def on_terminal(folder: Path, arguments: list[str]) -> Iterator[tuple[Command, Terminal]]:
    master, slave = os.openpty()
    try:
        with running(folder, arguments, stderr=slave) as command:
            os.close(slave)
            yield command, Terminal(master)
    finally:
        os.close(master)


def post(url: str, path: str, **asked: Any) -> int:
    """Send what a button sends; return the status."""
    with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S) as asking:
        found = re.search(r'name="harness-token" content="([^"]+)"', asking.get("/").text)
        assert found is not None
        named = {"Origin": url.rstrip("/"), "X-Harness-Token": found[1]}
        return asking.post(path, json=asked, headers=named).status_code


def address(command: Command) -> str:
    """Return the address of a command's page."""
    assert command.wait_until_told(r"live page: http\S+/\n")
    found = re.search(r"live page: (http\S+)", command.told)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("flags", [["--live"], ["--live-port", "0"], ["--live", "--quiet"]], ids=" ".join)
def test_without_a_terminal_a_run_ends_at_once(flags: list[str], tmp_path: Path) -> None:
    """The address is the first line on standard error; nobody waits for a page to be closed, and nothing is left."""
    with running(tmp_path, [*QUICK, *flags]) as command:
        assert command.ended() in {0, 1}, command.told
        command.leaves_nothing()
        assert re.match(r"harness: live page: http://127\.0\.0\.1:\d+/\n", command.told)
        assert "stays" not in command.told
        assert "300 offered" in command.printed


def test_without_the_flag_there_is_no_page(tmp_path: Path) -> None:
    """A run serves its page only when asked to."""
    with running(tmp_path, QUICK) as command:
        assert command.ended() in {0, 1}
        assert "live page" not in command.told


def closed_on_the_page(command: Command, url: str) -> None:
    assert post(url, "/close") == 202


def interrupted(command: Command, url: str) -> None:
    command.interrupt(signal.SIGINT)


@pytest.mark.parametrize("end", [closed_on_the_page, interrupted])
def test_on_a_terminal_a_page_stays_until_it_is_closed(end: Callable[[Command, str], Any], tmp_path: Path) -> None:
    """By its button or by Ctrl-C, which is no interruption: all is kept and printed, and the code is the run's own."""
    with on_terminal(tmp_path, [*QUICK, "--live"]) as (command, terminal):
        url = terminal.wait_for(r"live page: (http\S+)")[1]
        terminal.wait_for("stays until it is closed")
        assert command.process.poll() is None
        assert len(list(command.store.glob("*.json"))) == 1
        assert "300 offered" in command.printed
        assert httpx.get(url, trust_env=False).status_code == 200
        end(command, url)
        assert command.ended() in {0, 1}
        command.leaves_nothing()


def test_quiet_stays_for_nobody(tmp_path: Path) -> None:
    """On a terminal as well, a quiet run ends with its result."""
    with on_terminal(tmp_path, [*QUICK, "--live", "--quiet"]) as (command, terminal):
        terminal.wait_for(r"live page: (http\S+)")
        assert command.ended() in {0, 1}
        assert "stays" not in terminal.shown


def test_a_port_that_is_taken_is_one_line_that_names_the_flag(tmp_path: Path) -> None:
    """Nothing is sent, and the line says what would be right."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running(tmp_path, [*QUICK, "--live-port", port]) as command:
            assert command.ended() == 1
            assert command.told.startswith(f"harness: error: --live-port: {port} is already in use")
            assert command.told.count("\n") == 1
            assert command.printed == ""


def test_a_run_that_is_interrupted_does_not_stay(tmp_path: Path) -> None:
    """The result is kept and marked, the page ends with the command."""
    arguments = ["run", "--duration", "60s", "--scraper", "builtin", "--live"]
    with on_terminal(tmp_path, arguments) as (command, terminal):
        terminal.wait_for("offered")
        command.interrupt(signal.SIGINT)
        assert command.ended() == 130
        command.leaves_nothing()
        assert "Interrupted" in command.printed


def test_what_fails_is_said_on_the_page() -> None:
    """Whoever watches reads the same line as whoever started the command."""
    with ExitStack() as stack:

        def fail() -> None:
            with served_page(ABOUT, None, open_page=False) as page:
                streams.append(stack.enter_context(events(page)))
                raise RunError("no scrape succeeded")

        streams: list[Events] = []
        with pytest.raises(RunError):
            fail()
        assert streams[0].next("end") == "Failed: no scrape succeeded"


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_page(tmp_path: Path) -> None:
    """However the run ends, the process of its page ends with it."""
    with running(tmp_path, ["run", "--duration", "60s", "--scraper", "none", "--live"]) as command:
        address(command)
        command.wait_for(command.has_children, "page")
        assert any(
            "harness.live.process" in " ".join(each.cmdline())
            for each in psutil.Process(command.process.pid).children()
        )
        command.interrupt(signal.SIGKILL)
        assert command.ended() == -signal.SIGKILL
        command.leaves_nothing()


def test_a_demo_always_has_a_page_from_which_it_can_be_ended(tmp_path: Path) -> None:
    """Also with --quiet; its Stop button ends it as Ctrl-C does, with the account printed and exit code 0."""
    arguments = ["demo", "--port", "0", "--quiet", "--arrivals", "constant:50/s", "--service-time", "1ms"]
    with running(tmp_path, arguments) as command:
        url = address(command)
        assert command.wait_until_told("serving|no Prometheus")
        command.has_children()
        assert post(url, "/close") == 202
        assert command.ended() == 0, command.told
        command.leaves_nothing()
        assert "Everything is stopped" in command.printed


def test_a_button_lets_an_incident_happen_in_a_real_run(tmp_path: Path) -> None:
    """It is part of the load and of the result, marked as switched on, and the audit stays exact."""
    flags = ["--duration", "5m", "--arrivals", "constant:rate=50", "--scraper", "builtin", "--json", "result.json"]
    flags += ["--instrument", "prometheus-client", "--max-lag", "30s", "--live"]
    with running(tmp_path, ["run", *flags]) as command:
        url = address(command)
        assert command.wait_until_told(r"lines/s")
        assert post(url, "/incident", kind="errors", duration_ns=60 * 10**9) == 202
        assert command.wait_until_told(r"failed [1-9].*incident errors")
        command.interrupt(signal.SIGINT)
        assert command.ended() == 130, command.told
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    ((kind, triggered),) = [(each["kind"], each["triggered"]) for each in result["incidents"]]
    assert (kind, triggered) == ("errors", True)
    assert result["ledger"]["failed"] > 0
    assert result["audit"]["conserved"] is True
