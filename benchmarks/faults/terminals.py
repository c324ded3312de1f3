"""Faults of the terminal and of whoever reads: gone, closed, not reading; and signals, once and twice."""

import fcntl
import os
import signal
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.faults.fault import fault
from benchmarks.faults.trial import Trial, accounted
from tests.harness.cli.commands import code_of

__all__ = ["LONG"]

LONG = {
    "run": ("run", "--duration", "60s", "--scraper", "builtin"),
    "overhead": ("overhead", "--instruments", "prometheus-client-cached", "--budget", "60s"),
    "run workers": ("run", "--duration", "60s", "--scraper", "builtin", "--workers", "2"),
}
# From a signal to the end: what a command may take, and what a busy machine may add.
_ENDED_S = 15.0
_READ = 65_536


@fault(
    "terminal-gone",
    "the terminal of a run closed while lines are sent (SIGHUP)",
    "exit code 129; the run is stored as interrupted",
)
def terminal_gone(trial: Trial) -> str:
    master, slave = os.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    with trial.running(
        *LONG["run"], grace_s=30, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=take_terminal,
    ) as command:  # fmt: skip
        os.close(slave)
        shown = b""
        while b"offered" not in shown:
            shown += os.read(master, _READ)
        os.close(master)
        assert command.ended(60) == code_of(signal.SIGHUP)
    document = trial.newest()
    assert document["interrupted"], "interrupted"
    return accounted(document)


@contextmanager
def _closed_pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


@fault(
    "pipe-closed",
    "standard output of seven commands is a pipe that nobody reads any more",
    "exit code 1 and one line; what was measured is stored",
)
def pipe_closed(trial: Trial) -> str:
    quick = ("run", "--count", "300", "--arrivals", "max", "--scraper", "none")
    commands = (
        quick,
        ("overhead", "--instruments", "prometheus-client-cached", "--budget", "1s"),
        ("lines", "--count", "10k"),
        ("history",),
        ("history", "export", "--format", "csv"),
        ("check",),
        ("schema",),
    )
    for arguments in commands:
        with _closed_pipe() as writer:
            command = trial.run(*arguments, codes={1}, stdout=writer)
        line = Trial.one_line(command)
    assert len(trial.added()) == 2, trial.kept()
    return line


@fault(
    "output-blocked",
    "standard output of lines, and of a run that has its summary to print, is a full pipe; then SIGTERM",
    "ends within 5 s of the signal; the run is stored before it is printed",
)
def output_blocked(trial: Trial) -> str:
    for arguments in (("lines", "--count", "1M"), ("run", "--count", "300", "--arrivals", "max", "--scraper", "none")):
        reader, writer = os.pipe()
        try:
            os.set_blocking(writer, False)
            try:
                while os.write(writer, b"x" * 4096):
                    pass
            except BlockingIOError:
                os.set_blocking(writer, True)
            with trial.running(*arguments, stdout=writer) as command:
                assert command.wait_until_ready(), command.told
                if arguments[0] == "run":
                    assert command.wait_until_told("kept as"), command.told
                else:
                    assert command.wait_until_used(0.2), command.told
                began = time.monotonic()
                command.interrupt(signal.SIGTERM)
                assert command.ended(_ENDED_S) == code_of(signal.SIGTERM), command.told
                took_s = time.monotonic() - began
        finally:
            os.close(reader)
            os.close(writer)
    assert len(trial.added()) == 1, trial.kept()
    return f"the last one ended {took_s:.1f} s after the signal"


def _signalled(trial: Trial, *numbers: int) -> str:
    longest_s = 0.0
    for arguments in LONG.values():
        with trial.running(*arguments, grace_s=5) as command:
            assert command.wait_until_told("lines/s" if arguments[0] == "run" else r"harness: +[1-9]\d*%"), command.told
            began = time.monotonic()
            command.interrupt(*numbers)
            code = command.ended(_ENDED_S)
            longest_s = max(longest_s, time.monotonic() - began)
        assert code in {code_of(number) for number in numbers}, (code, command.told)
    return f"ended at most {longest_s:.1f} s after the signal"


def _stored_as_interrupted(trial: Trial) -> None:
    added = trial.added()
    assert len(added) == len(LONG), trial.kept()
    assert all(each.document["interrupted"] for each in added)


@fault(
    "ctrl-c-once",
    "SIGINT to a run, to pairs and to a run of two workers while they measure",
    "exit code 130 within 5 s; the results are stored as interrupted",
)
def ctrl_c_once(trial: Trial) -> str:
    observed = _signalled(trial, signal.SIGINT)
    _stored_as_interrupted(trial)
    return observed


@fault(
    "ctrl-c-twice",
    "SIGINT twice at once to a run, to pairs and to a run of two workers",
    "exit code 130 at once; what is stored is whole",
)
def ctrl_c_twice(trial: Trial) -> str:
    return _signalled(trial, signal.SIGINT, signal.SIGINT)


@fault(
    "terminated",
    "SIGTERM to a run, to pairs and to a run of two workers while they measure",
    "exit code 143 within 5 s; the results are stored as interrupted",
)
def terminated(trial: Trial) -> str:
    observed = _signalled(trial, signal.SIGTERM)
    _stored_as_interrupted(trial)
    return observed
