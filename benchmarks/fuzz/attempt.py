"""One input tried: what a surface is, what counts as a defect, and the limits of time and memory."""

import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis.strategies import SearchStrategy

from harness.errors import HarnessError

__all__ = [
    "MEGABYTES", "SECONDS", "Attempt", "DefectError", "Limits", "Surface", "TryOne", "attempt", "refused",
]  # fmt: skip

# What the project promises for every input.
SECONDS, MEGABYTES = 5.0, 500.0
# On a machine that is busy with something else an input is given the time once more.
_TURNS = 3
_MOST_LINE = 5000
ROOT = Path(__file__).resolve().parents[2]

# Takes one input and returns what became of it: ``accepted`` or ``refused``; raises `DefectError`.
TryOne = Callable[[Any], str]


class DefectError(Exception):
    """An input ended otherwise than documented."""


class _SlowError(BaseException):
    """The time of an input is over; no handler of ordinary exceptions may keep it."""


@dataclass(frozen=True)
class Surface:
    """One place where something from outside is read.

    `about` describes it in the table, `share` is its part of all inputs in relation to the others. `strategy` returns
    the strategy of its inputs, plain JSON values; `opened` is entered once for a batch and yields what tries one.
    `patience` is by how much longer a particular input may take, in seconds, since the surface itself waits for it.
    """

    name: str
    about: str
    share: int
    strategy: Callable[[], SearchStrategy[Any]]
    opened: Callable[[], AbstractContextManager[TryOne]]
    patience: Callable[[Any], float] = lambda _given: 0.0


@dataclass(frozen=True)
class Limits:
    """What one input may take, seconds of elapsed time and megabytes of memory in use at the same time."""

    seconds: float = SECONDS
    megabytes: float = MEGABYTES


@dataclass(frozen=True)
class Attempt:
    """What became of one input: ``accepted``, ``refused`` or ``defect`` with its reason, by which alike ones are one.

    `where` is the innermost line of the project's own code of an exception, empty where there is none.
    """

    outcome: str
    seconds: float
    megabytes: float
    reason: str = ""
    where: str = ""

    @property
    def signature(self) -> str:
        """What defects of one cause have in common."""
        return self.where or self.reason[:60]


def refused(error: HarnessError | str) -> str:
    """Return ``refused`` for an error that is one clear line; raises `DefectError` for any other."""
    text = str(error)
    if not text.strip():
        raise DefectError("an error without a word")
    if "\n" in text or "\r" in text:
        raise DefectError(f"an error of several lines: {text[:200]!r}")
    if len(text) > _MOST_LINE:
        raise DefectError(f"an error of {len(text)} characters: {text[:100]!r}")
    return "refused"


def attempt(surface: Surface, try_one: TryOne, given: Any, limits: Limits) -> Attempt:
    """Try one input within the limits; several times where it only took too long."""
    seconds = limits.seconds + surface.patience(given)
    for _ in range(_TURNS):
        result = _once(try_one, given, seconds)
        if not result.reason.startswith("took longer"):
            break
    if result.outcome != "defect" and result.megabytes > limits.megabytes:
        return Attempt(
            "defect", result.seconds, result.megabytes,
            f"took {result.megabytes:.0f} MB, more than {limits.megabytes:.0f}",
        )  # fmt: skip
    return result


def _once(try_one: TryOne, given: Any, seconds: float) -> Attempt:
    _forget_peak()
    begun, reason, where, outcome = time.monotonic(), "", "", "defect"
    try:
        with _alarm(seconds):
            outcome = try_one(given)
    except _SlowError:
        reason = f"took longer than {seconds:g} s"
    except DefectError as error:
        reason = str(error)
    except MemoryError as error:
        reason, where = "ran out of memory", _place(error)
    except Exception as error:
        reason, where = f"{type(error).__name__}: {error}"[:500], _place(error)
    return Attempt(outcome, time.monotonic() - begun, _peak_megabytes(), reason, where)


def _place(error: BaseException) -> str:
    """Return the innermost line of the project's own code in a traceback, with the kind of the exception."""
    frames = traceback.extract_tb(error.__traceback__)
    for folder in ("harness", "workloads", "benchmarks"):
        own = [each for each in frames if each.filename.startswith(str(ROOT / folder))]
        if own:
            last = own[-1]
            return f"{type(error).__name__} in {Path(last.filename).relative_to(ROOT)}:{last.name}"
    return type(error).__name__


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def over(_number: int, _frame: FrameType | None) -> None:
        raise _SlowError

    before = signal.signal(signal.SIGALRM, over)
    # Again and again: the first may be raised where something is being cleaned up, and be lost.
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _forget_peak() -> None:
    """Let the system count the peak of this process' memory anew, where it can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_megabytes() -> float:
    with suppress(OSError, IndexError, ValueError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
