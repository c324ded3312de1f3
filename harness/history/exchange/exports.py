"""Stored figures in the formats of other tools; pure functions from figures and runs to text."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from harness.errors import UsageError
from harness.history.envelope import Envelope
from harness.history.figures import Figure, measured_in, metrics_of

__all__ = ["FORMATS", "ExportedFigure", "export_figures", "export_pytest_benchmark", "figures_of"]

_DESCRIBED = (
    "run", "created", "kind", "label", "epoch", "revision", "key", "axis", "base", "head", "factors", "unit",
)  # fmt: skip
_LABELS = ("key", "axis", "base", "head", "run", "kind", "epoch")


@dataclass(frozen=True, slots=True)
class ExportedFigure:
    """One figure with the facts of its run; thousands of runs are exported without opening their files."""

    run: str
    created: str
    kind: str
    label: str
    epoch: str
    revision: str | None
    metric: Figure

    def labels(self) -> dict[str, str]:
        """Return what distinguishes it from other samples, for formats with labels."""
        metric = self.metric
        values = (metric.key, metric.axis, metric.base, metric.head, self.run, self.kind, self.epoch)
        return dict(zip(_LABELS, values, strict=True))


def figures_of(run: Envelope) -> Iterator[ExportedFigure]:
    """Yield the figures of one run."""
    revision = run.git.get("revision")
    for metric in metrics_of(run.kind, run.document):
        yield ExportedFigure(run.id, run.created, run.kind, run.label, run.epoch, revision, metric)


def export_figures(figures: Iterable[ExportedFigure], form: str) -> str:
    """Return `figures`, oldest first, in one of `FORMATS`; raises `UsageError` for another format."""
    if form not in FORMATS:
        raise UsageError(f"{form!r} is not one of {', '.join(FORMATS)}", field="format")
    return FORMATS[form](list(figures))


def _csv(figures: Sequence[ExportedFigure]) -> str:
    """Write one row for each figure; cells without a value are empty. RFC 4180 quoting."""
    out = io.StringIO()
    names = ("value", "low", "high", "ratio", "ratio_low", "ratio_high", "pairs", "smallest_effect")
    writer = csv.writer(out)
    writer.writerow([*_DESCRIBED, *names, "void"])
    for figure in figures:
        metric = figure.metric
        writer.writerow([
            *(_inert(text) for text in (
                figure.run, figure.created, figure.kind, figure.label, figure.epoch, figure.revision or "", metric.key,
                metric.axis, metric.base, metric.head, metric.factors, metric.unit,
            )),
            *(getattr(metric, name) for name in names), _inert(metric.void),
        ])  # fmt: skip
    return out.getvalue()


def _inert(text: str) -> str:
    """Prevent a spreadsheet from reading external text as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _smaller_is_better(figures: Sequence[ExportedFigure]) -> str:
    """Return name, unit, value, range and extra of each figure's newest run; the action keeps its own history."""
    newest: dict[str, dict[str, Any]] = {}
    for figure in figures:
        metric = figure.metric
        if metric.value is None:
            # An older run's figure is not the newest word on it.
            newest.pop(metric.key, None)
            continue
        entry: dict[str, Any] = {"name": metric.key, "unit": metric.unit, "value": metric.value}
        if metric.low is not None and metric.high is not None:
            entry["range"] = f"± {(metric.high - metric.low) / 2:.4g}"
        entry["extra"] = f"run {figure.run}\nmachine {figure.epoch}"
        newest[metric.key] = entry
    return json.dumps(list(newest.values()), indent=2) + "\n"


def export_pytest_benchmark(run: Envelope) -> str:
    """Return one run as a document that `pytest-benchmark compare` reads; each pair is a round.

    An imported document is returned unchanged. pytest-benchmark has no pairs and no negative times: what is exported is
    the head's whole time for each line, not the cost above the base.
    """
    if run.kind == "suite":
        return json.dumps(run.document, indent=2) + "\n"
    result = [item for item in measured_in(run.document) if item.experiment.get("axis") == "wall_ns"]
    benchmarks = []
    for measured in result:
        experiment, key = measured.experiment, measured.key
        if experiment.get("verdict") == "void":
            continue
        seconds = [pair["head_per_line"] / 1e9 for pair in experiment.get("raw_pairs", []) if not pair.get("void")]
        mean = experiment.get("head_per_line")
        if not seconds and mean is not None:
            seconds = [mean / 1e9]
        if seconds and key:
            benchmarks.append(_benchmark(key, experiment, seconds))
    git = run.git
    return json.dumps({
        "machine_info": {"node": run.epoch, **_machine_info(run.fingerprint)},
        "commit_info": {
            "id": git.get("revision") or "unknown", "dirty": bool(git.get("dirty")), "branch": git.get("branch"),
        },
        "benchmarks": benchmarks, "datetime": run.created.replace("Z", "+00:00"), "version": "5.0.0",
    }, indent=2) + "\n"  # fmt: skip


