"""Ctrl-C, a termination and the loss of the terminal end every command within seconds, with what was measured kept.

Moments are drawn from seeds and given in processor time used or lines written, never in seconds: a slow machine reaches
the same ones later.
"""

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness.cli.commands import Command, code_of, running

pytestmark = pytest.mark.system

# What a command may take, and what a busy machine may add before the end of a process is noticed.
GRACE_S = 5.0
NOTICED_S = 10.0
# For tests of what is kept, so that a machine that takes long to save does not make them fail.
PATIENT_S = 100.0

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PAIRED = ["--instruments", "prometheus-client-cached", "--budget", "60s"]
SLOW, PROMETHEUS = pytest.mark.slow, pytest.mark.prometheus
VALGRIND = pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")

# Name -> arguments, and the processor time in seconds within which moments are drawn.
COMMANDS: dict[str, tuple[list[str], float]] = {
    "run": (["run", "--duration", "60s", "--scraper", "builtin"], 3),
    "run-prometheus": (["run", "--duration", "60s", "--scraper", "prometheus", "--scrape-interval", "200ms"], 5),
    "run-audit": (["run", "--count", "2k", "--arrivals", "max", "--scraper", "builtin", "--series", "300"], 8),
    "run-closed": (["run", "--duration", "60s", "--arrivals", "max", "--scraper", "none"], 4),
    "run-live": (["run", "--duration", "60s", "--scraper", "builtin", "--live"], 3),
    "demo": (["demo", "--port", "0", "--quiet"], 3),
    "lines": (["lines", "--arrivals", "poisson:rate=1k", "--duration", "60s"], 0.6),
    "overhead": (["overhead"], 20),
    "comparison": (["overhead", *PAIRED], 8),
    "scraped": (["overhead", *PAIRED, "--scraped"], 8),
    "instructions": (["overhead", *PAIRED[:2], "--axis", "instructions"], 15),
    "ladder": (["overhead", "ladder", "--budget", "60s"], 10),
    "laws": (["overhead", "laws", "series:1,10", *PAIRED], 10),
    "scrape": (["overhead", "scrapes", *PAIRED[:2]], 10),
    "saturation": (["overhead", "saturation", *PAIRED[:2]], 10),
    "self-test": (["overhead", "self-test", "--budget", "60s"], 10),
    "diff": (["overhead", "pages", "opencensus", "opencensus-lean"], 3),
    "full": (["overhead", "full", *PAIRED[:2]], 20),
    "compare": (["compare", "prometheus-client", "prometheus-client-cached", "--budget", "60s"], 10),
    "check-fresh": (["check", "--fresh", *PAIRED], 10),
    "check": (["check"], 2),
    "report": (["report", "--output", "page.html"], 3),
    "history": (["history"], 2),
    "export": (["history", "export", "--format", "csv", "--output", "runs.csv"], 2),
    "import": (["history", "import", "suites"], 2),
    "probe": (["probe"], 15),
    "repl": (["repl", "--port", "0"], 1),
    "linger": (["repl", "--port", "0", "--linger", "60s"], 1),
}
QUICK = ("run", "lines", "repl", "comparison")
NEEDS = {
    "run-prometheus": (PROMETHEUS,), "demo": (PROMETHEUS,), "scraped": (PROMETHEUS,), "scrape": (PROMETHEUS,),
    "full": (PROMETHEUS,), "instructions": (VALGRIND,),
}  # fmt: skip
# What a command says before it only waits.
WAITS = {"repl": "serving", "linger": "serving 60s more", "demo": "scrapes every 10 s"}
KEEPS = {"check", "report", "history", "export"}


