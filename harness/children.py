"""Child processes: import path, deadlines, the end of their whole process group, and folders that do not outlive us."""

import os
import secrets
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RunError
from harness.interrupts import uninterrupted

__all__ = [
    "GRACE_S",
    "ISOLATED",
    "PROJECT",
    "Ended",
    "end_group",
    "has_ended",
    "kill_group",
    "own_folder",
    "private_folder",
    "python_path",
    "run_to_end",
]

PROJECT = str(Path(__file__).resolve().parents[1])

# How long a child may take beyond what its plan says before it counts as hanging.
GRACE_S = 60.0

# For every Python we start: the working directory, which ``-m`` and ``-c`` would search before everything else, is not
# searched at all. A flag and not PYTHONSAFEPATH, which a program started by the measured one would inherit.
ISOLATED = ("-P",)

_SHORTEST_NAP_S, _LONGEST_NAP_S = 0.0005, 0.02

# Makes a folder, says so, and removes it when its input ends, which the system brings about even where we are killed;
# what we started may still write for a moment. A fork of ours may hold the input open when we are gone.
_FOLDER_KEEPER = """
import os, select, shutil, signal, sys, time
folder, parent = sys.argv[1], int(sys.argv[2])
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
try:
    os.mkdir(folder, 0o700)
except OSError as error:
    sys.exit(print(error.strerror, flush=True))
try:
    print(flush=True)
    while os.getppid() == parent and not select.select([0], [], [], 1)[0]:
        pass
finally:
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            break
        time.sleep(0.1)
"""


def python_path(*folders: str) -> str:
    """Return a ``PYTHONPATH`` of `folders` and then the user's own, as absolute paths, each once.

    An empty place in the user's own would mean the working directory, which nobody asks for that way; it is left out.
    """
    search = [*folders, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys(os.path.abspath(each) for each in search if each))  # noqa: PTH100 - strings


def own_folder() -> str:
    """Return the folder by which a child of this interpreter finds this very copy of the package.

    Empty where the copy is installed, since it is found anyway: what is installed would go before Python's own modules.
    """
    return "" if PROJECT in site.getsitepackages() else PROJECT


def has_ended(process: "subprocess.Popen[bytes]", within_s: float) -> bool:
    """Wait for the end of a process, for so long at most, and leave it to be reaped by `end_group`.

    A process that is not reaped keeps its number, and so its group's, from being given to another.
    """
    if process.returncode is not None:
        return True
    deadline, nap = time.monotonic() + within_s, _SHORTEST_NAP_S
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        nap = min(2 * nap, _LONGEST_NAP_S, left)
        time.sleep(nap)
    return True


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process started with ``process_group=0`` and every process it left in its group, without waiting.

    SIGKILL, because a child may ignore SIGTERM. What left the group by itself, as a daemon does, is not ours to end.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def end_group(process: "subprocess.Popen[bytes]") -> int:
    """Kill a process and its group, wait for its end and return its exit code; may be called twice."""
    kill_group(process)
    process.wait()
    return process.returncode


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """Yield a new folder of ours alone in the temporary folder; it is removed however we end, SIGKILL included.

    Raises `RunError` where none can be made.
    """
    folder = Path(tempfile.gettempdir()).absolute() / f"{prefix}{secrets.token_hex(8)}"
    with uninterrupted():
        keeper = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", "-c", _FOLDER_KEEPER, str(folder), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
    try:
        said = b"" if keeper.stdout is None else keeper.stdout.readline()
        if said != b"\n":
            reason = said.decode(errors="replace").strip() or "its keeper ended"
            raise RunError(f"no temporary folder can be made in {folder.parent}: {reason}")
        yield folder
    finally:
        for stream in (keeper.stdin, keeper.stdout):
            if stream is not None:
                stream.close()
        has_ended(keeper, GRACE_S)
        end_group(keeper)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    output: bytes
    complaints: str

    @property
    def last_word(self) -> str:
        """The last line of its complaints."""
        lines = self.complaints.strip().splitlines()
        return lines[-1].strip() if lines else "no word"


def run_to_end(
    arguments: Sequence[str],
    *,
    what: str,
    within_s: float,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    folder: str | Path | None = None,
) -> Ended:
    """Run a command in a process group of its own, with `given` on its standard input, and return how it ended.

    However this is left, nothing of the group is. Raises `RunError`, which begins with `what`, when it has not ended
    after `within_s` seconds, and the `OSError` that starting it met.
    """
    # Files and no pipes: a grandchild that holds a pipe open would keep us waiting for its end.
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        source.write(given)
        source.seek(0)
        process = None
        try:
            with uninterrupted():
                process = subprocess.Popen(  # noqa: S603 - the callers' own commands
                    arguments,
                    stdin=source,
                    stdout=output,
                    stderr=complaints,
                    env=None if environment is None else dict(environment),
                    cwd=folder,
                    process_group=0,
                )
            if not has_ended(process, within_s):
                raise RunError(f"{what} did not end within {within_s:.0f} s and was ended")
        finally:
            code = end_group(process) if process is not None else 0
        output.seek(0)
        complaints.seek(0)
        return Ended(code, output.read(), complaints.read().decode(errors="replace"))
