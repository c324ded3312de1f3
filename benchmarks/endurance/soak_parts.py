"""The parts of a soak: what runs in each, and its figures from the document that the run wrote."""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.endurance.long_run import Watched, harness, watch
from harness.run.tour import tour
from workloads.incidents import Incident

RATE, SERIES, ERRORS, INSTRUMENT = 5_000, 50, "1%", "opencensus-lean"
WORKERS = 4
SAMPLED_S = 5.0
# Tours through all incidents; a short soak has fewer, none shorter than so many seconds.
TOURS, SHORTEST_TOUR_S = 18, 30
# Of a tour's ten parts: after the restart, and at the end of the flood. While lines come without a pause a look may be
# made a second late, so that of a tour of ten seconds the end would be too late.
_LOOKS = (0.78, 0.88)
# The audit of an hour of scrapes of some thousand samples each, start and end.
BESIDES_S = 900.0
# This share of a soak is warm-up: until then caches and the bounded records of the run fill.
WARM_UP = 1 / 3


def tours(seconds: float) -> int:
    """Return how many tours through all incidents a soak of some seconds has."""
    return max(1, min(TOURS, int(seconds / SHORTEST_TOUR_S)))


def incidents(seconds: float) -> list[Incident]:
    """Return the incidents of a soak: one tour after the other."""
    count = tours(seconds)
    length_ns = int(seconds * 1e9) // count
    return [
        Incident(each.kind, each.start_ns + number * length_ns, each.duration_ns)
        for number in range(count)
        for each in tour(length_ns)
    ]


def demo_looks_s(seconds: float) -> list[float]:
    """Return the two moments of the last tour between which no restart happens, in seconds from the start."""
    length_s = seconds / tours(seconds)
    return [seconds - length_s * (1 - share) for share in _LOOKS]


def run_command(seconds: float, seed: int, workers: int, file: Path) -> list[str]:
    """Return the command of a run by so many workers."""
    return harness(
        "run", "--quiet", "--no-save", "--json", str(file), "--instrument", INSTRUMENT,
        "--arrivals", f"poisson:rate={RATE}", "--duration", _duration(seconds), "--errors", ERRORS,
        "--series", str(SERIES), "--seed", str(seed), "--scraper", "prometheus", "--workers", str(workers),
    )  # fmt: skip


def demo_command(seconds: float, seed: int, file: Path) -> list[str]:
    """Return the command of a demo with incidents and a witness."""
    script = str(Path(__file__).with_name("soak_demo.py"))
    happen = [word for each in incidents(seconds) for word in ("--incident", str(each))]
    return [
        sys.executable, script, str(file), *(f"{at_s:.3f}" for at_s in demo_looks_s(seconds)),
        "--quiet", "--port", "0", "--duration", _duration(seconds), "--seed", str(seed), *happen,
    ]  # fmt: skip


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def measure_part(what: str, seconds: float, seed: int, every_s: float) -> dict[str, Any]:
    """Run one part, ``run``, ``workers`` or ``demo``, to its end, and return its figures."""
    with tempfile.TemporaryDirectory(prefix="harness-soak-") as folder:
        file = Path(folder) / "result.json"
        commands = {
            "run": lambda: run_command(seconds, seed, 1, file),
            "workers": lambda: run_command(seconds, seed, WORKERS, file),
            "demo": lambda: demo_command(seconds, seed, file),
        }
        watched = watch(commands[what](), what=what, within_s=seconds + BESIDES_S, every_s=every_s, folder=Path(folder))
        result = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return figures_of(what, seconds, result, watched)


def figures_of(what: str, seconds: float, result: Mapping[str, Any] | None, watched: Watched) -> dict[str, Any]:
    """Return the figures of a part from its document and what was seen of it."""
    figures = {
        "what": what,
        "seconds": seconds,
        "warm_up_s": seconds * WARM_UP,
        "batches": None if what != "demo" else tours(seconds) - round(tours(seconds) * WARM_UP),
        "interrupted": watched.interrupted or bool(result and result["interrupted"]),
        "overdue": watched.overdue,
        "exit_code": watched.code,
        "took_s": round(watched.took_s, 1),
        "reason": "" if result is not None else watched.told[-400:] or "no result",
        "usage": {role: readings.document() for role, readings in watched.usage.readings.items()},
    }
    if result is None:
        return figures
    own = _of_demo(result) if what == "demo" else _of_run(result)
    return {**figures, "ledger": result["ledger"], **own}


def _of_run(result: Mapping[str, Any]) -> dict[str, Any]:
    audit, points = result["audit"], result["timeline"]["points"]
    windows = sorted(result["scrapes"]["windows"])
    return {
        "lag": _columns([(point["start_s"], point["lag_ns"]["p99"]) for point in points]),
        "page": _columns([(start / 1e9, end - start) for start, end in windows if start > 0]),
        "outcome": audit["outcome"],
        "findings": [finding["name"] for finding in audit["findings"] if finding["severity"] != "info"],
        "scrapes": result["scrapes"]["count"],
        "scrapes_compared": audit["scrapes_compared"],
        "audit_s": audit["elapsed_s"],
        "verdict": result["verdict"],
        "rate": result["rate"]["achieved"],
    }


def _of_demo(result: Mapping[str, Any]) -> dict[str, Any]:
    looks = result["looks"]
    same = len(looks) == 2 and looks[1]["page"] - looks[0]["page"] == looks[1]["account"] - looks[0]["account"]
    outcome = "not_verified" if len(looks) < 2 else "conserved" if same else "not_conserved"
    return {
        "lag": _columns([(start_s, p99) for start_s, _, p99 in result["lag_ns"]]),
        "page": _columns([(begin / 1e9, end - begin) for begin, end in result["pages_ns"]]),
        "outcome": outcome,
        "findings": [] if same else [f"looks: {looks}"],
        "looks": looks,
    }


def _columns(pairs: Sequence[tuple[float, int | None]]) -> dict[str, str]:
    """Return moments (s) and durations (ns), each as numbers in one text; durations that are unknown are left out."""
    known = [(at_s, value) for at_s, value in pairs if value is not None]
    return {
        "at_s": " ".join(f"{at_s:.1f}" for at_s, _ in known),
        "ns": " ".join(str(value) for _, value in known),
    }


__all__ = [
    "ERRORS",
    "INSTRUMENT",
    "RATE",
    "SAMPLED_S",
    "SERIES",
    "WORKERS",
    "demo_looks_s",
    "figures_of",
    "incidents",
    "measure_part",
    "tours",
]
