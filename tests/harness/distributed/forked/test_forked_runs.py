"""Runs of workers that are forked from one process: real processes, scraped and audited."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.cli.commands import Command, running

pytestmark = pytest.mark.system

# Slow enough for any machine: what is looked at is what arrives, not how fast.
LOAD = ["--arrivals", "constant:rate=50", "--errors", "10%", "--series", "3", "--no-save", "--max-lag", "20s"]
SCRAPED = ["--scraper", "builtin", "--scrape-interval", "500ms"]
MULTIPROCESS = ["--instrument", "prometheus-client-multiprocess"]


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    with running(folder, ["run", *LOAD, *SCRAPED, "--json", "result.json", *arguments]) as command:
        command.ended()
        command.leaves_nothing()
        return result_of(command)


def result_of(command: Command) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((command.folder / "result.json").read_text(encoding="utf-8"))
    return document


def findings(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in result["audit"]["findings"]}


def forked_by(command: Command) -> list[psutil.Process]:
    """Return the workers that run, oldest first: the children of the process that forks them."""
    return [
        each
        for master in psutil.Process(command.process.pid).children()
        if "harness.distributed.forked.master" in master.cmdline()
        for each in sorted(master.children(), key=lambda child: (child.create_time(), child.pid))
        if each.cmdline() == master.cmdline()
    ]


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of two workers that are replaced after ten lines each."""
    folder = tmp_path_factory.mktemp("forked")
    return run(folder / "two", "--count", "100", "--fork", "2", "--recycle", "10", *MULTIPROCESS)


class TestMultiprocess:
    """prometheus-client's multiprocess mode, behind one page."""

    def test_the_page_has_the_sum_of_all_workers(self, forked):
        """Also of those that were replaced: page, store and scrapes equal the ledgers of all together."""
        assert forked["audit"]["outcome"] == "conserved", forked["audit"]["findings"]
        assert forked["audit"]["compared"] == ["page", forked["scrapes"]["scraper"]]
        assert forked["audit"]["scrapes_compared"] > 0
        assert not [each for each in forked["audit"]["findings"] if each["severity"] == "error"]

    def test_every_line_is_sent_once(self, forked, tmp_path):
        """They send the load of one worker that is not forked, with its digest."""
        one = run(tmp_path / "one", "--count", "100", "--instrument", "prometheus-client")
        assert forked["workload"]["digest"] == one["workload"]["digest"]
        assert forked["ledger"] == one["ledger"]
        assert forked["service_ns"]["count"] == 100

    def test_each_worker_is_replaced_after_its_lines(self, forked):
        """Five processes of ten lines took each other's place."""
        assert forked["forks"] == [
            {"number": number, "lines": 50, "processes": 5, "recycled": 4, "killed": 0} for number in (0, 1)
        ]


@pytest.mark.parametrize(
    "recycle", [[], pytest.param(["--recycle", "20"], marks=pytest.mark.slow)], ids=["not recycled", "recycled"]
)
def test_the_page_is_exact_after_a_kill(tmp_path, recycle):
    """What a killed worker had recorded is known to the line, the load goes on, and the line in doubt is told."""
    arguments = ["--count", "200", "--fork", "2", *recycle, *MULTIPROCESS]
    with running(tmp_path, ["run", *LOAD, *SCRAPED, "--json", "result.json", *arguments]) as command:
        assert command.wait_until_told("lines/s"), command.told
        forked_by(command)[0].send_signal(signal.SIGKILL)
        command.ended()
        command.leaves_nothing()
        result = result_of(command)
    assert result["audit"]["outcome"] == "conserved", result["audit"]["findings"]
    assert findings(result)["worker_killed"]["size"] == 1
    assert sum(fork["killed"] for fork in result["forks"]) == 1
    assert result["ledger"]["offered"] == 200
    assert result["ledger"]["raised"] in ({"WorkerKilled": 1}, {})


@pytest.mark.parametrize(
    "instrument",
    [
        "prometheus-client",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("opencensus", "opencensus-lean", "opentelemetry")),
    ],
)
def test_counters_in_memory_are_found_to_be_apart(tmp_path, instrument):
    """A scrape shows one worker; the finding says how many lines the page lacks."""
    result = run(tmp_path / "run", "--count", "100", "--fork", "2", "--instrument", instrument)
    assert result["audit"]["outcome"] == "not_conserved"
    apart = findings(result)["workers_counted_apart"]
    assert apart["size"] == 50
    assert "prometheus-client-multiprocess" in apart["remedy"]


def test_nothing_is_left_where_a_run_is_interrupted(tmp_path):
    """Workers, files and folders are gone; what was sent until then is accounted for and compared."""
    arguments = ["--duration", "60s", "--fork", "2", "--recycle", "10", *MULTIPROCESS]
    options = ["run", *LOAD, *SCRAPED, "--json", "result.json", *arguments]
    with running(tmp_path, options, grace_s=100) as command:
        assert command.wait_until_told("lines/s"), command.told
        command.interrupt(signal.SIGINT)
        assert command.ended() == 130
        command.leaves_nothing()
        result = result_of(command)
    assert result["interrupted"]
    assert result["ledger"]["offered"] == sum(fork["lines"] for fork in result["forks"])


def test_nothing_is_left_where_the_command_is_killed(tmp_path):
    """The process that forks ends with its connection, and takes workers and folder with it."""
    with running(
        tmp_path, ["run", *LOAD, "--scraper", "none", "--duration", "60s", "--fork", "2", *MULTIPROCESS]
    ) as command:
        assert command.wait_until_told("lines/s"), command.told
        command.interrupt(signal.SIGKILL)
        command.ended()
        command.leaves_nothing()


BREAKS = """
import os
from harness.instruments.none import NoInstrument

class Breaks(NoInstrument):
    builder = os.getpid()

    @property
    def registry(self):
        if os.getpid() != self.builder:
            raise RuntimeError("not behind a fork")
"""


def test_an_instrument_that_breaks_behind_a_fork_ends_the_run_in_one_line(tmp_path):
    """With the number of the worker and the reason, and without a second try."""
    (tmp_path / "own.py").write_text(BREAKS)
    with running(tmp_path, ["run", *LOAD, *SCRAPED, "--fork", "2", "--instrument", "own:Breaks"]) as command:
        assert command.ended() == 1
        assert re.search(r"error: forked worker \d ended with code 1: RuntimeError: not behind a fork", command.told)
        assert "Traceback" not in command.told
        command.leaves_nothing()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recycle", "10"], "--recycle: is for forked workers; say how many with fork"),
        (["--fork", "2", "--workers", "2"], "--fork: is for one process that forks"),
        (["--fork", "2", "--incident", "stall@1s+1s"], "--fork: takes no incidents"),
        (["--fork", "2", "--policy", "drop"], "--fork: sends every line"),
        (["--fork", "2", "--arrivals", "max"], "--fork: needs a schedule"),
        (["--fork", "2", "--instrument", "nobody"], "--instrument: there is no instrument 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, arguments, words):
    """With the flag, before anything is sent."""
    with running(tmp_path, ["run", *LOAD, *arguments]) as command:
        assert command.ended() == 2
        assert words in command.told
        assert "Traceback" not in command.told
