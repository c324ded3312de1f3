"""A workload: lengths, content, arrivals, errors and series under one seed, served in blocks."""

import copy
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workloads import grammar
from workloads.arrivals import Arrivals, ClosedLoop, make_arrivals
from workloads.errors import GrammarError
from workloads.incidents import Incident, of_kinds
from workloads.refusals import make_errors, spoil, spoiled_lengths
from workloads.series import make_series, method_names
from workloads.shaping import FURTHER_METHODS, LoadShape, Plan, alters_lines, warped
from workloads.sources import make_source
from workloads.streams import Stream
from workloads.tags import Tags
from workloads.units import MAX_COUNT, MAX_DURATION_NS, format_duration

__all__ = ["LENGTH_BOUNDS_BYTES", "Block", "Digest", "Truth", "Workload", "WorkloadSpec"]

# The quickstart's length view; `edges` aims at these unless told otherwise.
LENGTH_BOUNDS_BYTES: tuple[float, ...] = (5, 10, 15, 20, 40, 60, 80, 100, 200, 400, 600, 800, 1000)

# Random numbers are drawn for so many lines at once, whatever the size of the blocks handed out.
_CHUNK = 4096
# A block ends early rather than hold more text than this, so that memory stays constant with the longest lines too.
_BLOCK_BYTES = 4 * 2**20
_MAX_SEED = 2**63 - 1
# Blocks that a switchable workload can take back; a driver holds fewer of them ready.
_REMEMBERED = 24
# Columns of lines that nothing happens to; shared, since nobody writes into a plan.
_ONCE = np.ones(_CHUNK, dtype=np.int64)
_NO_METHOD = np.zeros(_CHUNK, dtype=np.int32)
_NO_ERROR = np.zeros(_CHUNK, dtype=np.int8)
_NO_CHANCE = np.zeros(_CHUNK, dtype=np.uint64)


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
    incidents: tuple[Incident, ...] = ()

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
        self._text, self._due, self._method = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()

    def add(self, lines: list[str], due_ns: NDArray[np.int64], method: NDArray[np.int32] | None = None) -> None:
        """Add lines and their due times, one for each, and their methods where these may be asked for."""
        if lines:
            self._text.update("\n".join(lines).encode("utf-8", "surrogateescape") + b"\n")
            self._due.update(np.ascontiguousarray(due_ns, dtype="<i8").tobytes())
            if method is not None:
                self._method.update(np.ascontiguousarray(method, dtype="<i4").tobytes())

    def hexdigest(self, *, methods: bool = False) -> str:
        """Return the digest of everything that was added, as hexadecimal digits; of the methods too on request."""
        method = self._method.digest() if methods else b""
        return hashlib.sha256(self._text.digest() + self._due.digest() + method).hexdigest()

    def copy(self) -> "Digest":
        """Return a digest of the same lines, to which others may be added."""
        twin = Digest()
        twin._text, twin._due, twin._method = self._text.copy(), self._due.copy(), self._method.copy()
        return twin


class _Handed(NamedTuple):
    """A block that was handed out, with the digest and the number of the lines before it."""

    block: Block
    before: Digest
    made: int


