"""SIGKILL of commands at random instants: what they started follows them, and what was stored stays."""

import json
import shutil
import subprocess
import time
from importlib.util import find_spec

from benchmarks.faults.fault import Act, SkippedError, fault
from benchmarks.faults.prometheus import need_prometheus
from benchmarks.faults.trial import Trial

__all__ = ["KILLED"]

_RUN = ("run", "--duration", "1s", "--arrivals", "constant:rate=500", "--scrape-interval", "200ms")
_PAIRS = ("--instruments", "prometheus-client-cached", "--budget", "2s")
# Name -> the commands that are killed in turn.
KILLED: dict[str, tuple[tuple[str, ...], ...]] = {
    "run": ((*_RUN, "--scraper", "prometheus", "--live"), (*_RUN, "--scraper", "builtin")),
    "overhead": (
        ("overhead", *_PAIRS, "--scraped"),
        ("overhead", *_PAIRS[:2], "--axis", "instructions"),
        ("overhead", "saturation", *_PAIRS[:2]),
    ),
    "compare": (("compare", "prometheus-client", "prometheus-client-cached", "--budget", "2s"),),
    "check": (("check",), ("check", "--fresh", *_PAIRS)),
    "report": (("report", "--output", "page.html"),),
    "history-import": (("history", "import", "suites"),),
    "demo": (("demo", "--port", "0", "--quiet"),),
    "workers": ((*_RUN, "--scraper", "builtin", "--workers", "2"),),
    "dask": ((*_RUN, "--scraper", "builtin", "--workers", "2", "--cluster", "local"),),
}
# One that does not end by itself is killed within this time, and others within the time they took.
_ENDLESS_S = 6.0
_LONGEST_S = 20.0
_SUITES = 50


def _needs(name: str) -> None:
    if name in {"run", "overhead", "demo"}:
        need_prometheus()
    if name == "overhead" and shutil.which("valgrind") is None:
        raise SkippedError("valgrind is not installed")
    if name == "dask" and find_spec("distributed") is None:
        raise SkippedError("Dask is not installed: pip install 'recording-harness[cluster]'")


def _suites(trial: Trial) -> tuple[str, ...]:
    """Write suites of pytest-benchmark, new ones for each command, and return the command that imports them."""
    folder = trial.folder / f"suites-{len(trial.codes)}"
    folder.mkdir()
    for i in range(_SUITES):
        about = {"node": f"{len(trial.codes)} {i}"}
        suite = {"datetime": "2026-01-01T00:00:00+00:00", "benchmarks": [], "machine_info": about}
        (folder / f"{i}.json").write_text(json.dumps(suite))
    return ("history", "import", str(folder))


def _natural_s(trial: Trial, name: str, arguments: tuple[str, ...]) -> float:
    """Return how long a command takes when nobody kills it."""
    if name == "demo":
        return _ENDLESS_S
    if "saturation" in arguments:
        return _LONGEST_S  # it takes minutes
    began = time.monotonic()
    trial.run(*arguments, codes={0, 1, 3})
    return min(_LONGEST_S, time.monotonic() - began)


def killed(trial: Trial, name: str) -> str:
    """Kill the commands of `name` at random instants, as often as the trial says, and return what was seen."""
    _needs(name)
    spans: dict[tuple[str, ...], float] = {}
    ended = 0
    for i in range(trial.kills):
        key = KILLED[name][i % len(KILLED[name])]
        if key not in spans:
            spans[key] = _natural_s(trial, name, _suites(trial) if name == "history-import" else key)
        arguments = _suites(trial) if name == "history-import" else key
        instant_s = trial.random.uniform(0.0, spans[key])
        with trial.running(*arguments) as command:
            try:
                command.process.wait(instant_s)
                ended += 1
            except subprocess.TimeoutExpired:
                command.process.kill()
            command.ended(20)
        trial.intact()
    return f"{trial.kills - ended} kills (seed {trial.seed}), {ended} had ended before their instant"


def _fault(name: str) -> Act:
    words = " and ".join(" ".join(each) for each in KILLED[name])

    @fault(
        f"killed-{name}",
        f"SIGKILL to harness {words}, at random instants",
        "what it started follows within 30 s; no stored result is lost or damaged",
        deadline_s=90,
        kills=True,
    )
    def act(trial: Trial) -> str:
        return killed(trial, name)

    return act


for _name in KILLED:
    _fault(_name)
