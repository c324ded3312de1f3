"""Faults of what is shared: a taken port, a lost worker, a store with several writers or without links."""

import ctypes
import errno
import platform
import signal
import socket
import threading

from benchmarks.faults.disks import QUICK
from benchmarks.faults.fault import SkippedError, fault
from benchmarks.faults.prometheus import sending
from benchmarks.faults.trial import Trial, accounted
from tests.harness.cli.commands import running

__all__ = ["without_links"]


@fault(
    "port-taken",
    "the port of run, repl and the live page is in use",
    "exit code 1 or 2 and one line that names the flag",
)
def port_taken(trial: Trial) -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, flag in (
            ((*QUICK, "--port", port), "--port"),
            (("repl", "--port", port), "--port"),
            ((*QUICK, "--live-port", port), "--live-port"),
        ):
            line = Trial.one_line(trial.run(*arguments, codes={1, 2}))
            assert flag in line, line
    return line


@fault(
    "worker-lost",
    "SIGKILL to one of two workers while lines are sent",
    "exit code 1: the run is INVALID, with what the other one did, and stored",
)
def worker_lost(trial: Trial) -> str:
    run = ("run", "--duration", "3s", "--arrivals", "constant:rate=200", "--scraper", "builtin", "--workers", "2")
    with trial.running(*run) as command:
        sending(command)
        workers = trial.processes("harness.distributed.forking")
        # The oldest is the one they are copies of.
        workers.sort(key=lambda process: process.pid)
        assert len(workers) == 3, workers
        workers[-1].kill()
        code = command.ended()
    document = trial.newest()
    assert (code, document["verdict"]) == (1, "invalid"), (code, command.told)
    return accounted(document)


@fault(
    "two-commands-one-store",
    "four runs at once on one store that is listed, checked and reported meanwhile",
    "exit code 0 each; all four results are stored",
)
def two_commands_one_store(trial: Trial) -> str:
    wrong: list[str] = []

    def one(folder: str, arguments: tuple[str, ...]) -> None:
        # The trial's own bookkeeping is for one command at a time.
        place = trial.folder / folder
        place.mkdir()
        with running(place, arguments, store=trial.store) as command:
            code = command.ended()
            command.leaves_nothing()
        allowed = {0, 1, 3} if arguments[0] == "check" else {0}
        if code not in allowed or "Traceback" in command.told:
            wrong.append(f"{arguments[0]}: {code}: {command.told[-300:]}")

    commands = [QUICK] * 4 + [("history",), ("check",), ("report", "--output", "page.html")]
    threads = [threading.Thread(target=one, args=(f"at-once-{i}", each)) for i, each in enumerate(commands)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trial.run("history")
    assert not wrong, wrong
    assert len(trial.added()) == 4, trial.kept()
    return f"{len(commands)} commands at once, 4 results more"


_LINK_CALLS = {"x86_64": (86, 265), "aarch64": (37,)}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("first", ctypes.POINTER(_Instruction)))


def without_links() -> None:
    """Let the kernel refuse hard links to this process and its children with EPERM, as FAT does (a seccomp filter)."""
    calls = _LINK_CALLS[platform.machine()]
    steps = [_Instruction(_LOAD, 0, 0, 0)]
    steps += [_Instruction(_JUMP_IF_EQUAL, len(calls) - i, 0, call) for i, call in enumerate(calls)]
    steps += [_Instruction(_RETURN, 0, 0, _ALLOW), _Instruction(_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    program = _Program(len(steps), (_Instruction * len(steps))(*steps))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


@fault(
    "store-without-hard-links",
    "a run, pairs and an import, each refused every hard link by the kernel (seccomp, with FAT's EPERM)",
    "exit codes as ever; the results are stored",
)
def store_without_hard_links(trial: Trial) -> str:
    if platform.machine() not in _LINK_CALLS:
        raise SkippedError(f"the numbers of system calls are not known for {platform.machine()}")
    overhead = ("overhead", "--instruments", "prometheus-client-cached", "--budget", "1s")
    trial.run(*QUICK, preexec_fn=without_links)
    trial.run(*overhead, codes={0, 1, 3}, preexec_fn=without_links)
    trial.run("history", preexec_fn=without_links)
    assert len(trial.added()) == 2, trial.kept()
    return "2 results more"


@fault(
    "worker-stopped",
    "SIGSTOP to one of two workers while lines are sent",
    "exit code 1: the run is INVALID within its own deadline, and stored",
    deadline_s=300,
)
def worker_stopped(trial: Trial) -> str:
    run = ("run", "--duration", "3s", "--arrivals", "constant:rate=200", "--scraper", "builtin", "--workers", "2")
    with trial.running(*run) as command:
        sending(command)
        workers = sorted(trial.processes("harness.distributed.forking"), key=lambda process: process.pid)
        workers[-1].send_signal(signal.SIGSTOP)
        code = command.ended(200)
    document = trial.newest()
    assert (code, document["verdict"]) == (1, "invalid"), (code, command.told)
    return accounted(document)
