"""Probes in fresh processes, with results as table rows and as a document."""

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
    """Return the probes of those names, all of them for none; raises `UsageError` of `name` for others."""
    known = {probe.name: probe for probe in PROBES}
    for name in names:
        if name not in known:
            raise UsageError(f"there is no probe {name!r}; choose from {', '.join(known)}", field="name")
    return tuple(known[name] for name in dict.fromkeys(names)) or PROBES


def run_probe(probe: Probe, instrument: str, timeout_s: float = TIMEOUT_S) -> ProbeResult:
    """Make the experiment in a fresh process, because what it looks for lives in the process's own state.

    An experiment that hangs, dies or cannot be made has ``present=None`` and says so in its evidence. Raises
    `UsageError` of `instrument` for one that is not OpenCensus in one form or the other.
    """
    if instrument not in INSTRUMENTS:
        text = f"{instrument!r} cannot be probed; choose from {', '.join(INSTRUMENTS)}"
        raise UsageError(text, field="instrument")
    try:
        done = run_to_end(
            [sys.executable, *ISOLATED, "-m", "harness.probe.child", probe.name, instrument],
            what=f"the experiment {probe.name}",
            within_s=timeout_s,
            environment={**os.environ, "PYTHONPATH": python_path(own_folder())},
        )
    except RunError:
        return ProbeResult(probe.name, instrument, None, f"no answer within {timeout_s:g} s")
    try:
        found = json.loads(done.output.splitlines()[-1])
        return ProbeResult(probe.name, instrument, found["present"], found["evidence"], found["data"])
    except (IndexError, ValueError, KeyError, TypeError):
        last = done.last_word if done.complaints.strip() else "it said nothing"
        return ProbeResult(probe.name, instrument, None, f"the experiment ended with code {done.code}: {last}")


def run_probes(
    probes: Iterable[Probe] = PROBES,
    instruments: Sequence[str] = INSTRUMENTS,
    *,
    jobs: int = 2,
    on_outcome: Callable[[ProbeResult], object] = lambda _outcome: None,
    timeout_s: float = TIMEOUT_S,
) -> list[ProbeResult]:
    """Run each probe on each instrument, `jobs` at a time, and return the outcomes probe by probe.

    `on_outcome` hears of each as it comes, in this thread. Ctrl-C ends the few that are running.
    """
    wanted = [(probe, instrument) for probe in probes for instrument in instruments]
    outcomes: dict[tuple[str, str], ProbeResult] = {}
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        running = [pool.submit(run_probe, probe, instrument, timeout_s) for probe, instrument in wanted]
        try:
            for done in as_completed(running):
                outcome = done.result()
                outcomes[outcome.probe, outcome.instrument] = outcome
                on_outcome(outcome)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # The threads wait for their processes, and the pool for its threads.
            end_children()
            raise
    return [outcomes[probe.name, instrument] for probe, instrument in wanted]


def rows(outcomes: Iterable[ProbeResult]) -> list[tuple[str, str, str, str]]:
    """Return probe, instrument, state and evidence of each outcome, to be printed as a table."""
    return [(each.probe, each.instrument, each.state, each.evidence) for each in outcomes]


def document(outcomes: Iterable[ProbeResult]) -> dict[str, Any]:
    """Return the outcomes with the versions they were found in, as JSON takes them."""
    defects = {probe.name: probe.defect for probe in PROBES}
    return {
        "schema_version": SCHEMA_VERSION,
        "environment": {"python": sys.version.split()[0], **{name: _version(name) for name in _LIBRARIES}},
        "outcomes": [each.document() | {"defect": defects[each.probe]} for each in outcomes],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
