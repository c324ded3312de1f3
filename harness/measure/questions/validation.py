"""The validation of the statistics: hundreds of stored experiments on identical code and on known slowdowns.

Each experiment is appended to a gzipped file of JSON lines as soon as it is complete, with its raw pairs. A further run
resumes where an interrupted one stopped; an incomplete line is removed and measured again.
"""

import gzip
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import scipy  # its submodules load on first use, so that reading records does not wait for them
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import SaveError
from harness.host.environment import environment
from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.schedule import Terms
from harness.measure.questions.selftest import delayed_pair
from harness.measure.result import Experiment, Experiments
from harness.measure.stats import binomial_interval
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison
from harness.progress import Progress, Step

__all__ = ["METHOD", "Bound", "Kind", "Record", "Validation", "ValidationPlan", "read_records", "summarise", "validate"]

# Incremented whenever the validated method changes; experiments of two methods must not be combined.
METHOD = 2
Kind = Literal["identical", "slowdown", "small"]
_KINDS: tuple[Kind, ...] = ("identical", "slowdown", "small")
_ALARMS = ("slower", "faster")
# The claims: this rate of false alarms at most, and this rate of detected slowdowns at least.
_ALARM_RATE, _DETECTION_RATE = 0.05, 0.95
# A true claim passes its bound with this probability; a true rate is refused that fails it with this probability.
_PASSES, _REFUSED = 0.95, 0.8


@dataclass(frozen=True, slots=True)
class ValidationPlan:
    """The number of experiments of each kind, their subject and their terms.

    Identical code is measured as by default in `harness overhead`; a slowdown has `trial_s` seconds at most, and ends
    once it is decided. The small slowdowns are half as large, for information, without a claim.
    """

    instrument: str = "prometheus-client"
    identical: int = 200
    slowdowns: int = 80
    small: int = 40
    share: float = 0.01
    precision: float = 0.01
    trial_s: float = 120.0
    seed: int = 1

    def count(self, kind: Kind) -> int:
        """Return the number of experiments of a kind."""
        return {"identical": self.identical, "slowdown": self.slowdowns, "small": self.small}[kind]

    def injected(self, kind: Kind) -> float:
        """Return the injected delay of a kind, as a share of the time of a line."""
        return {"identical": 0.0, "slowdown": self.share, "small": self.share / 2}[kind]

    def terms(self, kind: Kind, number: int) -> Terms:
        """Return the terms of experiment `number`, with its own seed."""
        seed = self.seed + len(_KINDS) * number + _KINDS.index(kind)
        if kind == "identical":
            return Terms(precision=self.precision, budget_s=self.trial_s, seed=seed)
        return Terms(budget_s=self.trial_s, seed=seed, settled=True)


