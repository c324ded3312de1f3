"""States of the ledger by position: what changed from one to the next, the newest ones in a temporary file.

A run asks for these states when it is over, and makes two a second. In memory they would grow until the limit is
reached, a quarter of an hour or many hours after the start, and look like a leak until then. So only the first of them
are held in memory, the others in a file without a name, of a fixed size, which is used in a circle.
"""

import os
import tempfile
import weakref
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEMORY_BYTES", "Entries", "Entry"]

# Entries of a run of some minutes; it needs no file.
MEMORY_BYTES = 1 << 20
# What an entry in memory takes besides its arrays.
_BESIDES_BYTES = 300
_WORD = 8
_HEAD = 3 * _WORD  # position, number of series, columns
_SKIP = -1  # in the place of a position: what follows begins at the start of the file


class Entry(NamedTuple):
    """Changes of the ledger up to a position, which is the number of lines accounted for: a row for each series."""

    position: int
    series: NDArray[np.int64]
    rows: NDArray[np.float64]

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return self.series.nbytes + self.rows.nbytes + _BESIDES_BYTES

    def followed_by(self, later: "Entry") -> "Entry":
        """Return both entries as one: the state at the later position."""
        stored = ~np.isin(self.series, later.series)
        return Entry(
            later.position,
            np.concatenate([self.series[stored], later.series]),
            np.concatenate([self.rows[stored], later.rows]),
        )


class Entries:
    """Entries in the order of their positions, within a limit of bytes: beyond it the oldest ones become one.

    Where no file can be written they are all held in memory.
    """

    def __init__(self, budget_bytes: int, memory_bytes: int = MEMORY_BYTES) -> None:
        self._budget_bytes, self._memory_limit = budget_bytes, memory_bytes
        # The oldest ones as one, those in memory, and those in the file, which are newer than both.
        self._oldest: Entry | None = None
        self._memory: deque[Entry] = deque()
        self._memory_bytes = 0
        self._file: _File | None = None
        self._writable = True

    def __len__(self) -> int:
        return (self._oldest is not None) + self._later()

    def _later(self) -> int:
        return len(self._memory) + (0 if self._file is None else self._file.count)

    def __iter__(self) -> Iterator[Entry]:
        if self._oldest is not None:
            yield self._oldest
        yield from self._memory
        if self._file is not None:
            yield from self._file

    @property
    def size_bytes(self) -> int:
        """What they take, in memory and in the file."""
        return self.held_bytes + (0 if self._file is None else self._file.size_bytes)

    @property
    def held_bytes(self) -> int:
        """What they take in memory."""
        return self._memory_bytes + (0 if self._oldest is None else self._oldest.size_bytes)

    @property
    def known_from(self) -> int:
        """The position from which on states are known; those before it were merged."""
        return 0 if self._oldest is None else self._oldest.position

    def append(self, entry: Entry) -> None:
        """Add the changes up to a later position; merges the oldest ones where there is no room."""
        in_file = self._file is not None or self._memory_bytes + entry.size_bytes > self._memory_limit
        if not (in_file and self._writable and self._write(entry)):
            self.hold(entry)
        while self.size_bytes > self._budget_bytes and self._later() > 1:
            self._merge()

    def hold(self, entry: Entry) -> None:
        """Add the changes up to a later position, in memory, whatever that takes."""
        while self._file is not None and self._file.count:
            self._merge()
        self._memory.append(entry)
        self._memory_bytes += entry.size_bytes

    def _write(self, entry: Entry) -> bool:
        """Write an entry to the file; return False where that cannot be."""
        try:
            if self._file is None:
                self._file = _File(self._budget_bytes)
            while not self._file.has_room_for(entry):
                if not self._file.count:
                    return False
                self._merge()
            self._file.append(entry)
        except OSError:
            # The disk is full, or there is no place for temporary files.
            self._writable = False
            return False
        return True

    def _merge(self) -> None:
        """Merge the oldest two."""
        if self._memory:
            entry = self._memory.popleft()
            self._memory_bytes -= entry.size_bytes
        else:
            assert self._file is not None  # noqa: S101 - the callers have seen that there is one
            entry = self._file.popleft()
        self._oldest = entry if self._oldest is None else self._oldest.followed_by(entry)


class _File:
    """Entries in a file without a name, one after the other; behind its end it goes on at its start.

    Places are counted as if the file had no end.
    """

    def __init__(self, capacity_bytes: int) -> None:
        with tempfile.TemporaryFile(prefix="harness-truth-") as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._capacity = capacity_bytes // _WORD * _WORD
        self._first = self._end = 0
        self.count = 0

    @property
    def size_bytes(self) -> int:
        return self._end - self._first

    def has_room_for(self, entry: Entry) -> bool:
        size = _size(entry)
        return self._place_for(size) + size - self._first <= self._capacity

    def _place_for(self, size: int) -> int:
        """Return where an entry goes: it never reaches over the end of the file."""
        if not self.count:
            self._first = self._end = 0
        left = self._capacity - self._end % self._capacity
        return self._end if size <= left else self._end + left

    def append(self, entry: Entry) -> None:
        """Write an entry for which there is room; raises `OSError`, and is then as before."""
        place = self._place_for(_size(entry))
        if place != self._end:
            self._write(np.array([_SKIP], dtype=np.int64).tobytes(), self._end)
        head = np.array([entry.position, entry.series.size, entry.rows.shape[1]], dtype=np.int64)
        parts = (head, entry.series.astype(np.int64), entry.rows.astype(np.float64))
        self._write(b"".join(part.tobytes() for part in parts), place)
        self._end = place + _size(entry)
        self.count += 1

    def _write(self, data: bytes, place: int) -> None:
        at, rest = place % self._capacity, memoryview(data)
        while rest:
            written = os.pwrite(self._descriptor, rest, at)
            at, rest = at + written, rest[written:]

    def __iter__(self) -> Iterator[Entry]:
        place = self._first
        for _ in range(self.count):
            entry, place = self._read(place)
            yield entry

    def popleft(self) -> Entry:
        entry, self._first = self._read(self._first)
        self.count -= 1
        return entry

    def _read(self, place: int) -> tuple[Entry, int]:
        """Return the entry at a place, and the place after it."""
        at = place % self._capacity
        head = np.frombuffer(os.pread(self._descriptor, _HEAD, at), dtype=np.int64)
        if head[0] == _SKIP:
            return self._read(place + self._capacity - at)
        position, series, columns = head.tolist()
        size = _WORD * series * (1 + columns)
        data = os.pread(self._descriptor, size, at + _HEAD)
        if len(data) != size:
            raise OSError("a file of the run's own was cut short")
        rows = np.frombuffer(data, dtype=np.float64, offset=_WORD * series).reshape(series, columns)
        return Entry(position, np.frombuffer(data, dtype=np.int64, count=series), rows), place + _HEAD + size


def _size(entry: Entry) -> int:
    return _HEAD + _WORD * int(entry.series.size) * (1 + int(entry.rows.shape[1]))
