"""What forked workers handed over, process by process, put together as the record of one run."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.audit.forks import KILLED, Forked
from harness.distributed.forked.proof import MadeLines, digest_of_forks
from harness.distributed.forked.truth import ForkedTruth, KilledPart, LoggedPart
from harness.distributed.protocol.records import record_from
from harness.distributed.protocol.wire import Message
from harness.expected import Expected
from harness.load.drive_result import DriveResult, merge_results
from harness.load.recorder import EVALUATED, RAISED
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import TruthLog
from harness.run.shard import Fork, ShardRecord
from harness.views import Tags, View
from workloads.workload import Truth, Workload

__all__ = ["Collected"]

_BLOCK_LINES = 4096


@dataclass(slots=True)
class _Worker:
    """One worker: what each of its processes made, and how they ended."""

    made: list[MadeLines] = field(default_factory=list)
    lines: int = 0
    recycled: int = 0
    killed: int = 0
    finished: bool = False
    # What the process recorded that answers scrapes at the end.
    serving: Expected = field(default_factory=dict)

    def fork(self, number: int) -> Fork:
        return Fork(number, self.lines, len(self.made), self.recycled, self.killed)


class Collected:
    """The results of all processes of `count` forked workers, merged as they come in."""

    def __init__(self, workload: Workload, views: tuple[View, ...], count: int) -> None:
        self._workload, self._views = workload, views
        self._workers = [_Worker() for _ in range(count)]
        self._driven: DriveResult | None = None
        self._killed = Ledger(views, workload.methods)
        self._doubtful: list[Mapping[str, Tags]] = []
        self._parts: list[LoggedPart | KilledPart] = []
        self._log: TruthLog | None = None
        self._self_cost_ns = 0.0

    @property
    def unfinished(self) -> list[int]:
        """The workers whose share of the load has not ended yet."""
        return [number for number, worker in enumerate(self._workers) if not worker.finished]

    def add_record(self, message: Message) -> Counter[str]:
        """Add what a process did and return its lines by outcome; raises as `record_from` where it is no record."""
        worker, record = self._workers[message["worker"]], self._record(message["record"])
        worker.made.append(MadeLines(record.made, record.digest))
        worker.lines += record.driven.ledger.offered
        worker.finished = message["last"]
        worker.recycled += not message["last"]
        worker.serving = record.driven.ledger.expected() if message["last"] else {}
        self._self_cost_ns = record.self_cost_ns
        if isinstance(record.log, TruthLog):
            self._log = record.log
            self._parts.append(LoggedPart(record.log, message["since_ns"]))
        before = [] if self._driven is None else [self._driven]
        self._driven = merge_results([*before, record.driven], closed=False)
        return _outcomes(record.driven.ledger)

    def _record(self, state: Mapping[str, Any]) -> ShardRecord:
        return record_from(state, self._views, self._workload.methods)

    def add_killed(self, message: Message) -> Counter[str]:
        """Add what a killed process had recorded, from its journal, and return its lines by outcome."""
        number, latencies_ms = message["worker"], message["latencies_ms"]
        worker = self._workers[number]
        lines = latencies_ms.size + message["doubtful"]
        ledger, doubtful = Ledger(self._views, self._workload.methods), list[Mapping[str, Tags]]()
        shard, done = self._workload.shard(number, len(self._workers)), 0
        for block in shard.blocks(_BLOCK_LINES, first=message["first"], count=lines):
            outcomes = np.full(len(block.lines), EVALUATED, np.int8)
            outcomes[max(0, latencies_ms.size - done) :] = RAISED
            known = int(np.count_nonzero(outcomes == EVALUATED))
            ledger.add(block.truth, outcomes, latencies_ms[done : done + known], [KILLED] * (outcomes.size - known))
            doubtful += [self._series(ledger, block.truth, line) for line in range(known, outcomes.size)]
            done += outcomes.size
        worker.made.append(MadeLines(lines, None))
        worker.lines += lines
        worker.killed += 1
        worker.finished, worker.serving = message["last"], {}
        self._killed.merge(ledger)
        self._doubtful += doubtful
        self._parts.append(KilledPart(ledger, doubtful, message["since_ns"], message["until_ns"]))
        return _outcomes(ledger)

    def _series(self, ledger: Ledger, truth: Truth, line: int) -> Mapping[str, Tags]:
        """Return the series of one line in each view that counts it."""
        one = Truth(truth.lengths[line : line + 1], truth.method[line : line + 1], truth.error[line : line + 1])
        series = int(ledger.series_of(one, np.full(1, EVALUATED, np.int8))[0])
        tags = {view.name: ledger.tags_of(view, series) for view in self._views}
        return {name: each for name, each in tags.items() if each is not None}

    def result(self) -> ShardRecord | None:
        """Return everything as one record; None where no process lived to tell how long its lines took.

        Raises `RunError` where a process sent other lines than its share.
        """
        driven = self._driven
        if driven is None:
            return None
        ledger = Ledger(self._views, self._workload.methods)
        ledger.merge(driven.ledger)
        ledger.merge(self._killed)
        target, achieved = driven.moments.rates(ledger.offered, ledger.offered - ledger.dropped, closed=False)
        made = [worker.made for worker in self._workers]
        return ShardRecord(
            driven=replace(driven, ledger=ledger, target_rate=target, achieved_rate=achieved),
            log=self._log,
            self_cost_ns=self._self_cost_ns,
            digest=digest_of_forks(self._workload, made),
            made=sum(process.lines for processes in made for process in processes),
            shifted=None if self._log is None else ForkedTruth(self._parts, self._views),
            forks=tuple(worker.fork(number) for number, worker in enumerate(self._workers)),
            forked=Forked(
                serving=tuple(worker.serving for worker in self._workers),
                doubtful=tuple(self._doubtful),
                recycled=sum(worker.recycled for worker in self._workers),
                killed=sum(worker.killed for worker in self._workers),
            ),
        )


def _outcomes(ledger: Ledger) -> Counter[str]:
    names = ("offered", "processed", "failed", "dropped")
    return Counter({name: getattr(ledger, name) for name in names})
