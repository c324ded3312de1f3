"""The latencies of a worker's lines in a file that outlives it: what it had recorded when it was killed is known."""

import mmap
import os
import tempfile
from collections.abc import Callable
from typing import IO

import numpy as np
from numpy.typing import NDArray

__all__ = ["Journal"]

# Lines by which the file grows; what is not written of it takes no space on disk.
_GROWTH = 1 << 16
_WIDTH = 8
# A place that was not written holds 0, so a latency of 0 is written as the smallest number above it.
_LEAST = 5e-324


class Journal:
    """A file without a name, with 8 bytes for each line whose record returned, in the order of the lines.

    It is made by the process that forks, written by the worker, and read by the former. What a process writes into a
    shared mapping is in the file at once and stays there however the process ends.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._places = memoryview(bytearray()).cast("d")
        self._mapping: mmap.mmap | None = None

    def keeping(self, keep: Callable[[float], object]) -> Callable[[float], None]:
        """Return a `keep` that writes a latency (ms) before it hands it on; see `harness.repl.Repl`."""
        place = 0

        def write(latency_ms: float) -> None:
            nonlocal place
            try:
                self._places[place] = latency_ms or _LEAST
            except IndexError:
                self._grow()
                self._places[place] = latency_ms or _LEAST
            place += 1
            keep(latency_ms)

        return write

    def _grow(self) -> None:
        size = len(self._places) * _WIDTH + _GROWTH * _WIDTH
        os.ftruncate(self._file.fileno(), size)
        self._mapping = mmap.mmap(self._file.fileno(), size)
        self._places = memoryview(self._mapping).cast("d")

    def latencies_ms(self) -> NDArray[np.float64]:
        """Return the latencies written so far, by this process or another."""
        size = os.fstat(self._file.fileno()).st_size
        written = np.frombuffer(os.pread(self._file.fileno(), size, 0), dtype=np.float64)
        return np.array(written[: np.count_nonzero(written)])

    def close(self) -> None:
        """Close the file, with which it is gone."""
        self._file.close()
