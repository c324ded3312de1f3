"""A workload: lengths, content, arrivals, errors and series under one seed, served in blocks."""

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workloads import grammar
from workloads.arrivals import Arrivals, ClosedLoop, make_arrivals
from workloads.errors import GrammarError
from workloads.refusals import make_errors, spoil, spoiled_lengths
from workloads.series import make_series, method_names
from workloads.sources import make_source
from workloads.streams import Stream
from workloads.tags import Tags
from workloads.units import MAX_COUNT, MAX_DURATION_NS

__all__ = ["LENGTH_BOUNDS_BYTES", "Block", "Digest", "Truth", "Workload", "WorkloadSpec"]

# The quickstart's length view; `edges` aims at these unless told otherwise.
LENGTH_BOUNDS_BYTES: tuple[float, ...] = (5, 10, 15, 20, 40, 60, 80, 100, 200, 400, 600, 800, 1000)

# Random numbers are drawn for so many lines at once, whatever the size of the blocks handed out.
_CHUNK = 4096
# A block ends early rather than hold more text than this, so that memory stays constant with the longest lines too.
_BLOCK_BYTES = 4 * 2**20
_MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """Specification of a workload, as the user wrote it; validated on construction.

    The workload ends at whichever of `count` (lines) and `duration_ns` comes first. One of them must be given unless
    the lengths replay a file, the arrivals replay timestamps, or the rate falls to zero for good.

    Raises `GrammarError`, one line that names the field.
    """

    lengths: str = "lognormal"
    content: str = "words"
    arrivals: str = "poisson:rate=1000"
    errors: str = "0"
    series: str = "1"
    seed: int = 1
    count: int | None = None
    duration_ns: int | None = None

    def __post_init__(self) -> None:
        for kind in ("lengths", "content", "arrivals", "errors", "series"):
            grammar.parse(kind, getattr(self, kind))
        _whole("seed", self.seed, 0, _MAX_SEED)
        if self.count is not None:
            _whole("count", self.count, 1, MAX_COUNT)
        if self.duration_ns is not None:
            _whole("duration", self.duration_ns, 1, MAX_DURATION_NS, " nanoseconds")


def _whole(field: str, value: object, low: int, high: int, unit: str = "") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        text = f"must be a whole number from {low} to {high}{unit}"
        raise GrammarError(text, field=field, value=grammar.quoted(str(value)))


@dataclass(frozen=True, slots=True)
class Truth:
    """The true properties of each line of a block, in columns."""

    lengths: NDArray[np.int64]
    """UTF-8 bytes without the line ending; a byte that is not UTF-8 counts one."""
    method: NDArray[np.int32]
    """Index into `Workload.methods`."""
    error: NDArray[np.int8]
    """Index into `ERROR_KINDS`; 0 is a good line."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines in the order of their due times; line j of the block is line ``first + j * step`` of the workload."""

    first: int
    lines: list[str]
    """Without line endings; bytes that are not UTF-8 are carried as ``surrogateescape`` characters."""
    due_ns: NDArray[np.int64]
    """Nanoseconds from the start, never decreasing; all zero in a closed loop."""
    tags: list[Tags]
    """What the caller hands on with each line: its method, status OK."""
    truth: Truth
    step: int = 1


class Digest:
    """SHA-256 of lines and due times; the same however they are divided into blocks."""

    def __init__(self) -> None:
        self._text, self._due = hashlib.sha256(), hashlib.sha256()

    def add(self, lines: list[str], due_ns: NDArray[np.int64]) -> None:
        """Add lines and their due times, one for each."""
        if lines:
            self._text.update("\n".join(lines).encode("utf-8", "surrogateescape") + b"\n")
            self._due.update(np.ascontiguousarray(due_ns, dtype="<i8").tobytes())

    def hexdigest(self) -> str:
        """Return the digest of everything that was added, as hexadecimal digits."""
        return hashlib.sha256(self._text.digest() + self._due.digest()).hexdigest()


