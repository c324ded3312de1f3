"""Time until the library of a way of recording is imported, in fresh interpreters that do nothing else.

Each round starts an interpreter for each library, in random order, and one that imports nothing. The time is measured
from the start of the process to the end of the import, minus that of the bare interpreter in the same round. The first
round, which reads files that later ones find in memory and compiles what was never imported, is discarded.
"""

import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.children import GRACE_S, ISOLATED, run_to_end
from harness.errors import RunError
from harness.instruments.catalog import BUILT_IN
from harness.measure.pairs.side import apart, cores, surroundings
from harness.measure.questions.columns.figures import ColumnFigure, Repeats, figure_of
from harness.measure.subject import Subject

__all__ = ["IMPORTS", "ImportPlan", "import_rounds", "import_times", "imported_by", "time_import"]

_CLIENT = ("prometheus_client",)
_CENSUS = ("opencensus.stats.stats", "opencensus.tags", "opencensus.ext.prometheus.stats_exporter")
_TELEMETRY = ("opentelemetry.sdk.metrics", "opentelemetry.exporter.prometheus")
_DATADOG = ("datadog.dogstatsd.base",)

# What a program imports to record and expose like that; nothing for ways of recording that are no library.
IMPORTS: dict[str, tuple[str, ...]] = {
    "none": (),
    "opencensus": _CENSUS,
    "opencensus-lean": (*_CENSUS, "opencensus_lean.install"),
    "prometheus-client": _CLIENT,
    "prometheus-client-cached": _CLIENT,
    "prometheus-client-multiprocess": (*_CLIENT, "prometheus_client.multiprocess"),
    "opentelemetry": _TELEMETRY,
    "opentelemetry-no-exemplars": _TELEMETRY,
    "opentelemetry-default-limit": _TELEMETRY,
    "opentelemetry-otlp": ("opentelemetry.sdk.metrics", "opentelemetry.exporter.otlp.proto.http.metric_exporter"),
    "statsd": ("statsd",),
    "dogstatsd": _DATADOG,
    "dogstatsd-buffered": _DATADOG,
    "dogstatsd-unix": _DATADOG,
    "dogstatsd-unix-buffered": _DATADOG,
    "reference": (),
}

# The clock is that of the whole system, so that the start can be read by the parent. The working directory is searched
# for an own module behind everything else, as `harness.instruments.catalog` does.
_CODE = """
import os, sys, time
os.sched_setaffinity(0, {{{core}}})
sys.path.append(os.getcwd())
import importlib
for name in {modules!r}:
    importlib.import_module(name)
print(time.monotonic_ns())
"""

Modules = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The plan: `rounds` of fresh interpreters that count, after one that does not."""

    rounds: int = 20
    seed: int = 1


def imported_by(instrument: str) -> Modules:
    """Return the modules that a program imports to record with `instrument`; empty where nothing is known of it.

    Of an own ``package.module:Name``, that module.
    """
    if instrument in BUILT_IN:
        return IMPORTS[instrument]
    module, separator, _ = instrument.partition(":")
    return (module,) if separator else ()


def time_import(modules: Modules) -> int:
    """Return the time in ns from the start of an interpreter to the end of its imports, on the measured core.

    Raise `RunError` where one of the modules cannot be imported.
    """
    environment = {**os.environ, **surroundings(Subject())}
    code = _CODE.format(core=cores().measured, modules=modules)
    what = f"importing {', '.join(modules) or 'nothing'}"
    start = time.monotonic_ns()
    ended = run_to_end([sys.executable, *ISOLATED, "-c", code], what=what, within_s=GRACE_S, environment=environment)
    last = ended.output.split()[-1:]
    if ended.code or not last or not last[0].isdigit():
        raise RunError(f"{what} ended with {ended.code}: {ended.last_word}")
    return int(last[0]) - start


def import_rounds(
    libraries: Sequence[Modules], plan: ImportPlan, timed: Callable[[Modules], float] = time_import
) -> Iterator[dict[Modules, float]]:
    """Yield for each round the time in ns of each library above the bare interpreter of the same round.

    NaN where an interpreter failed.
    """
    rng = random.Random(plan.seed)  # noqa: S311 - orders, nothing secret
    for number in range(plan.rounds + 1):
        with apart(cores()):
            order = rng.sample([(), *libraries], len(libraries) + 1)
            times = {modules: _time_or_nan(modules, timed) for modules in order}
        if number:
            yield {modules: times[modules] - times[()] for modules in libraries}


def _time_or_nan(modules: Modules, timed: Callable[[Modules], float]) -> float:
    try:
        return timed(modules)
    except RunError:
        return math.nan


def import_times(
    instruments: Sequence[str],
    plan: ImportPlan,
    step: Callable[[], object],
    timed: Callable[[Modules], float] = time_import,
) -> list[ColumnFigure]:
    """Return the import time of each instrument's library; `step` is called after each round."""
    libraries = list(dict.fromkeys(modules for name in instruments if (modules := imported_by(name))))
    repeats = {modules: Repeats() for modules in libraries}
    for measured in import_rounds(libraries, plan, timed) if libraries else ():
        for modules, value in measured.items():
            repeats[modules].add(value, "the interpreter failed" if math.isnan(value) else "")
        step()
    return [
        figure_of(name, "import", None, repeats[modules])
        if (modules := imported_by(name))
        else figure_of(name, "import", None, reason="there is no library to import")
        for name in instruments
    ]
