"""The quickstart's read-evaluate-print core: upper-cases a line, writes it, records latency and length."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from harness.instruments.base import Instrument
from harness.views import Tags

__all__ = ["Repl", "TextSink"]

# Mirrors workloads.refusals, which makes such lines; a test holds the two together.
MAX_LINE_BYTES = 64 * 1024
NOT_UTF8 = "not_utf8"
NUL = "nul"
TOO_LONG = "too_long"


class NowClock(Protocol):
    """What the REPL needs of a clock."""

    def now_ns(self) -> int:
        """Return nanoseconds that never step back."""


class TextSink(Protocol):
    """Where evaluated lines are written."""

    def write(self, text: str, /) -> object:
        """Write one line's text, its line ending included."""


def _ignore(_kind: str, _length: int) -> None:
    pass


class Repl:
    r"""Evaluates lines one by one: upper-cases, writes, records.

    A line is a `str` without its line ending; bytes that were not UTF-8 arrive as ``surrogateescape`` characters.
    A bad line (not UTF-8, holding NUL, or longer than 64 KiB) is not written: it is recorded with status ``ERROR``
    and its kind, and handed to `complain`. The recorded latency runs from the call to the end of the write, as in the
    quickstart, on a clock that never steps back; the recorded length is in UTF-8 bytes.

    `keep` is called with the exact latency (ms) of each line whose record returned: the witness that lets a ledger
    know the truth of the latency view. It defaults to a no-op in C, so that there is no branch to take.
    """

    __slots__ = ("_complain", "_keep", "_now", "_record", "_write")

    def __init__(
        self,
        instrument: Instrument,
        clock: NowClock,
        out: TextSink,
        keep: Callable[[float], object] | None = None,
        complain: Callable[[str, int], object] = _ignore,
    ) -> None:
        self._record = instrument.record
        self._now = clock.now_ns
        self._write = out.write
        self._keep: Callable[[float], object] = deque[float](maxlen=0).append if keep is None else keep
        self._complain = complain

    def evaluate(self, line: str, tags: Tags) -> str:
        """Evaluate one line and return what was written of it, without the line ending; ``""`` for a refused line.

        Whatever the instrument raises passes through, after the line was written and before `keep` hears of it.
        """
        start = self._now()
        if line.isascii():
            length = len(line)
            kind = NUL if "\0" in line else ""
        else:
            length, kind = _inspect(line)
        if kind or length > MAX_LINE_BYTES:
            return self._refuse(start, length, tags.refused(kind or TOO_LONG))
        result = line.upper()
        self._write(result + "\n")
        latency_ms = (self._now() - start) / 1e6
        self._record(latency_ms, length, tags)
        self._keep(latency_ms)
        return result

    def _refuse(self, start: int, length: int, tags: Tags) -> str:
        self._complain(tags.error, length)
        latency_ms = (self._now() - start) / 1e6
        self._record(latency_ms, length, tags)
        self._keep(latency_ms)
        return ""


def _inspect(line: str) -> tuple[int, str]:
    """Return the byte length of a line that is not ASCII and why it must be refused, or ``""``."""
    try:
        length = len(line.encode())
    except UnicodeEncodeError:
        # One byte stood behind each surrogate, and `replace` puts one byte in its place.
        return len(line.encode("utf-8", "replace")), NOT_UTF8
    return length, NUL if "\0" in line else ""
