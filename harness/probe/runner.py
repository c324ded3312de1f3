"""The runner of probes in fresh processes, and their results as table rows and as a document."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.children import ISOLATED, own_folder, python_path, run_to_end
from harness.errors import RunError, UsageError
from harness.interrupts import end_children
from harness.probe.catalog import INSTRUMENTS, PROBES, Probe, ProbeResult

__all__ = ["SCHEMA_VERSION", "document", "rows", "run_probe", "run_probes", "select"]

SCHEMA_VERSION = 1
TIMEOUT_S = 60.0
_LIBRARIES = ("opencensus", "opencensus-ext-prometheus", "prometheus-client")


def select(names: Sequence[str] = ()) -> tuple[Probe, ...]:
    """Return the probes called `names`, or all for none; raise `UsageError` of the field `name` for unknown names."""
    by_name = {probe.name: probe for probe in PROBES}
    for name in names:
        if name not in by_name:
            raise UsageError(f"there is no probe {name!r}; choose from {', '.join(by_name)}", field="name")
    return tuple(by_name[name] for name in dict.fromkeys(names)) or PROBES


def run_probe(probe: Probe, instrument: str, timeout_s: float = TIMEOUT_S) -> ProbeResult:
    """Run the experiment in a fresh process, since the defects are in the state of the whole process.

    An experiment that hangs, dies or is not possible has ``present=None`` and the reason in its evidence. Raise
    `UsageError` of the field `instrument` for one that is not in `INSTRUMENTS`.
    """
    if instrument not in INSTRUMENTS:
        text = f"{instrument!r} cannot be probed; choose from {', '.join(INSTRUMENTS)}"
        raise UsageError(text, field="instrument")
    try:
        process = run_to_end(
            [sys.executable, *ISOLATED, "-m", "harness.probe.child", probe.name, instrument],
            what=f"the experiment {probe.name}",
            within_s=timeout_s,
            environment={**os.environ, "PYTHONPATH": python_path(own_folder())},
        )
    except RunError:
        return ProbeResult(probe.name, instrument, None, f"no answer within {timeout_s:g} s")
    try:
        answer = json.loads(process.output.splitlines()[-1])
        return ProbeResult(probe.name, instrument, answer["present"], answer["evidence"], answer["data"])
    except (IndexError, ValueError, KeyError, TypeError):
        last = process.last_word if process.complaints.strip() else "no output"
        return ProbeResult(probe.name, instrument, None, f"the experiment ended with code {process.code}: {last}")


def run_probes(
    probes: Iterable[Probe] = PROBES,
    instruments: Sequence[str] = INSTRUMENTS,
    *,
    jobs: int = 2,
    on_outcome: Callable[[ProbeResult], object] = lambda _outcome: None,
    timeout_s: float = TIMEOUT_S,
) -> list[ProbeResult]:
    """Run each probe on each instrument, `jobs` at a time, and return the results in the order of the probes.

    `on_outcome` is called with each result when it is available, in this thread. Ctrl-C ends the running experiments.
    """
    tasks = [(probe, instrument) for probe in probes for instrument in instruments]
    outcomes: dict[tuple[str, str], ProbeResult] = {}
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        running = [pool.submit(run_probe, probe, instrument, timeout_s) for probe, instrument in tasks]
        try:
            for future in as_completed(running):
                outcome = future.result()
                outcomes[outcome.probe, outcome.instrument] = outcome
                on_outcome(outcome)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # The pool waits for its threads, and those for their processes.
            end_children()
            raise
    return [outcomes[probe.name, instrument] for probe, instrument in tasks]


def rows(outcomes: Iterable[ProbeResult]) -> list[tuple[str, str, str, str]]:
    """Return probe, instrument, state and evidence of each result, for a table."""
    return [(result.probe, result.instrument, result.state, result.evidence) for result in outcomes]


def document(outcomes: Iterable[ProbeResult]) -> dict[str, Any]:
    """Return the results with the library versions as a JSON object."""
    defects = {probe.name: probe.defect for probe in PROBES}
    return {
        "schema_version": SCHEMA_VERSION,
        "environment": {"python": sys.version.split()[0], **{name: _version(name) for name in _LIBRARIES}},
        "outcomes": [result.document() | {"defect": defects[result.probe]} for result in outcomes],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
