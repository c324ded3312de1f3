"""The stored proof behind the statistics: hundreds of experiments on identical code, and hundreds of known slowdowns.

Each experiment is appended to a gzipped file of JSON lines as soon as it is done, raw pairs included; a run that was
interrupted goes on where it stopped, and a line left half by a kill is dropped and measured again.
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

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import SaveError
from harness.measure.document import Document, Experiment
from harness.measure.experiment import Progress, Step, Terms
from harness.measure.overhead import measure_overhead
from harness.measure.selftest import delayed_pair
from harness.measure.stats import binomial_interval
from harness.measure.subjects import Subject
from harness.measure.verdicts import Comparison
from harness.run.environment import environment

__all__ = ["Kind", "Plan", "Record", "Validation", "read_records", "summarise", "validate"]

Kind = Literal["identical", "slowdown"]
_ALARMS = ("slower", "faster")


@dataclass(frozen=True, slots=True)
class Plan:
    """How many experiments of each kind, on what, and under which terms.

    Identical code is measured as `harness overhead` does by default; a slowdown has `trial_s` seconds, and may settle
    before they are over.
    """

    instrument: str = "prometheus-client"
    identical: int = 200
    slowdowns: int = 80
    share: float = 0.01
    precision: float = 0.01
    trial_s: float = 120.0
    seed: int = 1

    def terms(self, kind: Kind, number: int) -> Terms:
        """Return the terms of experiment `number`, each with a seed of its own."""
        seed = self.seed + 2 * number + (kind == "slowdown")
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


class Validation(BaseModel):
    """What the experiments amount to; rates with their exact 95 % intervals."""

    model_config = ConfigDict(frozen=True)

    experiments: int = Field(description="of both kinds, void ones included")
    identical: int = Field(description="on identical code, without the void ones")
    false_alarms: int = Field(description="verdicts `slower` or `faster` on identical code")
    false_alarm_rate: tuple[float, float]
    alarms_allowed: int = Field(description="the most that 5 % allows, one time in twenty more (binomial)")
    alarms_hold: bool
    voided: int = Field(description="experiments whose control missed zero, of both kinds")
    voided_rate: tuple[float, float]
    slowdowns: int
    found: int
    found_rate: tuple[float, float]
    found_holds: bool = Field(description="whether at least 95 % of the slowdowns were found")
    log_ratio_sd: float | None = Field(description="median over experiments of the pairs' standard deviation")
    pairs: float | None = Field(description="median number of pairs of an experiment on identical code")
    trial_s: float | None = Field(description="median seconds of a slowdown's trial")


def read_records(path: Path) -> tuple[list[Record], bool]:
    """Return the whole records in the file, in order, and whether something damaged follows them.

    No file is no records. Raises `SaveError` when it cannot be read.
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
    """Yield the records of the gzip members that are whole, from the start up to the first that is not."""
    left = path.read_bytes()
    while left:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            text = unpacker.decompress(left)
            if not unpacker.eof:
                return
            yield Record.model_validate_json(text)
        except (zlib.error, ValidationError):
            return
        left = unpacker.unused_data


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
    whole.write_bytes(b"".join(gzip.compress(each.model_dump_json().encode() + b"\n", mtime=0) for each in records))
    whole.replace(path)


def summarise(records: list[Record]) -> Validation:
    """Return what the records amount to; void experiments are counted apart and are neither alarms nor finds."""
    from scipy import stats

    void = sum(record.experiment.verdict == "void" for record in records)
    same = [record for record in records if record.kind == "identical" and record.experiment.verdict != "void"]
    slow = [record for record in records if record.kind == "slowdown"]
    alarms = sum(record.experiment.verdict in _ALARMS for record in same)
    found = sum(record.experiment.verdict == "slower" for record in slow)
    allowed = int(stats.binom.ppf(0.95, len(same), 0.05)) if same else 0
    return Validation(
        experiments=len(records),
        identical=len(same),
        false_alarms=alarms,
        false_alarm_rate=binomial_interval(alarms, len(same)),
        alarms_allowed=allowed,
        alarms_hold=alarms <= allowed,
        voided=void,
        voided_rate=binomial_interval(void, len(records)),
        slowdowns=len(slow),
        found=found,
        found_rate=binomial_interval(found, len(slow)),
        found_holds=bool(slow) and found >= 0.95 * len(slow),
        log_ratio_sd=_median([r.experiment.log_ratio_sd for r in records if r.experiment.log_ratio_sd is not None]),
        pairs=_median([float(r.experiment.pairs) for r in same]),
        trial_s=_median([r.elapsed_s for r in slow]),
    )


def _median(values: list[float]) -> float | None:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return None
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


Overhead = Callable[[list[Comparison], Terms], Document]


def validate(
    path: Path, plan: Plan | None = None, progress: Progress = lambda _step: None, *, overhead: Overhead | None = None
) -> Validation:
    """Run what is still missing of the plan, appending to `path`, and return what all records amount to.

    Ctrl-C ends it after the experiment under way was dropped; calling it again goes on. The environment is kept beside
    the file, as ``<path>.environment.json``. Raises `SaveError` where the file cannot be used.
    """
    chosen = plan or Plan()
    run: Overhead = overhead or measure_overhead
    records, damaged = read_records(path)
    if damaged:
        _repair(path, records)
    done = {(record.kind, record.number) for record in records}
    missing = [each for each in _schedule(chosen) if each not in done]
    if missing:
        path.with_suffix(path.suffix + ".environment.json").write_text(
            json.dumps(environment().model_dump(mode="json"), indent=1) + "\n"
        )
    began = time.monotonic()
    for i, (kind, number) in enumerate(missing):
        spent = time.monotonic() - began
        progress(Step(i / len(missing), spent * (len(missing) - i) / i if i else None, f"{kind} {number + 1}"))
        record = _one(chosen, kind, number, run)
        if record is None:
            break
        _append(path, record)
        records.append(record)
    return summarise(records)


def _schedule(plan: Plan) -> list[tuple[Kind, int]]:
    """Return all experiments, both kinds spread over the whole time, so that no slow spell meets one alone."""
    same: list[tuple[float, Kind, int]] = [((i + 0.5) / plan.identical, "identical", i) for i in range(plan.identical)]
    slow: list[tuple[float, Kind, int]] = [((i + 0.5) / plan.slowdowns, "slowdown", i) for i in range(plan.slowdowns)]
    return [(kind, number) for _, kind, number in sorted(same + slow)]


def _one(plan: Plan, kind: Kind, number: int, run: Overhead) -> Record | None:
    share = plan.share if kind == "slowdown" else 0.0
    terms = plan.terms(kind, number)
    delay = 0.0
    if share:
        # A percent of what a line takes here and now: the machine's pace drifts by more than the percent is worth.
        quick = run([delayed_pair(plan.instrument, 0.0)], Terms(budget_s=0.001, fewest=2, seed=terms.seed))
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
    )