def _machine_info(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    machine = fingerprint.get("machine", {})
    return {
        "processor": machine.get("machine", ""), "machine": machine.get("machine", ""),
        "python_implementation": str(machine.get("python", "")).partition(" ")[0],
        "python_version": str(machine.get("python", "")).partition(" ")[2],
        "release": str(machine.get("kernel", "")), "system": str(machine.get("kernel", "")).partition(" ")[0],
        "cpu": {"brand_raw": machine.get("cpu", ""), "count": machine.get("cpu_count", 0)},
    }  # fmt: skip


def _benchmark(key: str, experiment: Mapping[str, Any], seconds: list[float]) -> dict[str, Any]:
    import numpy as np  # the terminal lists history without it

    rounds = np.array(seconds)
    q1, median, q3 = (float(q) for q in np.percentile(rounds, [25, 50, 75]))
    spread = float(rounds.std(ddof=1)) if len(rounds) > 1 else 0.0
    mean, iqr = float(rounds.mean()), q3 - q1
    far = int(((rounds < mean - spread) | (rounds > mean + spread)).sum())
    outside = int(((rounds < q1 - 1.5 * iqr) | (rounds > q3 + 1.5 * iqr)).sum())
    inside = rounds[(rounds >= q1 - 1.5 * iqr) & (rounds <= q3 + 1.5 * iqr)]
    return {
        "group": str(experiment["base"]), "name": key, "fullname": key,
        "params": dict(experiment.get("factors", {})) or None, "param": None,
        "extra_info": {"cost_per_line_ns": experiment.get("cost_per_line"), "ratio": experiment.get("ratio")},
        "options": {
            "disable_gc": False, "timer": "perf_counter_ns", "min_rounds": len(seconds), "max_time": 0, "min_time": 0,
            "warmup": True,
        },
        "stats": {
            "min": float(rounds.min()), "max": float(rounds.max()), "mean": mean, "stddev": spread,
            "rounds": len(seconds), "median": median, "iqr": iqr, "q1": q1, "q3": q3,
            "iqr_outliers": outside, "stddev_outliers": far,
            "outliers": f"{far};{outside}", "ld15iqr": float(inside.min()), "hd15iqr": float(inside.max()),
            "ops": 1 / mean if mean else 0.0, "total": float(rounds.sum()), "data": seconds, "iterations": 1,
        },
    }  # fmt: skip


def _openmetrics(figures: Sequence[ExportedFigure]) -> str:
    """Write gauges in OpenMetrics 1.0 text, the time of the run as their timestamp, seconds as the unit of time."""
    text: list[str] = []
    for name, unit, reported, read in _FAMILIES:
        family = [(figure, value) for figure in figures if (value := read(figure.metric)) is not None]
        text += [f"# TYPE {name} gauge", *([f"# UNIT {name} {unit}"] if unit else []), f"# HELP {name} {reported}"]
        # A family's samples of one label set have to stand together; run ids make each set unique.
        text += [f"{name}{_braces(figure.labels())} {value!r} {_seconds(figure.created)}" for figure, value in family]
    return "\n".join([*text, "# EOF"]) + "\n"


def _in_seconds(value: float | None, metric: Figure) -> float | None:
    return value / 1e9 if value is not None and metric.unit == "ns" else None


_FAMILIES: Final[tuple[tuple[str, str, str, Callable[[Figure], float | None]], ...]] = (
    ("recording_cost_seconds", "seconds", "Cost for each line above the control.", lambda m: _in_seconds(m.value, m)),
    ("recording_cost_low_seconds", "seconds", "Lower end of its 95 % interval.", lambda m: _in_seconds(m.low, m)),
    ("recording_cost_high_seconds", "seconds", "Upper end of its 95 % interval.", lambda m: _in_seconds(m.high, m)),
    ("recording_cost_instructions", "instructions", "Instructions for each line above the control.",
     lambda m: m.value if m.unit == "instructions" else None),
    ("recording_ratio", "", "Whole time of a line over that of the control in the same run.", lambda m: m.ratio),
)  # fmt: skip


def _braces(labels: Mapping[str, str]) -> str:
    def escaped(text: str) -> str:
        # Lone surrogates have no UTF-8 form, and the page must be UTF-8.
        valid = text.encode("utf-8", "replace").decode("utf-8")
        return valid.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"


def _seconds(created: str) -> str:
    moment = datetime.fromisoformat(created).timestamp()
    return f"{moment:.6f}" if math.isfinite(moment) else ""


FORMATS: Final[dict[str, Callable[[Sequence[ExportedFigure]], str]]] = {
    "csv": _csv,
    "customSmallerIsBetter": _smaller_is_better,
    "openmetrics": _openmetrics,
}
