"""The figures of a stored result, enough to list, compare and plot runs."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.history.processor import NOT_KEPT, processor_of

__all__ = ["Figure", "StoredExperiment", "experiments_of", "key_of", "measured_in", "metrics_of", "question_of"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one run.

    `key` names the same figure in all runs. `value` with its interval is per line (or per call for an imported
    benchmark), in `unit`. `ratio` with its 95 % interval is the whole time of the head over that of the control
    measured in the same run; None where a run had no control. `pairs` is the number of pairs behind both (0: unknown).
    None stands for what a run did not store. `void` says why an experiment does not count, and then there is no figure;
    empty when it does.

    `processor` is the same ratio of processor time, `processor_error` the standard error of its logarithm over pairs:
    it excludes processor time that other programs take, and time the head waits. `waits` means that the head waited for
    more than a percent of its time, with certainty.

    State of the machine: `off_cpu` is the mean share of the time in which the control's blocks did not run,
    `base_per_line` the control's own time for each line in ns, `spread` the scatter of the pairs' log-ratio in elapsed
    time, `processor_spread` the same in processor time.
    """

    key: str
    unit: str
    value: float | None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    pairs: int = 0
    smallest_effect: float | None = None
    axis: str = ""
    base: str = ""
    head: str = ""
    factors: str = "{}"
    findings: int = 0
    void: str = ""
    processor: float | None = None
    processor_error: float | None = None
    waits: bool = False
    off_cpu: float | None = None
    base_per_line: float | None = None
    spread: float | None = None
    processor_spread: float | None = None


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    """An experiment of a stored document, with its terms.

    `terms` are those of `harness.measure.result.TermsUsed`, empty where they were not stored. Experiments of one
    `part` were measured side by side, `elapsed_s` is how long all of them took (None: not stored).
    """

    experiment: Mapping[str, Any]
    terms: Mapping[str, Any]
    part: int
    elapsed_s: float | None

    @property
    def key(self) -> str:
        """The name of the experiment's figure; empty when a part of the name is missing."""
        return key_of(self.experiment, self.terms)