class Record(BaseModel):
    """One experiment of the validation."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    number: int
    injected_share: float = Field(description="0 for identical code")
    elapsed_s: float
    experiment: Experiment
    method: int = Field(1, description="version of the measuring method")


class Bound(BaseModel):
    """The limit of a count, with a true rate that passes it and one that fails it."""

    model_config = ConfigDict(frozen=True)

    limit: int = Field(description="the most false alarms, or the fewest slowdowns detected")
    claimed: float = Field(description="the true rate that passes the limit with probability 0.95 or more")
    refused: float = Field(description="the true rate from which on the limit is failed with probability 0.8")


class Validation(BaseModel):
    """Summary of the experiments; rates have exact 95 % intervals and exclude void experiments."""

    model_config = ConfigDict(frozen=True)

    experiments: int = Field(description="of all kinds, void ones included")
    identical: int
    false_alarms: int = Field(description="verdicts `slower` or `faster` on identical code")
    false_alarm_rate: tuple[float, float]
    alarms_bound: Bound
    alarms_hold: bool
    slowdowns: int
    found: int
    found_rate: tuple[float, float]
    found_bound: Bound
    found_holds: bool
    small: int
    small_found: int
    small_found_rate: tuple[float, float]
    voided: int = Field(description="experiments of all kinds that stayed void after repetition")
    voided_rate: tuple[float, float]
    repeated: int = Field(description="experiments that were repeated because they were void at first")
    repeated_rate: tuple[float, float]
    log_ratio_sd: float | None = Field(description="median over experiments of the pairs' standard deviation")
    pairs: float | None = Field(description="median number of pairs of an experiment on identical code")
    trial_s: float | None = Field(description="median seconds of a slowdown's trial")
    earlier: int = Field(description="experiments by an earlier measuring method")


def read_records(path: Path) -> tuple[list[Record], bool]:
    """Return the complete records of the file, in order, and whether damaged data follows them.

    A missing file has no records. Raise `SaveError` where it cannot be read.
    """
    records: list[Record] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            records.extend(Record.model_validate_json(line) for line in lines)
    except FileNotFoundError:
        return [], False
    except (EOFError, zlib.error, ValidationError, gzip.BadGzipFile, UnicodeDecodeError):
        return list(_whole_members(path)), True
    except OSError as error:
        raise SaveError(f"{path}: cannot be read: {error.strerror}") from error
    return records, False


def _whole_members(path: Path) -> Iterator[Record]:
    """Yield the records of the complete gzip members, up to the first incomplete one."""
    data = path.read_bytes()
    while data:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            text = unpacker.decompress(data)
            if not unpacker.eof:
                return
            yield Record.model_validate_json(text)
        except (zlib.error, ValidationError):
            return
        data = unpacker.unused_data


def _append(path: Path, record: Record) -> None:
    member = gzip.compress(record.model_dump_json().encode() + b"\n", mtime=0)
    try:
        with path.open("ab") as file:
            file.write(member)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SaveError(f"{path}: cannot be written: {error.strerror}") from error


def _repair(path: Path, records: list[Record]) -> None:
    whole = path.with_suffix(path.suffix + ".whole")
    whole.write_bytes(b"".join(gzip.compress(record.model_dump_json().encode() + b"\n", mtime=0) for record in records))
    whole.replace(path)


def alarms_bound(count: int) -> Bound:
    """Return the most false alarms in `count` experiments that a true rate of 5 % does not exceed 19 times in 20."""
    limit = int(scipy.stats.binom.ppf(_PASSES, count, _ALARM_RATE)) if count else 0
    # P(X <= k | p) is the beta distribution's P(B(k + 1, n - k) > p).
    refused = float(scipy.stats.beta.ppf(_REFUSED, limit + 1, count - limit)) if limit < count else 1.0
    return Bound(limit=limit, claimed=_ALARM_RATE, refused=refused)


def detection_bound(count: int) -> Bound:
    """Return the fewest detected slowdowns of `count` that a true rate of 95 % reaches 19 times in 20."""
    limit = int(scipy.stats.binom.ppf(1 - _PASSES, count, _DETECTION_RATE)) if count else 0
    # P(X >= k | p) is P(B(k, n - k + 1) < p).
    refused = float(scipy.stats.beta.ppf(1 - _REFUSED, limit, count - limit + 1)) if limit else 0.0
    return Bound(limit=limit, claimed=_DETECTION_RATE, refused=refused)


def summarise(records: list[Record]) -> Validation:
    """Return the summary of the records; void experiments count separately, neither as alarms nor as detections."""
    counted: dict[Kind, list[Record]] = {
        kind: [record for record in records if record.kind == kind and record.experiment.verdict != "void"]
        for kind in _KINDS
    }
    same, slow, small = (counted[kind] for kind in _KINDS)
    alarms = sum(record.experiment.verdict in _ALARMS for record in same)
    detected, small_detected = (sum(record.experiment.verdict == "slower" for record in kind) for kind in (slow, small))
    void = len(records) - sum(map(len, counted.values()))
    repeated = sum(record.experiment.attempts > 1 for record in records)
    most_alarms, fewest_detected = alarms_bound(len(same)), detection_bound(len(slow))
    return Validation(
        experiments=len(records),
        identical=len(same),
        false_alarms=alarms,
        false_alarm_rate=binomial_interval(alarms, len(same)),
        alarms_bound=most_alarms,
        alarms_hold=bool(same) and alarms <= most_alarms.limit,
        slowdowns=len(slow),
        found=detected,
        found_rate=binomial_interval(detected, len(slow)),
        found_bound=fewest_detected,
        found_holds=bool(slow) and detected >= fewest_detected.limit,
        small=len(small),
        small_found=small_detected,
        small_found_rate=binomial_interval(small_detected, len(small)),
        voided=void,
        voided_rate=binomial_interval(void, len(records)),
        repeated=repeated,
        repeated_rate=binomial_interval(repeated, len(records)),
        log_ratio_sd=_median([r.experiment.log_ratio_sd for r in records if r.experiment.log_ratio_sd is not None]),
        pairs=_median([float(r.experiment.pairs) for r in same]),
        trial_s=_median([r.elapsed_s for r in slow]),
        earlier=sum(record.method != METHOD for record in records),
    )


def _median(values: list[float]) -> float | None:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return None
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


Overhead = Callable[[list[Comparison], Terms], Experiments]


def validate(
    path: Path,
    plan: ValidationPlan | None = None,
    progress: Progress = lambda _step: None,
    *,
    overhead: Overhead | None = None,
) -> Validation:
    """Run the missing experiments of the plan, append them to `path`, and return the summary of all records.

    Ctrl-C ends it and discards the current experiment; a further call resumes. Records of an earlier method are removed
    from the file before the first one of this method is appended. The environment is stored beside the file, as
    ``<path>.environment.json``. Raise `SaveError` where the file cannot be used.
    """
    experiments = plan or ValidationPlan()
    run: Overhead = overhead or measure_overhead
    stored, damaged = read_records(path)
    records = [record for record in stored if record.method == METHOD]
    done = {(record.kind, record.number) for record in records}
    missing = [key for key in _schedule(experiments) if key not in done]
    if not missing:
        # Nothing is measured, so the stored records stay.
        return summarise(stored)
    stale = damaged or len(records) < len(stored)
    path.with_suffix(path.suffix + ".environment.json").write_text(
        json.dumps(environment().model_dump(mode="json"), indent=1) + "\n"
    )
    began = time.monotonic()
    for i, (kind, number) in enumerate(missing):
        spent = time.monotonic() - began
        progress(Step(i / len(missing), spent * (len(missing) - i) / i if i else None, f"{kind} {number + 1}"))
        record = _one(experiments, kind, number, run)
        if record is None:
            break
        if stale:
            _repair(path, records)
            stale = False
        _append(path, record)
        records.append(record)
    return summarise(records)


def _schedule(plan: ValidationPlan) -> list[tuple[Kind, int]]:
    """Return all experiments, each kind spread over the whole time, so that temporary slowdowns affect all kinds."""
    placed: list[tuple[float, Kind, int]] = [
        ((i + 0.5) / plan.count(kind), kind, i) for kind in _KINDS for i in range(plan.count(kind))
    ]
    return [(kind, number) for _, kind, number in sorted(placed)]


def _one(plan: ValidationPlan, kind: Kind, number: int, run: Overhead) -> Record | None:
    share = plan.injected(kind)
    terms = plan.terms(kind, number)
    delay = 0.0
    if share:
        # A percent of the current time of a line, since the speed of the machine drifts by more than a percent.
        quick = run(
            [delayed_pair(plan.instrument, 0.0)], Terms(budget_s=0.001, fewest=2, seed=terms.seed, control=False)
        )
        if quick.interrupted or not quick.experiments[0].base_per_line:
            return None
        delay = share * quick.experiments[0].base_per_line
    subject = Subject(instrument=plan.instrument)
    pair = delayed_pair(plan.instrument, delay) if share else Comparison(subject, subject)
    document = run([pair], terms)
    if document.interrupted:
        return None
    return Record(
        kind=kind,
        number=number,
        injected_share=share,
        elapsed_s=document.elapsed_s,
        experiment=document.experiments[0],
        method=METHOD,
    )