def cases(trials: int) -> list[Any]:
    """Return every command with some seeds; those that take long are marked."""
    return [
        pytest.param(name, seed, marks=[*NEEDS.get(name, ()), *(() if name in QUICK and not seed else (SLOW,))])
        for name in COMMANDS
        for seed in range(trials)
    ]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a history with a run and an experiment in it."""
    folder = tmp_path_factory.mktemp("kept")
    for i, arguments in enumerate(
        (
            ["run", "--count", "300", "--arrivals", "max", "--scraper", "none"],
            ["overhead", "--instruments", "prometheus-client-cached", "--budget", "1s"],
        )
    ):
        place = folder / str(i)
        place.mkdir()
        with running(place, arguments, store=folder / "runs") as command:
            assert command.ended() == 0, command.told
    return folder / "runs"


def started(name: str, folder: Path, kept: Path | None = None) -> Any:
    """Start a command of the table."""
    arguments, _ = COMMANDS[name]
    options: dict[str, Any] = {}
    if name == "repl":
        # An input that stays open: it waits for lines that never come.
        options["stdin"] = subprocess.PIPE
    if name == "import":
        (folder / "suites").mkdir()
        for i in range(200):
            suite = {"datetime": "2026-01-01T00:00:00+00:00", "benchmarks": [], "machine_info": {"node": str(i)}}
            (folder / "suites" / f"{i}.json").write_text(json.dumps(suite))
    store = folder / "runs"
    if name in KEEPS:
        assert kept is not None
        shutil.copytree(kept, store)
    return running(folder, arguments, store=store, **options)


def moment(name: str, seed: int) -> float:
    """Return the processor time, in seconds, after which a command is interrupted."""
    return random.Random(f"{name} {seed}").uniform(0.05, COMMANDS[name][1])  # noqa: S311 - no secret


def settle(command: Command, number: int, name: str) -> None:
    """Assert that an interrupted command ended as it should, and that nothing of it is left."""
    began = time.monotonic()
    code = command.ended(NOTICED_S + GRACE_S)
    assert time.monotonic() - began < GRACE_S + NOTICED_S
    # A signal that comes in the last moment changes nothing any more; leaving by Ctrl-C is no failure of these two.
    natural = {0, 1, 3} if name not in {"demo", "repl", "linger"} else {0}
    assert code in {code_of(number), *natural}, (code, command.told)
    assert "Traceback" not in command.told
    command.leaves_nothing()


@pytest.mark.parametrize(("name", "seed"), cases(3))
def test_a_signal_at_any_moment_ends_a_command_and_leaves_nothing(
    name: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """At a moment drawn from the seed: ended within 5 s with the signal's code, no process and no file left behind."""
    kept = request.getfixturevalue("kept") if name in KEEPS else None
    number = SIGNALS[seed % len(SIGNALS)]
    with started(name, tmp_path, kept) as command:
        if command.wait_until_ready() and command.wait_until_used(moment(name, seed), WAITS.get(name, "")):
            command.interrupt(number)
            settle(command, number, name)
        else:
            assert command.ended() in {0, 1, 3}, command.told
            command.leaves_nothing()


@SLOW
@pytest.mark.parametrize("name", ["run", "comparison", "probe", "run-audit"])
@pytest.mark.parametrize("seed", range(3))
def test_two_signals_end_a_command_at_once(name: str, seed: int, tmp_path: Path) -> None:
    """Whatever the first one left to be saved, the second one ends it, and nothing is left behind all the same."""
    first, second = SIGNALS[seed], SIGNALS[seed - 1]
    with started(name, tmp_path) as command:
        if command.wait_until_ready() and command.wait_until_used(moment(name, seed + 100)):
            command.interrupt(first, second)
            # Of two that wait at the same time the one with the lower number is delivered first.
            assert command.ended(GRACE_S + NOTICED_S) in {code_of(first), code_of(second), 0, 1, 3}, command.told
            assert "Traceback" not in command.told
        command.ended()
        command.leaves_nothing()


