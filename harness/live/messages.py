"""What a run tells its live page: plain values, made from snapshots and results.

An object on the pipe has any of these keys: ``now`` (the totals; with ``point``, the last second, when a second is
over), ``phase``, ``note``, ``incident``, ``result`` and ``end``. Times are nanoseconds after the start.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.load.pump import Snapshot
    from harness.run.result import Latency, RunResult

__all__ = ["about_run", "now_message", "result_message"]

_COUNTS = ("offered", "processed", "failed", "dropped")
_PERCENTILES = ("lag_p99_ns", "service_p99_ns", "response_p99_ns")
_MOST_KINDS = 12
_MOST_WORKERS = 64
# Whose percentiles stand for several workers changes, and their seconds do not end at the same moment.
_LEAST_APART_NS = 500_000_000


def about_run(
    title: str,
    load: str,
    *,
    duration_ns: int | None = None,
    count: int | None = None,
    rolling: bool = False,
    kinds: Mapping[str, str] | None = None,
    scheduled: Iterable[tuple[str, int, int]] = (),
    stoppable: bool = False,
    audited: bool = True,
) -> dict[str, Any]:
    """Return what a page shows of a run from the start.

    `load` describes it in a line, `duration_ns` and `count` are how long it is to last and how many lines it has, where
    that is known, `rolling` keeps the last ten minutes instead of the whole, `kinds` are the incidents that buttons can
    switch on, with a sentence each, `scheduled` those that will come by themselves: kind, begin and end, in nanoseconds
    after the start. `stoppable` lets the page end the run before its end, and `audited` says whether there is an audit
    at the end.
    """
    return {
        "title": title,
        "load": load,
        "duration_ns": duration_ns,
        "count": count,
        "rolling": rolling,
        "kinds": dict(kinds or {}),
        "scheduled": [{"kind": kind, "begin_ns": begin, "end_ns": end} for kind, begin, end in scheduled],
        "stoppable": stoppable,
        "audited": audited,
    }


def now_message(
    snapshot: "Snapshot", scrapes: int, failed_scrapes: int, since_ns: int, pages: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """Return how a run stands, with the `pages` made since the last message, begin and end.

    There is a point where a second has ended well after `since_ns`, the time of the last point.
    """
    now: dict[str, Any] = {
        **_figures(snapshot),
        "elapsed_ns": snapshot.elapsed_ns,
        "target_rate": snapshot.target_rate,
        "errors": _largest(snapshot.errors),
        "scrapes": scrapes,
        "failed_scrapes": failed_scrapes,
        "pages": [list(window) for window in pages],
        "worst_worker": snapshot.worst_worker,
    }
    if snapshot.workers:
        workers = sorted(snapshot.workers.items())[:_MOST_WORKERS]
        now["workers"] = [{"number": number, **_figures(worker)} for number, worker in workers]
    recent = snapshot.recent
    if recent is not None and recent["until_ns"] >= since_ns + _LEAST_APART_NS:
        figures = {name: value for name, value in recent.items() if name != "until_ns"}
        rates = {"rate": snapshot.rate, "target_rate": snapshot.target_rate}
        now["point"] = {"t_ns": recent["until_ns"], **rates, **figures}
    return {"now": now}


def _figures(snapshot: "Snapshot") -> dict[str, Any]:
    return {name: getattr(snapshot, name) for name in (*_COUNTS, "rate", *_PERCENTILES)}


def _largest(errors: Mapping[str, int]) -> dict[str, int]:
    """Return the most frequent kinds of error; a subject may raise any number of them."""
    return dict(sorted(errors.items(), key=lambda item: -item[1])[:_MOST_KINDS])


def result_message(result: "RunResult") -> dict[str, Any]:
    """Return the result of a run: figures for the page's own places, and the account as the reports show it."""
    from harness.report.markup import page_text
    from harness.report.sections.runs import run_parts
    from harness.report.tables import Section
    from harness.report.writers.html import section_element

    ledger, scrapes = result.ledger, result.scrapes
    shown = section_element(Section("result-account", "Result", run_parts(result)))
    return {
        "result": {
            "verdict": result.verdict,
            "interrupted": result.interrupted,
            **{name: getattr(ledger, name) for name in _COUNTS},
            "errors": _largest({**ledger.refused, **ledger.raised}),
            "rate": result.rate.achieved,
            "target_rate": result.rate.target,
            "lag_p99_ns": _p99(result.lag_ns),
            "service_p99_ns": _p99(result.service_ns),
            "response_p99_ns": _p99(result.response_ns),
            "scrapes": scrapes.count,
            "failed_scrapes": scrapes.failed,
            "scrape_ms": scrapes.duration_ms.get("p50"),
            "audit": result.audit.judged,
            "compared": result.audit.compared,
            "html": page_text(shown).partition("\n")[2],
        }
    }


def _p99(latency: "Latency") -> int | None:
    from harness.load.latency.tail import supported

    return latency.p99 if supported(99, latency.count) else None
