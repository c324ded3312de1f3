"""A run of several workers keeps every promise of a run of one; real processes, and a launcher of threads for liars."""

import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.distributed.coordinator import Fleet
from harness.distributed.local import LocalLauncher
from harness.distributed.protocol.wire import send
from harness.distributed.worker import boot_id, versions
from harness.errors import HarnessError, RunError
from harness.run.spec import RunSpec
from tests.harness.cli.commands import Command, code_of, running

pytestmark = pytest.mark.system

# Slow enough for any machine: what is looked at is what arrives, not how fast.
LOAD = ["--arrivals", "constant:rate=50", "--errors", "10%", "--series", "3", "--instrument", "prometheus-client"]
QUIET = ["--scraper", "builtin", "--scrape-interval", "500ms", "--no-save", "--max-lag", "10s"]


def result_of(command: Command) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((command.folder / "result.json").read_text(encoding="utf-8"))
    return document


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    with running(folder, ["run", *LOAD, *QUIET, "--json", "result.json", *arguments]) as command:
        command.ended()
        command.leaves_nothing()
        return result_of(command)


def workers_of(command: Command) -> list[psutil.Process]:
    """Return its workers in the order of their numbers: the children of the process that starts them."""
    return [
        each
        for starter in psutil.Process(command.process.pid).children()
        if "harness.distributed.forking" in starter.cmdline()
        for each in sorted(starter.children(), key=lambda child: child.pid)
    ]


def until_driving(command: Command) -> None:
    assert command.wait_until_told("lines/s"), command.told


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The results of one worker and of two."""
    folder = tmp_path_factory.mktemp("both")
    return run(folder / "one", "--count", "100"), run(folder / "two", "--count", "100", "--workers", "2")


class TestTogether:
    """Two workers beside one, with the same seed."""

    def test_they_send_the_load_of_one(self, both):
        """The same digest, proven from what each made, and the same counts."""
        one, two = both
        assert two["workload"]["digest"] == one["workload"]["digest"]
        assert two["ledger"] == one["ledger"]
        assert [worker["ledger"]["offered"] for worker in two["workers"]] == [50, 50]
        assert not any("other lines" in reason for reason in two["reasons"])

    def test_each_is_scraped_and_audited(self, both):
        """By a scraper that looks at each of them, against its own ledger."""
        two = both[1]
        assert two["audit"]["outcome"] == "conserved"
        assert two["audit"]["compared"] == ["page", two["scrapes"]["scraper"]]
        assert all(worker["conserved"] and worker["scrapes"] for worker in two["workers"])
        assert two["scrapes"]["count"] == sum(worker["scrapes"] for worker in two["workers"])

    def test_a_run_of_one_has_no_list_of_workers(self, both):
        """Its document is what it was."""
        assert both[0]["workers"] == []
        assert len({worker["pid"] for worker in both[1]["workers"]}) == 2

    def test_the_run_over_time_adds_up(self, both):
        """The points of both runs add up to their ledgers, and the longest response is in one of them."""
        points = [[(p["lines"], p["failed"]) for p in result["timeline"]["points"]] for result in both]
        assert [sum(lines for lines, _ in each) for each in points] == [r["ledger"]["offered"] for r in both]
        assert [sum(failed for _, failed in each) for each in points] == [r["ledger"]["failed"] for r in both]
        for result in both:
            longest = max(p["response_ns"]["max"] or 0 for p in result["timeline"]["points"])
            assert longest == result["response_ns"]["max"]

    def test_they_share_the_clock_of_the_machine(self, both):
        """So nothing about their start is uncertain."""
        assert {(w["offset_ns"], w["uncertainty_ns"]) for w in both[1]["workers"]} == {(0, 0)}


@pytest.mark.prometheus
def test_the_real_prometheus_finds_and_stores_every_worker(tmp_path: Path) -> None:
    """One server for all of them; what it stored of each equals that worker's page."""
    result = run(tmp_path, "--count", "60", "--workers", "2", "--scraper", "prometheus")
    assert result["audit"]["outcome"] == "conserved"
    assert result["audit"]["compared"][1].startswith("Prometheus ")
    assert result["audit"]["scrapes_compared"] >= 2


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.slow)])
def test_a_lost_worker_is_a_lost_run_and_not_a_wrong_one(tmp_path: Path, number: signal.Signals) -> None:
    """It is named, the other's result is kept, and nothing is left."""
    options = ["--duration", "8s", "--workers", "2", "--json", "result.json"]
    with running(tmp_path, ["run", *LOAD, *QUIET, *options], grace_s=100) as command:
        until_driving(command)
        victim = workers_of(command)[1]
        victim.send_signal(number)
        if number == signal.SIGSTOP:
            # Whoever stays stopped is given up when the schedule is long over; Ctrl-C is quicker.
            command.interrupt(signal.SIGINT)
        code = command.ended()
        command.leaves_nothing()
        result = result_of(command)
    assert code == (1 if number == signal.SIGKILL else code_of(signal.SIGINT))
    lost = {worker["pid"]: worker for worker in result["workers"]}[victim.pid]
    assert lost["lost"]
    assert lost["ledger"] is None
    assert number != signal.SIGKILL or lost["lost"] == "killed by signal 9"
    assert f"worker {lost['number']} was lost: {lost['lost']}" in result["reasons"]
    assert (result["verdict"], result["audit"]["outcome"]) == ("invalid", "not_verified")
    (other,) = [worker for worker in result["workers"] if worker["lost"] is None]
    assert result["ledger"] == other["ledger"]
    assert other["conserved"] is True
    # Scrapes of the lost one are within its schedule; at least the one before the start is there.
    (within,) = [each for each in result["audit"]["findings"] if each["name"].startswith("lost_worker")]
    assert (within["name"], within["severity"]) == ("lost_worker_within", "info")
    assert within["detail"].startswith(f"worker {lost['number']}: ")
    assert within["size"] >= 1