MEASURING = {
    "comparison": ["overhead", *PAIRED],
    "overhead": ["overhead"],
    "ladder": ["overhead", "ladder", "--budget", "60s"],
    "laws": ["overhead", "laws", "series:1,10", *PAIRED],
    "check-fresh": ["check", "--fresh", *PAIRED],
}
# Only pairs of what is compared count as progress.
A_PAIR = r"harness: +[1-9]\d*%"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param(name, number, marks=() if (name, number) == ("comparison", signal.SIGTERM) else SLOW)
        for name in MEASURING
        for number in SIGNALS
    ],
)
def test_pairs_measured_until_the_signal_are_kept(name: str, number: int, tmp_path: Path) -> None:
    """The history has the document, marked as interrupted, with the pairs so far; the exit code is the signal's."""
    arguments = MEASURING[name]
    saved = tmp_path / "saved.json"
    json_file = [] if name == "check-fresh" else ["--json", str(saved)]
    with running(tmp_path, [*arguments, *json_file], grace_s=PATIENT_S) as command:
        assert command.wait_until_told(A_PAIR)
        command.interrupt(number)
        assert command.ended() == code_of(number), command.told
        command.leaves_nothing()
        documents = [json.loads(path.read_text())["document"] for path in command.store.glob("*.json")]
        if json_file:
            documents.append(json.loads(saved.read_text()))
        assert len(documents) == 1 + bool(json_file)
        for document in documents:
            assert document["interrupted"] is True
            assert any(each["pairs"] for each in document["experiments"])
        if name != "check-fresh":
            assert command.printed.strip()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=SLOW), pytest.param(signal.SIGHUP, marks=SLOW)]
)
@pytest.mark.parametrize(
    ("stage", "words"),
    [pytest.param("driving", "lines/s", marks=()), pytest.param("waiting for a scrape", "one more scrape", marks=SLOW)],
)
def test_a_run_is_kept_whenever_it_is_interrupted(number: int, stage: str, words: str, tmp_path: Path) -> None:
    """While lines are sent and while the last scrape is waited for: result saved and printed, marked as interrupted."""
    saved = tmp_path / "saved.json"
    arguments = ["run", "--duration", "2s" if stage != "driving" else "60s", "--scraper", "builtin"]
    arguments += ["--scrape-interval", "20s"] if stage != "driving" else []
    with running(tmp_path, [*arguments, "--json", str(saved)], grace_s=PATIENT_S / 10) as command:
        assert command.wait_until_told(words)
        command.interrupt(number)
        assert command.ended() == code_of(number), command.told
        command.leaves_nothing()
        result = json.loads(saved.read_text())
        assert result["interrupted"] is True
        assert result["ledger"]["offered"] > 0
        assert "Interrupted" in command.printed
        [path] = command.store.glob("*.json")
        assert json.loads(path.read_text())["document"]["interrupted"] is True


@pytest.mark.slow
def test_defects_found_until_the_signal_are_told(tmp_path: Path) -> None:
    """`probe` prints what it has found, says what it has not looked for, and writes both."""
    saved = tmp_path / "found.json"
    with running(tmp_path, ["probe", "--json", str(saved)], grace_s=PATIENT_S) as command:
        assert command.wait_until_told("harness: ")
        command.interrupt(signal.SIGINT)
        assert command.ended() == code_of(signal.SIGINT), command.told
        command.leaves_nothing()
        found = json.loads(saved.read_text())
        assert found["interrupted"] is True
        known = [each for each in found["outcomes"] if "interrupted" not in each["evidence"]]
        assert 0 < len(known) < len(found["outcomes"])
        assert "not looked for: interrupted" in command.printed


