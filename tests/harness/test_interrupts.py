"""When a signal is acted on: at once, in the next block that keeps what it has, or after what is being saved."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from harness import interrupts
from harness.interrupts import deferred, held, interruptible, uninterrupted


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from a process that has received nothing; nothing is installed, so no clock ever runs."""
    monkeypatch.setattr(interrupts, "_state", interrupts._State())


def arrives(number: int = signal.SIGINT) -> None:
    interrupts._handle(number, None)


def again() -> None:
    """Let a second signal, whichever it is, arrive."""
    interrupts._act(put_off=False)


def test_a_signal_raises_at_once() -> None:
    """Outside of all blocks there is nothing to keep."""
    with pytest.raises(KeyboardInterrupt):
        arrives()


def test_a_deferred_signal_waits_for_the_block_that_keeps_what_it_has() -> None:
    """It is raised as the next such block begins, and there at once."""
    reached = []
    with deferred():
        arrives()
        reached.append("put off")
        with pytest.raises(KeyboardInterrupt), interruptible():
            reached.append("never")  # pragma: no cover - that is the point
        with pytest.raises(KeyboardInterrupt), interruptible():
            arrives()
        reached.append("after")
    assert reached == ["put off", "after"]


def test_a_deferred_signal_is_raised_at_the_end_at_the_latest() -> None:
    """Where no block keeps anything, the end of the whole is where it is raised."""
    with pytest.raises(KeyboardInterrupt), deferred():
        arrives()


def test_the_first_alarm_ends_what_was_only_deferred() -> None:
    """Half of the grace is over: what has not come to a block that keeps what it has is interrupted where it is."""
    with deferred():
        arrives()
        with pytest.raises(KeyboardInterrupt):
            interrupts._alarm(signal.SIGALRM, None)


def test_what_is_being_saved_is_saved() -> None:
    """Neither the signal nor the first alarm strikes in a held block; it is raised behind it."""
    saved = []

    def save() -> None:
        with deferred(), held():
            arrives()
            interrupts._alarm(signal.SIGALRM, None)
            saved.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        save()
    assert saved == ["all of it"]


def test_a_second_signal_ends_saving_too() -> None:
    """Whoever asks twice means now."""
    with held():
        arrives()
        with pytest.raises(KeyboardInterrupt):
            again()


def test_a_process_is_registered_before_a_signal_is_acted_on() -> None:
    """Between a start and its registration nothing is raised, not even by a second signal."""
    registered = []

    def start() -> None:
        with uninterrupted():
            arrives()
            again()
            registered.append("process")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert registered == ["process"]


def test_without_signals_blocks_change_nothing() -> None:
    """Nested in any way they pass through."""
    with deferred(), held(), interruptible(), uninterrupted():
        pass


def test_an_exception_leaves_no_block_behind() -> None:
    """After an error in all of them, a signal is raised at once again."""
    with pytest.raises(LookupError), deferred(), interruptible(), held(), uninterrupted():
        raise LookupError
    with pytest.raises(KeyboardInterrupt):
        arrives()


def test_other_programs_are_left_alone() -> None:
    """Without `install`, Ctrl-C does what it did before, and no alarm is set."""
    assert interrupts.note(signal.SIGINT)
    assert interrupts.received() is None
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from harness import interrupts\nimport os, signal, subprocess, sys, tempfile, time\ninterrupts.install()\n"
    return subprocess.run(
        [sys.executable, "-c", code + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )


def test_what_swallows_every_interrupt_is_left_with_its_children_and_folders() -> None:
    """Shortly before the grace is over the process leaves with the signal's code, whatever its code does."""
    done = run(
        """
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        folder = tempfile.TemporaryDirectory(prefix="left-behind-")
        print(child.pid, folder.name, flush=True)
        while True:
            try:
                os.kill(os.getpid(), signal.SIGTERM) if interrupts.received() is None else time.sleep(0.01)
            except KeyboardInterrupt:
                pass
        """,
        HARNESS_GRACE="1",
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    child, folder = done.stdout.split()
    assert not Path(folder).exists()
    deadline = time.monotonic() + 60
    while _runs(int(child)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_grace_that_is_no_number_is_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who presses Ctrl-C wants to hear of a variable."""
    monkeypatch.setenv(interrupts.GRACE_VARIABLE, "soon")
    assert interrupts.grace_s() == interrupts.GRACE_S == 5.0
    monkeypatch.setenv(interrupts.GRACE_VARIABLE, "30")
    assert interrupts.grace_s() == 30.0
