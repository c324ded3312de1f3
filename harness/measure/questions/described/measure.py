"""The measurement behind the answer for a described service: pairs for the cost of a line, processes for the rest."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.errors import RunError
from harness.instruments.catalog import installed
from harness.interrupts import interruptible
from harness.measure.counts.memory import FootprintMeasurer, measure_footprint
from harness.measure.pairs.measure import comparisons_for, measure_overhead
from harness.measure.pairs.schedule import Terms
from harness.measure.pairs.side import apart, cores
from harness.measure.questions.described.description import ServiceDescription
from harness.measure.questions.described.estimates import FootprintRecord, record_of
from harness.measure.questions.table import ROWS
from harness.measure.result import Experiments
from harness.measure.subject import Subject
from harness.progress import Progress, Step, part_of

__all__ = ["BUDGET_S", "ServicePlan", "default_instruments", "measure_service"]

BUDGET_S = 180.0
# Of the time; the rest is for the processes whose memory and page are measured.
_PAIRS_SHARE = 0.7
_FEWEST_PROCESSES = 3
# Beyond so many series the SDK of OpenTelemetry folds them unless it is told otherwise.
_FOLDS_BEYOND = 2000
_MULTIPROCESS, _DEFAULT_LIMIT = "prometheus-client-multiprocess", "opentelemetry-default-limit"


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What is measured: each way of recording under the conditions of the service, until the terms are met.

    The budget of `terms` is for everything, pairs and processes. Of each way of recording `processes` fresh processes
    are measured, at least three where time is short; each makes `pages` pages at most.
    """

    service: ServiceDescription
    instruments: tuple[str, ...]
    terms: Terms
    processes: int = 5
    pages: int = 20


def default_instruments(service: ServiceDescription) -> list[str]:
    """Return those of the table that are installed, and the modes that matter to such a service.

    These are multiprocess mode for several workers, and the default limit of OpenTelemetry for many series.
    """
    names = list(ROWS)
    if service.workers > 1:
        names.append(_MULTIPROCESS)
    if service.series > _FOLDS_BEYOND:
        names.append(_DEFAULT_LIMIT)
    return installed(names)


def measure_service(
    plan: ServicePlan,
    progress: Progress = lambda _step: None,
    *,
    compare: Callable[..., Experiments] = measure_overhead,
    footprint: FootprintMeasurer = measure_footprint,
    now: Callable[[], float] = time.monotonic,
) -> tuple[Experiments, list[FootprintRecord], bool]:
    """Return the pairs, the processes, and whether Ctrl-C ended it: then what was measured until then.

    Raise `UsageError` of an instrument that is not there, and any error from building the subjects.
    """
    began, terms = now(), plan.terms
    if terms.budget_s is not None:
        terms = replace(terms, budget_s=_PAIRS_SHARE * terms.budget_s)
    comparisons = comparisons_for(plan.instruments, (plan.service.series,))
    document = compare(comparisons, terms, part_of(progress, 0.0, _PAIRS_SHARE, then_s=0.0))
    if document.interrupted:
        return document, [], True
    end = None if plan.terms.budget_s is None else began + plan.terms.budget_s
    records, interrupted = _processes(plan, progress, footprint, lambda: end is not None and now() >= end)
    return document, records, interrupted


def _processes(
    plan: ServicePlan, progress: Progress, footprint: FootprintMeasurer, late: Callable[[], bool]
) -> tuple[list[FootprintRecord], bool]:
    """Return a record for each process, and whether Ctrl-C ended it.

    The ways of recording take turns in random order, so that a slow spell of the machine does not meet one alone.
    """
    rng = random.Random(plan.terms.seed)  # noqa: S311 - an order, nothing secret
    records: list[FootprintRecord] = []
    total = plan.processes * len(plan.instruments)
    which = cores()
    try:
        with apart(which):
            for turn in range(plan.processes):
                for name in rng.sample(plan.instruments, len(plan.instruments)):
                    if turn >= _FEWEST_PROCESSES and late():
                        return records, False
                    done = _PAIRS_SHARE + (1 - _PAIRS_SHARE) * len(records) / total
                    progress(Step(done, None, f"{name}: memory and pages"))
                    with interruptible():
                        record = _record(plan, name, footprint, which.measured)
                    records.append(record)
    except KeyboardInterrupt:
        return records, True
    return records, False


def _record(plan: ServicePlan, name: str, footprint: FootprintMeasurer, core: int) -> FootprintRecord:
    service = plan.service
    subject = Subject(instrument=name, series=service.series)
    try:
        measured = footprint(subject, workers=service.workers, pages=plan.pages, core=core)
    except RunError as error:
        # One that fails behind a fork, or beyond some number of series, is a result; the others go on.
        return FootprintRecord(instrument=name, void=str(error))
    return record_of(name, measured)
