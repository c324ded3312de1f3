"""Experiments on recording: the values that it produces, its threads and its memory."""

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
    """The number of tries for a race: `rate` is a lower bound of the probability that one try shows a present race.

    Measured with OpenCensus 0.11.4 on Python 3.11, 3.12 and 3.13, on one core and on two busy ones, and rounded down
    generously.
    """

    rate: float
    tries: int

    @property
    def miss(self) -> float:
        """The probability that none of the tries shows a race that is present."""
        return float((1 - self.rate) ** self.tries)

    @property
    def text(self) -> str:
        """The number of tries and the probability of a miss, for the evidence."""
        return (
            f"not seen in {self.tries} tries: in OpenCensus, which has it, at least {self.rate:.0%} of the tries show "
            f"it, so {self.tries} miss it less than once in {_round(1 / self.miss):,} times"
        )


def _round(number: float) -> int:
    """Return a number rounded down to one significant digit."""
    size = 10 ** int(math.log10(number))
    return int(number // size * size)


RAISE, LOSE, TEAR = Chance(0.7, 10), Chance(0.4, 20), Chance(0.5, 20)


class _Warnings(logging.Handler):
    """A logging handler that stores the text of each warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def copy_per_record(subject: ProbeSubject) -> Result:
    """Compare the peak memory of one record at 1 and at 100 series, which grows where all series are copied."""
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
    """Record a length equal to a bound and check its bucket."""
    subject.start().record(length=5)
    counted = subject.value("lengths_bucket", le="5")
    return counted == 0, f'a length of exactly 5: le="5" shows {counted:g}', {"le_5": counted}


def sum_falls(subject: ProbeSubject) -> Result:
    """Record zero lengths among others and count the decreases of the sum."""
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
    """Compare the sum of many values with their exact sum, rounded once."""
    subject.start()
    draw = random.Random(2)  # noqa: S311 - a workload, not a secret
    values = [draw.expovariate(1) for _ in range(2000)]
    for value in values:
        subject.record(time=value, length=None)
    actual, true = subject.value("times_sum"), float(sum(map(Fraction, values)))
    return actual != true, f"shown {actual!r}, true {true!r}", {"shown": actual, "true": true}


def negative_drops_line(subject: ProbeSubject) -> Result:
    """Record a negative latency, as after a clock step, and check whether the line is still counted."""
    logging.disable()
    subject.start().record()
    subject.record(time=-1.0)
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one with a negative latency: {counted:g} counted", {"counted": counted}


def nan_raises(subject: ProbeSubject) -> Result:
    """Record a NaN."""
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
    """Put a measure without a view before the others."""
    subject.start().record()
    mmap = subject.stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(measure.MeasureInt("unseen", "folded by no view"), 1)
    mmap.measure_int_put(LENGTH, 5)
    mmap.record(tagged("k"))
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one behind an unregistered measure: {counted:g} counted", {"counted": counted}


def twin_measure_ignored(subject: ProbeSubject) -> Result:
    """Record with a second measure object of the same name, type and unit, as two modules of a program may."""
    subject.start().record()
    mmap = subject.stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(measure.MeasureInt("length", "a length", "By"), 5)
    mmap.record(tagged("k"))
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one by an equal measure: {counted:g} counted", {"counted": counted}


def recorder_of_thread_lost(subject: ProbeSubject) -> Result:
    """Record with a recorder that is built in a new thread."""
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
    """Pass the quickstart's bounds as printed."""
    warnings = _Warnings()
    aggregation.DistributionAggregation([0, 25, 50])
    text = "; ".join(warnings.lines)
    return bool(warnings.lines), f"logged: {text}" if text else "nothing logged", {"logged": warnings.lines}


def _contend(subject: ProbeSubject, number: int, *, abreast: bool) -> dict[str, int]:
    """Create the same new series of a new measure in several threads; return records attempted, raised and shown.

    Threads that start each series together (`abreast`) meet in its creation; others meet where one copies the series
    while another creates one.
    """
    name, errors = f"try{number}", list[str]()
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
                errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The page shows a copy made by one record; a further record, without other threads, copies the final state.
    record("last")
    return {"attempted": _THREADS * _SERIES, "raised": len(errors), "shown": int(subject.shown(f"{name}_total")) - 1}


def _race(subject: ProbeSubject, shows: Callable[[dict[str, int]], bool], chance: Chance, *, abreast: bool) -> Result:
    """Try until a try `shows` the race, at most `chance.tries` times, which makes a miss unlikely."""
    subject.start()
    sys.setswitchinterval(1e-6)
    one: dict[str, int] = {}
    for number in range(chance.tries):
        one = _contend(subject, number, abreast=abreast)
        if shows(one):
            break
    tries, present = number + 1, shows(one)
    text = (
        f"{_THREADS} threads open {_SERIES} series, all the same ones: {one['attempted']} records attempted, "
        f"{one['raised']} raised, {one['shown']} shown"
    )
    evidence = f"{text} (try {tries})" if present else f"{text} in the last of them; {chance.text}"
    return present, evidence, {**one, "tries": tries, "miss": chance.miss}


def threads_raise(subject: ProbeSubject) -> Result:
    """Create the same new series in several threads, repeatedly, and count the errors of `record`."""
    return _race(subject, lambda one: one["raised"] > 0, RAISE, abreast=False)


def threads_lose(subject: ProbeSubject) -> Result:
    """Create the same new series in several threads and compare the page with the records attempted and returned."""
    return _race(
        subject,
        lambda one: one["shown"] not in {one["attempted"], one["attempted"] - one["raised"]},
        LOSE,
        abreast=True,
    )


def _scrape(subject: ProbeSubject, lines: list[int]) -> dict[str, float]:
    """Return the two counts of lines on a page, with further records between the writing of two families.

    `lines` has the number of lines recorded so far. A page is written family by family, as its reader consumes it.
    """
    counts: dict[str, float] = {}
    for family in subject.registry.collect():
        counts |= {
            sample.name: sample.value
            for sample in family.samples
            if sample.name.endswith(("times_count", "lines_total"))
        }
        before, give_up = lines[0], time.monotonic() + _PATIENCE_S
        while lines[0] < before + 2 and time.monotonic() < give_up:
            time.sleep(0)
    return counts


def torn_scrape(subject: ProbeSubject) -> Result:
    """Scrape while a thread records two measures together; on a torn page their counts differ."""
    subject.start().record()
    stop, lines = threading.Event(), [0]

    def work() -> None:
        while not stop.is_set():
            subject.record()
            lines[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    tries, counts = 0, {"": 0.0}
    try:
        while tries < TEAR.tries and len(set(counts.values())) == 1:
            counts = _scrape(subject, lines)
            tries += 1
    finally:
        stop.set()
        thread.join()
    torn = len(set(counts.values())) != 1
    values = ", ".join(f"{name} {value:g}" for name, value in sorted(counts.items()))
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
