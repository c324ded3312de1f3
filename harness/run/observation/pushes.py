"""What became of pushed values, as findings and as a part of the result."""

from collections.abc import Sequence

from harness.audit.findings import Finding, Name
from harness.push.age import Ages, ages
from harness.run.result import PushResult
from harness.run.shard import ShardRecord

__all__ = ["push_findings", "push_result"]

_TRANSPORTS = {"udp": "UDP", "unix": "a Unix socket", "otlp": "HTTP"}


def _ages(record: ShardRecord) -> Ages | None:
    """Return how old the newest value at the sink was while lines were sent; None where that took no time."""
    driven = record.driven
    if record.pushed is None or not driven.elapsed_ns:
        return None
    return ages(record.pushed.arrivals, driven.start_ns, driven.start_ns + driven.elapsed_ns)


def push_findings(record: ShardRecord) -> list[Finding]:
    """Return what became of the packets of an instrument that pushes; nothing for one that is scraped."""
    pushed = record.pushed
    if pushed is None:
        return []
    found = _ages(record)
    detail = {"transport": _TRANSPORTS[pushed.transport], "age_s": found.max / 1e9 if found else 0.0}
    findings = [Finding(Name.PUSHED, pushed.arrived, detail)]
    if pushed.lost:
        lost = {
            "sent": pushed.arrived + pushed.lost,
            "at_client": pushed.lost_at_client,
            "at_sink": pushed.lost_at_sink,
        }
        findings.append(Finding(Name.DATAGRAMS_LOST, pushed.lost, lost))
    if pushed.unreadable:
        findings.append(Finding(Name.PUSH_UNREADABLE, pushed.unreadable))
    return findings


def push_result(records: Sequence[ShardRecord]) -> PushResult | None:
    """Return what became of the packets of all workers; None where nothing is pushed.

    Ages are those of the worker whose values were the oldest.
    """
    pushed = [record.pushed for record in records if record.pushed is not None]
    if not pushed:
        return None
    every = [found for record in records if (found := _ages(record)) is not None]
    return PushResult(
        transport=_TRANSPORTS[pushed[0].transport],
        arrived=sum(each.arrived for each in pushed),
        lost_at_client=sum(each.lost_at_client for each in pushed),
        lost_at_sink=sum(each.lost_at_sink for each in pushed),
        unreadable=sum(each.unreadable for each in pushed),
        age_ms={
            name: max((getattr(each, name) / 1e6 for each in every), default=None)
            for name in ("p50", "p99", "max", "mean")
        },
    )
