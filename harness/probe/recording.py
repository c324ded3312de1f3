"""Experiments on recorded values."""

import logging
import math
import random
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from opencensus.stats import aggregation, measure
from opencensus.stats.stats_recorder import StatsRecorder

from harness.probe.subject import LENGTH, ProbeSubject, tagged

__all__ = ["LOSE", "RAISE", "RECORDING", "TEAR", "Chance"]

Result = tuple[bool, str, dict[str, Any]]
Experiment = Callable[[ProbeSubject], Result]

_THREADS = 8
_SERIES = 20
_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Chance:
    """How often a race is tried: `each` is the least chance with which one try shows it where it is present.

    Counted in OpenCensus 0.11.4 under Python 3.11, 3.12 and 3.13, on one core and on two busy ones, and rounded down
    with room to spare.
    """

    each: float
    tries: int

    @property
    def miss(self) -> float:
        """The chance that none of the tries shows a race that is present."""
        return float((1 - self.each) ** self.tries)

    @property
    def text(self) -> str:
        """The number of tries and the chance of a miss, for the evidence."""
        return (
            f"not seen in {self.tries} tries: in OpenCensus, which has it, at least {self.each:.0%} of the tries show "
            f"it, so {self.tries} miss it less than once in {_round(1 / self.miss):,} times"
        )