def metrics_of(kind: str, document: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Return the figures of a result of one of `harness.history.envelope.KINDS`; malformed ones are left out."""
    read = {"overhead": _overhead, "run": _run, "suite": _suite}.get(kind)
    result: dict[str, Figure] = {}
    # A kind of an earlier or later day is listed, without figures.
    for metric in () if read is None else read(document):
        # The same experiment twice in one document: the later one has more behind it.
        result[metric.key] = metric
    return tuple(result.values())


def experiments_of(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the experiments of an overhead document, also where a table or a ladder contains it."""
    return [measured.experiment for measured in measured_in(document)]


def measured_in(document: Mapping[str, Any]) -> list[StoredExperiment]:
    """Return the experiments of an overhead document, each with the terms of the part it belongs to."""
    whole = document if list(_maps(document.get("experiments"))) else _mapping(document.get("document"))
    experiments = list(_maps(whole.get("experiments")))
    result = [_measured(each, whole, 0) for each in experiments]
    for number, part in enumerate(_maps(whole.get("parts")), 1):
        for i in range(_count(part.get("first")), min(_count(part.get("end")), len(experiments))):
            result[i] = _measured(experiments[i], part, number)
    return result


def _measured(experiment: Mapping[str, Any], source: Mapping[str, Any], part: int) -> StoredExperiment:
    return StoredExperiment(experiment, _mapping(source.get("terms")), part, _number(source.get("elapsed_s")))


def key_of(experiment: Mapping[str, Any], terms: Mapping[str, Any] | None = None) -> str:
    """Return the name of an experiment's figure; empty when a part of the name is missing.

    Times depend on the plan of blocks in `terms`, and counts a little on where the counting began, so figures that
    differ in it have different names.
    """
    axis, base, head = (str(experiment.get(name, "")) for name in ("axis", "base", "head"))
    if not (axis and base and head):
        return ""
    factors, changed = _mapping(experiment.get("factors")), _mapping(experiment.get("base_factors"))
    plan = _plan(axis, terms or {})
    return " ".join([
        axis, f"{head}/{base}", *(f"{name}={_text(value)}" for name, value in sorted(factors.items())),
        *(f"base.{name}={_text(value)}" for name, value in sorted(changed.items())), *([plan] if plan else []),
    ])  # fmt: skip


def _plan(axis: str, terms: Mapping[str, Any]) -> str:
    if axis == "instructions" and terms.get("counted_from") == "lines":
        return "counted=lines"
    if axis != "wall_ns":
        return ""
    rounds, block_ns = _count(terms.get("rounds")), _number(terms.get("block_ns"))
    if not rounds or not block_ns:
        return ""
    return f"plan={rounds}x{block_ns / 1e6:g}ms{',totals' if terms.get('lumpy') is True else ''}"


def question_of(document: Mapping[str, Any]) -> str:
    """Return the question of an overhead document: its mode, for laws with the factors, else nothing."""
    mode = document.get("mode")
    if not isinstance(mode, str):
        return ""
    factors = dict.fromkeys(str(law.get("factor", "")) for law in _maps(document.get("laws")))
    return " ".join([mode, *factors]) if mode == "laws" else mode


def _overhead(document: Mapping[str, Any]) -> Iterator[Figure]:
    for measured in measured_in(document):
        experiment, key = measured.experiment, measured.key
        if not key:
            continue
        axis, base, head = (str(experiment[name]) for name in ("axis", "base", "head"))
        written = json.dumps(_mapping(experiment.get("factors")), sort_keys=True)
        unit, pairs = "ns" if axis == "wall_ns" else axis, _count(experiment.get("pairs"))
        if experiment.get("verdict") == "void":
            # Kept by its name: a gate must not pass because what it watches could not be measured.
            void = str(experiment.get("conclusion") or "void").removeprefix("void: ")
            yield Figure(key, unit, None, pairs=pairs, axis=axis, base=base, head=head, factors=written, void=void)
            continue
        low, high = _interval(experiment.get("cost_interval"))
        ratio_low, ratio_high = _interval(experiment.get("ratio_interval"))
        timed = axis == "wall_ns"
        processor = processor_of(experiment, measured.terms) if timed else NOT_KEPT
        yield Figure(
            key, unit, _number(experiment.get("cost_per_line")), low, high,
            _positive(experiment.get("ratio")), _positive(ratio_low), _positive(ratio_high), pairs,
            _number(experiment.get("minimal_detectable_effect")), axis, base, head, written,
            processor=processor.ratio, processor_error=processor.error, waits=processor.waits,
            off_cpu=processor.off_cpu,
            base_per_line=_positive(experiment.get("base_per_line")) if timed else None,
            spread=processor.elapsed_spread, processor_spread=processor.spread,
        )  # fmt: skip


def _run(document: Mapping[str, Any]) -> Iterator[Figure]:
    if document.get("verdict") == "invalid":
        return
    instrument = str(_mapping(document.get("spec")).get("instrument", ""))
    digest = str(_mapping(document.get("workload")).get("digest", ""))[:12]
    findings = len(list(_maps(_mapping(document.get("audit")).get("findings"))))
    for latency, percentile in (("service_ns", "p50"), ("service_ns", "p99"), ("response_ns", "p99")):
        value = _positive(_mapping(document.get(latency)).get(percentile))
        if value is not None:
            # The same digest is the same lines at the same times; other loads have other latencies.
            key = f"{latency.removesuffix('_ns')} {percentile} {instrument} load={digest}{_incidents(document)}"
            yield Figure(key, "ns", value, head=instrument, axis=f"{latency} {percentile}", findings=findings)


def _incidents(document: Mapping[str, Any]) -> str:
    """Return the incidents of a run as part of a key: those that act on the service leave no trace in the digest."""
    happened = [
        f"{each.get('kind')}@{each.get('start_ns')}+{each.get('duration_ns')}"
        for each in _maps(document.get("incidents"))
    ]
    return f" incidents={','.join(happened)}" if happened else ""


def _suite(document: Mapping[str, Any]) -> Iterator[Figure]:
    for benchmark in _maps(document.get("benchmarks")):
        stats = _mapping(benchmark.get("stats"))
        mean, spread, rounds = (_number(stats.get(name)) for name in ("mean", "stddev", "rounds"))
        name = benchmark.get("fullname") or benchmark.get("name")
        if mean is None or mean <= 0 or not isinstance(name, str):
            continue
        # Rounds of one process are no independent pairs: their spread is shown, never tested with.
        half = 0.0 if spread is None or not rounds else 1.96 * spread / math.sqrt(rounds)
        yield Figure(
            f"suite {name}", "ns", mean * 1e9, (mean - half) * 1e9, (mean + half) * 1e9, axis="mean", head=name
        )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _maps(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list | tuple):
        yield from (item for item in value if isinstance(item, Mapping))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _positive(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _count(value: object) -> int:
    return int(number) if (number := _number(value)) is not None and number >= 0 else 0


def _interval(value: object) -> tuple[float | None, float | None]:
    if isinstance(value, list | tuple) and len(value) == 2:
        return _number(value[0]), _number(value[1])
    return None, None
