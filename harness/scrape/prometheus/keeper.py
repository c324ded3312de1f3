"""A process between the harness and a server it starts, which removes server and folder however the harness ends.

Run as ``python keeper.py FOLDER COMMAND...``; imports only the standard library, to start fast. It starts the command,
prints its process id on standard output, and waits for its standard input to end: the system closes it however the
harness ends, SIGKILL included. Then it stops the command and removes FOLDER. When the command ends first, it prints
``exit CODE`` and leaves the folder until the input ends, because its log has to be read. If the keeper itself is
killed, the kernel kills the command.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

# What it stored goes away with the folder, so it need not end in order.
GRACE_S = 1.0
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Run in the child before its program starts; safe, since the keeper has a single thread."""
    with contextlib.suppress(OSError):  # without it the command still ends with us in all cases but one
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _tell(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _input_ended(timeout_s: float, parent: int) -> bool:
    readable, _, _ = select.select([0], [], [], timeout_s)
    # A fork of the parent may still hold the pipe when the parent is gone.
    return bool(readable and not os.read(0, 4096)) or os.getppid() != parent


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _watch(process: "subprocess.Popen[bytes]", parent: int) -> None:
    reported = False
    while not _input_ended(0.1, parent):
        if not reported and process.poll() is not None:
            _tell(f"exit {process.returncode}")
            reported = True


def main(arguments: list[str]) -> int:
    """Keep the command until the input ends."""
    parent = os.getppid()
    folder, *command = arguments
    for unwanted in (signal.SIGINT, signal.SIGHUP):
        signal.signal(unwanted, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    process: subprocess.Popen[bytes] | None = None
    try:
        with open(os.path.join(folder, "log"), "wb") as log:  # noqa: PTH118, PTH123 - pathlib takes longer to import
            process = subprocess.Popen(  # noqa: S603 - the command is the harness's own
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                preexec_fn=_die_with_parent,
            )
        _tell(f"pid {process.pid}")
        _watch(process, parent)
    except OSError as error:
        _tell(f"error {error.strerror}")
    finally:
        if process is not None:
            _end(process)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