def _round(number: float) -> int:
    """Return a number rounded down to one digit that is not zero."""
    size = 10 ** int(math.log10(number))
    return int(number // size * size)


RAISE, LOSE, TEAR = Chance(0.7, 10), Chance(0.4, 20), Chance(0.5, 20)


class _Heard(logging.Handler):
    """Keeps the text of each warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def copy_per_record(subject: ProbeSubject) -> Result:
    """Compare the memory that one record takes for a moment with 1 and with 100 series: a copy of all is growth."""
    subject.start()
    peaks = {}
    for series in (1, 100):
        for i in range(series):
            subject.record(f"k{i}")
        tracemalloc.start()
        subject.record("k0")
        peaks[series] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    evidence = f"one record takes {peaks[1]:,} bytes for a moment at 1 series, {peaks[100]:,} at 100"
    return peaks[100] > 3 * peaks[1], evidence, {"peak_bytes": peaks}


def exclusive_bound(subject: ProbeSubject) -> Result:
    """Record a length equal to a bound and see where it is counted."""
    subject.start().record(length=5)
    counted = subject.value("lengths_bucket", le="5")
    return counted == 0, f'a length of exactly 5: le="5" shows {counted:g}', {"le_5": counted}


def sum_falls(subject: ProbeSubject) -> Result:
    """Record zero lengths among others and count how often the sum goes down."""
    subject.start()
    draw = random.Random(1)  # noqa: S311 - a workload, not a secret
    falls, before, records = 0, 0.0, 3000
    for _ in range(records):
        subject.record(time=None, length=draw.choice([0, 0, 3, 17, 80]))
        now = subject.value("lengths_sum") or 0.0
        falls += now < before
        before = now
    return falls > 0, f"the sum went down {falls} times in {records} records", {"falls": falls, "records": records}


def sum_inexact(subject: ProbeSubject) -> Result:
    """Compare the sum of many values with their true sum, rounded once."""
    subject.start()
    draw = random.Random(2)  # noqa: S311 - a workload, not a secret
    values = [draw.expovariate(1) for _ in range(2000)]
    for value in values:
        subject.record(time=value, length=None)
    shown, true = subject.value("times_sum"), float(sum(map(Fraction, values)))
    return shown != true, f"shown {shown!r}, true {true!r}", {"shown": shown, "true": true}


def negative_drops_line(subject: ProbeSubject) -> Result:
    """Record a negative latency, as a clock that steps back gives, and see whether the line is still counted."""
    logging.disable()
    subject.start().record()
    subject.record(time=-1.0)
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one with a negative latency: {counted:g} counted", {"counted": counted}


def nan_raises(subject: ProbeSubject) -> Result:
    """Record a value that is not a number."""
    logging.disable()
    subject.start().record()
    try:
        subject.record(time=math.nan)
    except AssertionError:
        return True, "record() raises AssertionError", {"counted": subject.value("lines_total")}
    counted = subject.value("lines_total")
    sums = subject.value("times_sum")
    return counted != 2 or sums != 0.25, f"no error; {counted:g} of 2 lines counted", {"counted": counted}


def unregistered_hides_rest(subject: ProbeSubject) -> Result:
    """Put a measure that no view folds before the others."""
    subject.start().record()
    mmap = subject.stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(measure.MeasureInt("unseen", "folded by no view"), 1)
    mmap.measure_int_put(LENGTH, 5)
    mmap.record(tagged("k"))
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one behind an unregistered measure: {counted:g} counted", {"counted": counted}


def twin_measure_ignored(subject: ProbeSubject) -> Result:
    """Record with a second measure object of the same name, type and unit, as two modules of a program make it."""
    subject.start().record()
    mmap = subject.stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(measure.MeasureInt("length", "a length", "By"), 5)
    mmap.record(tagged("k"))
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one by an equal measure: {counted:g} counted", {"counted": counted}


def recorder_of_thread_lost(subject: ProbeSubject) -> Result:
    """Record with a recorder that a new thread builds for itself."""
    subject.start().record()

    def work() -> None:
        mmap = StatsRecorder().new_measurement_map()
        mmap.measure_int_put(LENGTH, 5)
        mmap.record(tagged("k"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one by the thread's own recorder: {counted:g} counted", {"counted": counted}


def bound_zero_warns(_subject: ProbeSubject) -> Result:
    """Give the quickstart's bounds as printed."""
    heard = _Heard()
    aggregation.DistributionAggregation([0, 25, 50])
    said = "; ".join(heard.lines)
    return bool(heard.lines), f"logged: {said}" if said else "nothing logged", {"logged": heard.lines}


def _contend(subject: ProbeSubject, number: int, *, abreast: bool) -> dict[str, int]:
    """Let threads open the same new series of a measure of its own, and return what they did and what is shown.

    Threads kept `abreast` meet where a series is opened; those that drift, where one copies while another opens.
    """
    name, raised = f"try{number}", list[str]()
    of = measure.MeasureInt(name, "a length", "By")
    subject.view(name, of, aggregation.CountAggregation())
    go = threading.Barrier(_THREADS)

    def record(key: str) -> None:
        mmap = subject.stats.stats_recorder.new_measurement_map()
        mmap.measure_int_put(of, 5)
        mmap.record(tagged(key))

    def work() -> None:
        for i in range(_SERIES):
            if abreast or not i:
                go.wait()
            try:
                record(f"r{i}")
            except RuntimeError as error:
                raised.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # What is shown is a copy that one record made; one more, alone, shows what all of them left behind.
    record("last")
    return {"attempted": _THREADS * _SERIES, "raised": len(raised), "shown": int(subject.shown(f"{name}_total")) - 1}


def _race(subject: ProbeSubject, seen: Callable[[dict[str, int]], bool], chance: Chance, *, abreast: bool) -> Result:
    """Try until a try shows what is looked for, as often as makes a miss unlikely."""
    subject.start()
    sys.setswitchinterval(1e-6)
    one: dict[str, int] = {}
    for number in range(chance.tries):
        one = _contend(subject, number, abreast=abreast)
        if seen(one):
            break
    tries, found = number + 1, seen(one)
    text = (
        f"{_THREADS} threads open {_SERIES} series, all the same ones: {one['attempted']} records attempted, "
        f"{one['raised']} raised, {one['shown']} shown"
    )
    evidence = f"{text} (try {tries})" if found else f"{text} in the last of them; {chance.text}"
    return found, evidence, {**one, "tries": tries, "miss": chance.miss}


def threads_raise(subject: ProbeSubject) -> Result:
    """Let threads open the same new series, again and again, and count the errors out of `record`."""
    return _race(subject, lambda one: one["raised"] > 0, RAISE, abreast=False)


def threads_lose(subject: ProbeSubject) -> Result:
    """Compare the page with what was attempted and what returned, while threads open the same new series."""
    return _race(
        subject,
        lambda one: one["shown"] not in {one["attempted"], one["attempted"] - one["raised"]},
        LOSE,
        abreast=True,
    )


def _scrape(subject: ProbeSubject, made: list[int]) -> dict[str, float]:
    """Return the two counts of lines that a page shows, while the program goes on recording between two families.

    `made` holds how many lines were recorded so far. A page is written family by family, as its reader takes it.
    """
    found: dict[str, float] = {}
    for family in subject.registry.collect():
        found |= {
            sample.name: sample.value
            for sample in family.samples
            if sample.name.endswith(("times_count", "lines_total"))
        }
        before, give_up = made[0], time.monotonic() + _PATIENCE_S
        while made[0] < before + 2 and time.monotonic() < give_up:
            time.sleep(0)
    return found


def torn_scrape(subject: ProbeSubject) -> Result:
    """Scrape while a thread records two measures together; a torn page has a line more of one than of the other."""
    subject.start().record()
    stop, made = threading.Event(), [0]

    def work() -> None:
        while not stop.is_set():
            subject.record()
            made[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    tries, found = 0, {"": 0.0}
    try:
        while tries < TEAR.tries and len(set(found.values())) == 1:
            found = _scrape(subject, made)
            tries += 1
    finally:
        stop.set()
        thread.join()
    torn = len(set(found.values())) != 1
    values = ", ".join(f"{name} {value:g}" for name, value in sorted(found.items()))
    evidence = f"{values} (scrape {tries})" if torn else f"{values} in the last of them; {TEAR.text}"
    return torn, evidence, {"tries": tries, "miss": TEAR.miss}


RECORDING: dict[str, Experiment] = {
    "copy-per-record": copy_per_record,
    "threads-raise": threads_raise,
    "threads-lose": threads_lose,
    "torn-scrape": torn_scrape,
    "exclusive-bound": exclusive_bound,
    "sum-falls": sum_falls,
    "sum-inexact": sum_inexact,
    "negative-drops-line": negative_drops_line,
    "nan-raises": nan_raises,
    "unregistered-hides-rest": unregistered_hides_rest,
    "twin-measure-ignored": twin_measure_ignored,
    "thread-recorder-lost": recorder_of_thread_lost,
    "bound-zero-warns": bound_zero_warns,
}
