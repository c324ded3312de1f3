"""The process that starts the workers of this machine, as copies of itself: what they import is imported once.

Run as ``python -m harness.distributed.forking FD...``, with the descriptor that takes each worker's standard error, and
with one line of JSON on standard input: ``workers`` (what each would be told by itself, see
`harness.distributed.worker`) and ``spec``, whose modules are imported beforehand. For each worker that has ended it
writes ``NUMBER CODE`` to standard output, minus the signal for one that was killed. It ends all workers and itself when
its standard input ends, which the system closes however its parent ends, or at SIGTERM.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import traceback
from typing import Any, NoReturn

# Threads would not survive in the copies. The workers' own environment has it no more.
_THREADS = "OPENBLAS_NUM_THREADS"
_PR_SET_PDEATHSIG = 1


def _warm(spec: dict[str, Any]) -> None:
    """Import what the workers need, their load's tables included; what fails here fails in the worker as well."""
    from harness.distributed import worker
    from harness.instruments import BUILT_IN, load_factory
    from harness.run.shard import workload_of
    from harness.run.spec import RunSpec

    worker.versions()
    with contextlib.suppress(Exception):
        run = RunSpec.model_validate(spec)
        workload_of(run)
        # A module of the user's might start threads.
        if run.instrument in BUILT_IN:
            load_factory(run.instrument)


class _Children:
    """The workers that run, by their process; each leads a group of its own."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def start(self, number: int, about: dict[str, Any], complaints: int, parent: int) -> None:
        pid = os.fork()
        if not pid:
            _work(about, complaints, parent)
        with contextlib.suppress(OSError):  # the worker does the same, whoever is first
            os.setpgid(pid, pid)
        self._numbers[pid] = number

    def reap(self) -> None:
        """Tell which workers have ended, and end what they left in their groups."""
        while self._numbers:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            _kill(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            number = self._numbers.pop(ended.si_pid, None)
            if number is not None:
                with contextlib.suppress(OSError):
                    os.write(1, f"{number} {os.waitstatus_to_exitcode(status)}\n".encode())

    def end(self) -> None:
        for pid in self._numbers:
            _kill(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _work(about: dict[str, Any], complaints: int, parent: int) -> NoReturn:
    """Be a worker, in the copy; never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(complaints, 2)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1):
            os.dup2(nothing, descriptor)
        from harness.distributed.worker import dial

        if os.getppid() == parent:
            dial(about)
        code = 0
    except SystemExit as leaving:
        # As the interpreter does it.
        print(leaving.code, file=sys.stderr)  # noqa: T201
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Start every worker and wait for the end of all, or of the parent."""
    os.environ[_THREADS], before = "1", os.environ.get(_THREADS)
    request = json.loads(sys.stdin.buffer.readline())
    _warm(request["spec"])
    del os.environ[_THREADS]
    if before is not None:
        os.environ[_THREADS] = before
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    ended: list[int] = []
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    children, parent = _Children(), os.getpid()
    for number, (about, complaints) in enumerate(zip(request["workers"], map(int, sys.argv[1:]), strict=True)):
        children.start(number, about, complaints, parent)
    while not ended:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 512)
            children.reap()
        if 0 in ready and not os.read(0, 4096):
            break
    children.end()


if __name__ == "__main__":
    main()