@pytest.mark.prometheus
def test_what_prometheus_stored_of_a_lost_worker_is_held_against_its_schedule(tmp_path: Path) -> None:
    """Every scrape of it, from before the start to the last one before its end."""
    options = ["--duration", "5s", "--workers", "2", "--json", "result.json", "--scraper", "prometheus"]
    with running(tmp_path, ["run", *LOAD, *QUIET, *options], grace_s=100) as command:
        until_driving(command)
        workers_of(command)[0].kill()
        assert command.ended() == 1
        command.leaves_nothing()
        result = result_of(command)
    (within,) = [each for each in result["audit"]["findings"] if each["name"].startswith("lost_worker")]
    assert within["name"] == "lost_worker_within"
    assert within["size"] >= 2
    assert result["audit"]["outcome"] == "not_verified"


def test_an_interruption_keeps_what_all_have_sent(tmp_path: Path) -> None:
    """Each ends at its next line; what was sent is accounted for. Until then the worst worker is named."""
    options = ["--duration", "100s", "--workers", "2", "--json", "result.json"]
    with running(tmp_path, ["run", *LOAD, *QUIET, *options], grace_s=100) as command:
        until_driving(command)
        assert command.wait_until_told(r"lag p99 .* \(worker [01]\b.*\)  response p99"), command.told
        command.interrupt(signal.SIGINT)
        assert command.ended() == code_of(signal.SIGINT)
        command.leaves_nothing()
        result = result_of(command)
    assert result["interrupted"]
    assert 0 < result["ledger"]["offered"] < 5_000
    assert all(worker["ledger"]["offered"] for worker in result["workers"])


def test_workers_end_with_the_coordinator(tmp_path: Path) -> None:
    """Even where that is killed and can tell nobody."""
    with running(tmp_path, ["run", *LOAD, *QUIET, "--duration", "100s", "--workers", "2"]) as command:
        until_driving(command)
        workers = workers_of(command)
        assert len(workers) == 2
        command.process.kill()
        command.process.wait()
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert alive == []


class Threads:
    """Starts nothing but threads that dial in and say what they are told to."""

    address = "127.0.0.1"

    def __init__(self, *hellos: dict[str, Any]) -> None:
        self._hellos = hellos
        self._sockets: list[socket.socket] = []

    def start(self, port: int, token: str, count: int) -> None:
        def dial(hello: dict[str, Any]) -> None:
            peer = socket.create_connection((self.address, port))
            self._sockets.append(peer)
            usual = {
                "hello": token,
                "number": 0,
                "pid": 1,
                "host": "elsewhere",
                "boot": boot_id(),
                "versions": versions(),
            }
            send(peer, {**usual, **hello})

        for hello in self._hellos:
            threading.Thread(target=dial, args=(hello,)).start()

    def reason(self, number: int) -> str:
        return ""

    def close(self) -> None:
        for peer in self._sockets:
            peer.close()


def test_a_worker_of_another_version_is_refused_with_the_difference() -> None:
    """A figure of two versions would be of neither."""
    other = Threads({"versions": {**versions(), "prometheus-client": "0.0.1"}})
    with pytest.raises(RunError, match=r"worker 0 on elsewhere has prometheus-client 0\.0\.1 instead of \d"):
        Fleet(RunSpec(), 1, other)


def test_whoever_does_not_know_the_token_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no worker's place, and the run ends for want of one."""
    monkeypatch.setattr("harness.distributed.coordinator._START_S", 0.5)
    monkeypatch.setattr("harness.distributed.coordinator._START_EACH_S", 0.0)
    with pytest.raises(RunError, match="1 of 1 workers have not dialled in"):
        Fleet(RunSpec(), 1, Threads({"hello": "wrong"}, {"number": 7}))


def test_what_a_worker_cannot_do_is_told_as_if_it_were_here() -> None:
    """An instrument that it does not have, for example; and its process is gone."""
    spec = RunSpec(instrument="nosuch")
    launcher = LocalLauncher(spec)
    with pytest.raises(HarnessError, match="nosuch"):
        Fleet(spec, 2, launcher)
    assert launcher._process is None


def test_auto_leaves_one_core_to_the_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is one where there is only one."""
    from harness.distributed.choose import worker_count

    for cores, expected in ((1, 1), (2, 1), (8, 7)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid, cores=cores: set(range(cores)))
        assert worker_count(RunSpec(workers="auto")) == expected
    assert worker_count(RunSpec(workers=3)) == 3


@pytest.mark.parametrize("value", ["0", "many", "1.5", "10001"])
def test_a_wrong_number_of_workers_is_one_line(tmp_path: Path, value: str) -> None:
    """It names the flag and says what would be right."""
    with running(tmp_path, ["run", "--workers", value]) as command:
        assert command.ended() == 2
        assert "--workers" in command.told
        assert command.told.count("\n") == 1