class Workload:
    """A load that is the same for the same spec, whatever the size of its blocks.

    `bounds` (bytes) are the view bounds that ``edges`` aims at. Raises `GrammarError` where the parts of the spec
    contradict each other or name files that cannot be used.

    `methods` are the values of the tag ``method``; `closed_loop` is true when there is no schedule; `total` is the
    number of lines, None for a closed loop that its caller must end by `spec.duration_ns`. A `switchable` workload can
    be given further incidents while it is being sent (`switch`); its methods include those of the incident ``series``.
    That incidents begin before the end is not checked for what has `happened` already.
    """

    def __init__(
        self,
        spec: WorkloadSpec,
        *,
        bounds: tuple[float, ...] = LENGTH_BOUNDS_BYTES,
        switchable: bool = False,
        happened: bool = False,
    ) -> None:
        self._schedule: Arrivals = make_arrivals(grammar.parse("arrivals", spec.arrivals), spec.seed)
        self._source = make_source(spec.lengths, spec.content, spec.seed, bounds)
        self._errors = make_errors(grammar.parse("errors", spec.errors))
        self._series = make_series(grammar.parse("series", spec.series))
        names = ("lengths", "content", "errors", "series", "incidents")
        self._streams = {name: Stream(spec.seed, name) for name in names}
        own: tuple[str, ...] = method_names(self._series)
        self._own_methods = len(own)
        self._switchable = switchable
        further = FURTHER_METHODS if switchable or of_kinds(spec.incidents, "series") else ()
        self.methods: tuple[str, ...] = own + further
        self._tags = np.fromiter((Tags(method) for method in self.methods), dtype=object, count=len(self.methods))
        self.closed_loop = isinstance(self._schedule, ClosedLoop)
        self._first, self._step = 0, 1
        self._planned: tuple[int, Plan] | None = None
        self._sent = Digest()
        self._handed: deque[_Handed] = deque(maxlen=_REMEMBERED)
        self.made = 0
        """Lines that `blocks` has handed out so far."""
        self._use(spec)
        if not happened:
            self._check_incidents()

    def _use(self, spec: WorkloadSpec) -> None:
        """Take the schedule, the alteration of lines and the end from a spec."""
        self.spec = spec
        self._arrivals = warped(self._schedule, spec.incidents)
        self._shape = LoadShape(spec.incidents, self._own_methods) if alters_lines(spec.incidents) else None
        self.total = self._limit()

    def _check_incidents(self) -> None:
        """Raise `GrammarError` for incidents that cannot happen in this load."""
        incidents = self.spec.incidents
        if incidents and self.closed_loop:
            text = "needs a schedule, and max has none; choose other arrivals, such as poisson:rate=1000"
            raise GrammarError(text, field="incident", value=grammar.quoted(str(incidents[0])))
        for each in incidents:
            if each.start_ns > self.end_ns:
                text = f"begins after the end of the load, which is at {format_duration(self.end_ns)}"
                raise GrammarError(text, field="incident", value=grammar.quoted(str(each)))

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

    @property
    def end_ns(self) -> int:
        """When the load ends, in nanoseconds from the start: after its duration, or with the last line."""
        duration_ns = self.spec.duration_ns
        return self.last_due_ns if duration_ns is None or self.total == self.spec.count else duration_ns

    @property
    def digests_methods(self) -> bool:
        """Whether the digest is of the methods as well: where an incident changes them."""
        return bool(of_kinds(self.spec.incidents, "series"))

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
        part._handed = deque(maxlen=_REMEMBERED)  # noqa: SLF001
        return part

    def blocks(self, size: int = 4096, *, first: int | None = None, count: int | None = None) -> Iterator[Block]:
        """Yield all lines from the first on, at most `size` and some 4 MiB of text at a time; starts a new digest.

        `first` is the line of this workload, or shard, to begin with, and `count` how many follow at most; by default
        all.
        """
        if size < 1:
            raise ValueError(f"a block needs at least one line, not {size}")
        self._sent = Digest()
        self._handed.clear()
        self.made = 0
        return self._from(self._first if first is None else first, size, count)

    def _from(self, first: int, size: int, count: int | None = None) -> Iterator[Block]:
        while count != 0 and (self.total is None or first < self.total):
            n = size if self.total is None else min(size, -(-(self.total - first) // self._step))
            n = n if count is None else min(n, count)
            block = self._block(first, n)
            if self._switchable:
                self._handed.append(_Handed(block, self._sent.copy(), self.made))
            self._add(block, len(block.lines))
            yield block
            first += len(block.lines) * self._step
            count = None if count is None else count - len(block.lines)

    def _add(self, block: Block, count: int) -> None:
        method = block.truth.method[:count] if self._switchable or self.digests_methods else None
        self._sent.add(block.lines[:count], block.due_ns[:count], method)
        self.made += count

    def switch(self, incidents: Sequence[Incident], line: int, size: int = 4096) -> Iterator[Block]:
        """Take `incidents` in addition to those of the spec, and yield the lines from `line` on under all of them.

        The lines from `line` on that were handed out before count as never made. As long as the lines before it are due
        before the incidents begin, lines and digest are those of a spec that had the incidents from the start. Only for
        a `switchable` workload, and the last `_REMEMBERED` blocks; raises `ValueError` otherwise.
        """
        while self._handed and self._handed[-1].block.first > line:
            self._handed.pop()
        if not self._handed and line != self._first:
            raise ValueError(f"line {line} is not among those handed out last, or the workload is not switchable")
        self._sent, self.made = Digest(), 0
        if self._handed:
            last = self._handed[-1]
            self._sent, self.made = last.before.copy(), last.made
            self._add(last.block, (line - last.block.first) // self._step)
        self._use(replace(self.spec, incidents=(*self.spec.incidents, *incidents)))
        return self._from(line, size)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of all lines and due times that `blocks` has yielded so far, whatever the block size.

        Where an incident changes the methods of lines, these are included.
        """
        return self._sent.hexdigest(methods=self.digests_methods)

    def _block(self, first: int, n: int) -> Block:
        step, plan = self._step, self._gather(first, n)
        if self._shape is not None:
            plan = self._shape.applied(plan, self._due(first, n))
        ends = np.cumsum(plan.lengths)
        if ends[-1] > _BLOCK_BYTES:
            n = max(1, int(ends.searchsorted(_BLOCK_BYTES, "right")))
            plan = plan.part(slice(0, n))
        lines = self._source.take(first, step, plan.drawn, plan.picks)
        if self._shape is not None:
            for i in np.flatnonzero(plan.repeats > 1).tolist():
                lines[i] *= int(plan.repeats[i])
        if self._shape is None and self._errors is None:
            spoiled: list[int] = []
        else:
            spoiled = np.flatnonzero(plan.spoiled).tolist()
        for i in spoiled:
            lines[i] = spoil(lines[i], int(plan.spoiled[i]), int(plan.lengths[i]), int(plan.picks[i]))
        tags: list[Tags] = self._tags.take(plan.method).tolist()
        return Block(first, lines, self._due(first, n), tags, Truth(plan.lengths, plan.method, plan.error), step)

    def _due(self, first: int, n: int) -> NDArray[np.int64]:
        return self._arrivals.due(first, (n - 1) * self._step + 1)[:: self._step]

    def _gather(self, first: int, n: int) -> Plan:
        """Return the columns of n lines, assembled from the chunks they lie in."""
        parts, line, end = [], first, first + n * self._step
        while line < end:
            chunk, offset = divmod(line, _CHUNK)
            stop = min(_CHUNK, end - chunk * _CHUNK)
            parts.append(self._chunk(chunk).part(slice(offset, stop, self._step)))
            line += -(-(stop - offset) // self._step) * self._step
        return parts[0] if len(parts) == 1 else Plan._make(map(np.concatenate, zip(*parts, strict=True)))

    def _chunk(self, chunk: int) -> Plan:
        if self._planned is None or self._planned[0] != chunk:
            self._planned = (chunk, self._draw(chunk))
        return self._planned[1]

    def _draw(self, chunk: int) -> Plan:
        streams = self._streams
        drawn, own = self._source.lengths(chunk * _CHUNK, streams["lengths"].raw(chunk, _CHUNK))
        picks = streams["content"].raw(chunk, _CHUNK // 2).astype("<u8", copy=False).view("<u4")
        method, chance = _NO_METHOD, _NO_CHANCE
        if self._own_methods > 1:
            method = self._series.draw(streams["series"].raw(chunk, _CHUNK)).astype(np.int32)
        if self._switchable or self._shape is not None:
            chance = streams["incidents"].raw(chunk, _CHUNK)
        if self._errors is None:
            return Plan(drawn, _ONCE, drawn, picks, method, own, _NO_ERROR, chance)
        spoiled = self._errors.draw(streams["errors"].raw(chunk, _CHUNK)).astype(np.int8)
        lengths = spoiled_lengths(drawn, spoiled, picks)
        return Plan(drawn, _ONCE, lengths, picks, method, np.where(spoiled, spoiled, own), spoiled, chance)