class Workload:
    """A load that is the same for the same spec, whatever the size of its blocks.

    `bounds` (bytes) are the view bounds that ``edges`` aims at. Raises `GrammarError` where the parts of the spec
    contradict each other or name files that cannot be used.

    `methods` are the values of the tag ``method``; `closed_loop` is true when there is no schedule; `total` is the
    number of lines, None for a closed loop that its caller must end by `spec.duration_ns`.
    """

    def __init__(self, spec: WorkloadSpec, *, bounds: tuple[float, ...] = LENGTH_BOUNDS_BYTES) -> None:
        self.spec = spec
        self._arrivals: Arrivals = make_arrivals(grammar.parse("arrivals", spec.arrivals), spec.seed)
        self._source = make_source(spec.lengths, spec.content, spec.seed, bounds)
        self._errors = make_errors(grammar.parse("errors", spec.errors))
        self._series = make_series(grammar.parse("series", spec.series))
        self._streams = {name: Stream(spec.seed, name) for name in ("lengths", "content", "errors", "series")}
        self.methods: tuple[str, ...] = method_names(self._series)
        self._tags = np.fromiter((Tags(method) for method in self.methods), dtype=object, count=len(self.methods))
        self.closed_loop = isinstance(self._arrivals, ClosedLoop)
        self.total = self._limit()
        self._first, self._step = 0, 1
        self._planned: tuple[int, _Plan] | None = None
        self._sent = Digest()
        self.made = 0
        """Lines that `blocks` has handed out so far."""

    def _limit(self) -> int | None:
        spec = self.spec
        limits = [spec.count, self._arrivals.total]
        if spec.duration_ns is not None and not self.closed_loop:
            limits.append(self._arrivals.count_until(spec.duration_ns))
        if spec.count is None and spec.duration_ns is None:
            limits.append(self._source.total)
        total = min((limit for limit in limits if limit is not None), default=None)
        if total is None and spec.duration_ns is None:
            raise GrammarError("one of them is needed: this workload does not end by itself", field="count/duration")
        try:
            if total:
                self._arrivals.due(total - 1, 1)
        except OverflowError:
            raise GrammarError(
                "the last line would be due in 292 years or later; raise the rate", field="count"
            ) from None
        return total

    @property
    def last_due_ns(self) -> int:
        """When the last line is due, in nanoseconds from the start; 0 in a closed loop and where there is none."""
        if self.closed_loop or not self.total:
            return 0
        return int(self._arrivals.due(self.total - 1, 1)[0])

    def shard(self, k: int, n: int) -> "Workload":
        """Return the workload of the lines i with i mod n = k, at the same due times as in the whole.

        Its `total` remains that of the whole; its digest is of its own lines.
        """
        if not 0 <= k < n:
            raise ValueError(f"shard {k} of {n} does not exist")
        part = copy.copy(self)
        part._first, part._step = self._first + k * self._step, self._step * n  # noqa: SLF001 - its own kind
        part._planned = None  # noqa: SLF001
        part._sent = Digest()  # noqa: SLF001
        return part

    def blocks(self, size: int = 4096) -> Iterator[Block]:
        """Yield all lines from the first on, at most `size` and some 4 MiB of text at a time; starts a new digest."""
        if size < 1:
            raise ValueError(f"a block needs at least one line, not {size}")
        self._sent = Digest()
        self.made = 0
        first = self._first
        while self.total is None or first < self.total:
            n = size if self.total is None else min(size, -(-(self.total - first) // self._step))
            block = self._block(first, n)
            self._sent.add(block.lines, block.due_ns)
            self.made += len(block.lines)
            yield block
            first += len(block.lines) * self._step

    @property
    def digest(self) -> str:
        """Hex SHA-256 of all lines and due times that `blocks` has yielded so far, whatever the block size."""
        return self._sent.hexdigest()

    def _block(self, first: int, n: int) -> Block:
        plan = self._gather(first, n)
        ends = np.cumsum(plan.lengths)
        if ends[-1] > _BLOCK_BYTES:
            n = max(1, int(ends.searchsorted(_BLOCK_BYTES, "right")))
            plan = plan.part(slice(0, n))
        step = self._step
        lines = self._source.take(first, step, plan.drawn, plan.picks)
        if self._errors is not None:
            for i in np.flatnonzero(plan.spoiled).tolist():
                lines[i] = spoil(lines[i], int(plan.spoiled[i]), int(plan.lengths[i]), int(plan.picks[i]))
        due = self._arrivals.due(first, (n - 1) * step + 1)[::step]
        tags: list[Tags] = self._tags.take(plan.method).tolist()
        return Block(first, lines, due, tags, Truth(plan.lengths, plan.method, plan.error), step)

    def _gather(self, first: int, n: int) -> "_Plan":
        """Return the columns of n lines, assembled from the chunks they lie in."""
        parts, line, end = [], first, first + n * self._step
        while line < end:
            chunk, offset = divmod(line, _CHUNK)
            stop = min(_CHUNK, end - chunk * _CHUNK)
            parts.append(self._chunk(chunk).part(slice(offset, stop, self._step)))
            line += -(-(stop - offset) // self._step) * self._step
        return parts[0] if len(parts) == 1 else _Plan._make(map(np.concatenate, zip(*parts, strict=True)))

    def _chunk(self, chunk: int) -> "_Plan":
        if self._planned is None or self._planned[0] != chunk:
            self._planned = (chunk, self._draw(chunk))
        return self._planned[1]

    def _draw(self, chunk: int) -> "_Plan":
        streams = self._streams
        drawn, own = self._source.lengths(chunk * _CHUNK, streams["lengths"].raw(chunk, _CHUNK))
        picks = streams["content"].raw(chunk, _CHUNK // 2).astype("<u8", copy=False).view("<u4")
        method = np.zeros(_CHUNK, dtype=np.int32)
        if len(self.methods) > 1:
            method = self._series.draw(streams["series"].raw(chunk, _CHUNK)).astype(np.int32)
        if self._errors is None:
            return _Plan(drawn, drawn, picks, method, own, own)
        spoiled = self._errors.draw(streams["errors"].raw(chunk, _CHUNK)).astype(np.int8)
        lengths = spoiled_lengths(drawn, spoiled, picks)
        return _Plan(drawn, lengths, picks, method, np.where(spoiled, spoiled, own), spoiled)


class _Plan(NamedTuple):
    """Columns before any text: lengths drawn, true lengths, choice of text, method, true error, error to make."""

    drawn: NDArray[np.int64]
    lengths: NDArray[np.int64]
    picks: NDArray[np.uint32]
    method: NDArray[np.int32]
    error: NDArray[np.int8]
    spoiled: NDArray[np.int8]

    def part(self, where: slice) -> "_Plan":
        """Return a range of the lines."""
        return _Plan._make(column[where] for column in self)
