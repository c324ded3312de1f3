"""The builder of a subject's body, inside the measured process."""

import time
from typing import TYPE_CHECKING, cast

from harness.errors import InstrumentError, UsageError
from harness.instruments.catalog import create, load_object
from harness.measure.subject import OWN, Subject
from harness.measure.worker.body import Body, Sink, no_counts, page_counts, touched
from harness.measure.worker.delay import Evaluate, delayed
from harness.measure.worker.movement import Movement
from harness.measure.worker.muting import LIBRARIES, counting_calls, mute
from harness.repl import Repl
from harness.views import Tags

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["build"]

# The remedy where muting fails; the flag belongs to the only command that mutes.
_REMEDY = "name the same function without recording (--bare package.module:function)"


class _Clock:
    # The C function itself, and not harness.load.clock, which would import numpy into each measured process.
    now_ns = staticmethod(time.monotonic_ns)


def build(subject: Subject) -> Body:
    """Return the body of `subject`; raise `UsageError` or `InstrumentError` with the reason where that fails."""
    if subject.rung:
        from harness.measure.worker.rungs import build_rung

        body = build_rung(subject.rung, subject)
    elif subject.target:
        body = _target(subject)
    else:
        body = _instrument(subject)
    if subject.delay_ns is not None:
        body.evaluators = [delayed(evaluate, subject.delay_ns) for evaluate in body.evaluators]
    return body


def _instrument(subject: Subject) -> Body:
    views = subject.view_objects()
    # What is scraped at an interval is pushed at it, by an instrument that pushes all its series.
    interval_ns = subject.interval_ms * 1_000_000 if subject.scraped else None
    instrument = create(subject.instrument, views, push_interval_ns=interval_ns)
    sink = Sink()
    evaluators = [Repl(instrument, _Clock(), sink.open()).evaluate for _ in range(subject.threads)]
    # The bare REPL has a page only where it is served, so that the metrics library is not imported otherwise.
    recording = subject.instrument != "none"
    registry = instrument.registry if recording or subject.served else None

    def counts() -> dict[str, int]:
        from prometheus_client.exposition import generate_latest

        return page_counts(generate_latest(instrument.registry).decode(), touched(views))

    def close() -> None:
        instrument.close()
        sink.close()

    receiver = getattr(instrument, "sink", None)
    return Body(evaluators, counts if recording else no_counts, registry, close, receiver)


def _target(subject: Subject) -> Body:
    if subject.instrument == OWN:
        evaluate = _evaluator(subject.target)
        calls = _recording_calls(evaluate, subject)
        return Body([evaluate] * subject.threads, calls_per_line=calls)
    if subject.bare:
        return Body([_evaluator(subject.bare)] * subject.threads)
    return _muted(subject)


def _evaluator(path: str) -> Evaluate:
    function = load_object(path, "target")
    if not callable(function):
        raise UsageError(f"{path!r} cannot be called", field="target")
    call = cast("Callable[[str], object]", function)

    def evaluate(line: str, _tags: Tags) -> object:
        return call(line)

    return evaluate


def _muted(subject: Subject) -> Body:
    """Return the function with its recording muted; its `counts` raise `InstrumentError` where it recorded anyway.

    One line is evaluated first, as on the other side, so that everything that the first call imports and builds exists.
    """
    muted = mute()
    evaluate = _evaluator(subject.target)
    remedy = f"; if it does not otherwise, {_REMEDY}"
    _once(evaluate, f"{subject.target}, with its recording calls muted,", remedy)
    movement = Movement(muted.arrived)

    def proof() -> dict[str, int]:
        if moved := movement.first():
            text = f"{subject.target} still records with its recording calls muted: {moved}"
        elif unknown := movement.unreadable or muted.unverifiable():
            text = f"whether {subject.target} still records with its recording calls muted cannot be told: {unknown}"
        else:
            return {}
        raise InstrumentError(f"{text}; {_REMEDY}", field="target")

    return Body([evaluate] * subject.threads, proof)


def _once(evaluate: Evaluate, what: str, remedy: str = "") -> None:
    try:
        evaluate("The quick brown fox jumps over the lazy dog", Tags())
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InstrumentError(f"{what} raised {reason}{remedy}", field="target") from error


def _recording_calls(evaluate: Evaluate, subject: Subject) -> int | None:
    """Return the recording calls per line; raise `InstrumentError` where there are none and nothing to compare with."""
    with counting_calls() as calls:
        _once(evaluate, subject.target)
        count = calls()
    if not count and not subject.bare:
        libraries = ", ".join(LIBRARIES)
        raise InstrumentError(f"{subject.target} records nothing through {libraries}; {_REMEDY}", field="target")
    return count