HANGING = """
from prometheus_client import CollectorRegistry
class Hanging:
    '''Never returns from its hundredth line.'''
    def __init__(self, views):
        self.registry, self.left = CollectorRegistry(), 100
    def record(self, latency_ms, length_bytes, tags):
        self.left -= 1
        if self.left <= 0:
            open("hanging", "w").close()
        while self.left <= 0:
            pass
    def close(self): pass
class Stuck(Hanging):
    '''Never lets go of the interpreter.'''
    def record(self, latency_ms, length_bytes, tags):
        import re
        re.match(r"(a+)+$", "a" * 60 + "b")
"""


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_subject_that_hangs_is_left(number: int, tmp_path: Path) -> None:
    """The line that never returns is ended after half of the grace, and the run is kept with it as raised."""
    (tmp_path / "own.py").write_text(HANGING)
    saved = tmp_path / "saved.json"
    arguments = ["run", "--instrument", "own:Hanging", "--arrivals", "max", "--count", "1000", "--scraper", "none"]
    with running(tmp_path, [*arguments, "--json", str(saved)], grace_s=PATIENT_S / 10) as command:
        assert command.wait_for((tmp_path / "hanging").exists, "the line that never returns")
        command.interrupt(number)
        assert command.ended() == code_of(number), command.told
        result = json.loads(saved.read_text())
        assert result["interrupted"] is True
        assert result["ledger"]["raised"] == {"KeyboardInterrupt": 1}
        assert result["ledger"]["offered"] == 100
        command.leaves_nothing()


@pytest.mark.slow
def test_a_subject_that_never_lets_go_of_the_interpreter_is_ended(tmp_path: Path) -> None:
    """No Python code runs any more, and the system ends the process; what it started goes with it."""
    (tmp_path / "own.py").write_text(HANGING)
    arguments = ["run", "--instrument", "own:Stuck", "--arrivals", "max", "--count", "10", "--scraper", "builtin"]
    with running(tmp_path, arguments) as command:
        assert command.wait_until_used(3.0)
        command.interrupt(signal.SIGTERM)
        assert command.ended(GRACE_S + NOTICED_S) != 0
        command.leaves_nothing()


def test_lines_that_nobody_reads_do_not_keep_a_command(tmp_path: Path) -> None:
    """With a full pipe in front of it, `lines` ends as soon as it is told to."""
    reader, writer = os.pipe()
    try:
        with running(tmp_path, ["lines", "--count", "1M"], stdout=writer) as command:
            os.close(writer)
            assert command.wait_for(lambda: _is_full(reader), "full pipe")
            command.interrupt(signal.SIGTERM)
            assert command.ended(GRACE_S + NOTICED_S) == code_of(signal.SIGTERM), command.told
            command.leaves_nothing()
    finally:
        os.close(reader)


def _is_full(reader: int) -> bool:
    held = bytearray(4)
    fcntl.ioctl(reader, termios.FIONREAD, held)
    return int.from_bytes(held, "little") >= 65_536 - 4_096


def test_a_run_survives_the_loss_of_its_terminal(tmp_path: Path) -> None:
    """Closing the terminal ends it like a termination: the result is saved although nothing can be shown any more."""
    saved = tmp_path / "saved.json"
    master, slave = os.openpty()
    arguments = ["run", "--duration", "60s", "--scraper", "builtin", "--json", str(saved)]

    def take_terminal() -> None:
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    with running(
        tmp_path, arguments, grace_s=PATIENT_S, stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True, preexec_fn=take_terminal,
    ) as command:  # fmt: skip
        os.close(slave)
        shown = b""
        while b"offered" not in shown:
            shown += os.read(master, 65_536)
        command.interrupt()
        os.close(master)
        assert command.ended() == code_of(signal.SIGHUP)
        command.leaves_nothing()
    result = json.loads(saved.read_text())
    assert result["interrupted"] is True
    assert result["ledger"]["offered"] > 0


@pytest.mark.slow
def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """Under `nohup` the loss of the terminal ends nothing."""
    saved = tmp_path / "saved.json"
    arguments = ["run", "--duration", "1s", "--scraper", "none", "--json", str(saved)]

    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with running(tmp_path, arguments, preexec_fn=ignore) as command:
        assert command.wait_until_told("one more scrape") or command.wait_until_ready()
        command.interrupt(signal.SIGHUP)
        assert command.ended() in {0, 1}, command.told
    assert json.loads(saved.read_text())["interrupted"] is False
