"""Experiments on what a record does to the numbers."""

import logging
import math
import random
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from opencensus.stats import aggregation, measure
from opencensus.stats.stats_recorder import StatsRecorder

from harness.probe.subject import LENGTH, Subject, tagged

__all__ = ["RECORDING"]

Result = tuple[bool, str, dict[str, Any]]
Experiment = Callable[[Subject], Result]

_THREADS = 8
_SERIES = 40
_RACE_S = 3.0


class _Heard(logging.Handler):
    """Keeps the text of each warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def copy_per_record(subject: Subject) -> Result:
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


def exclusive_bound(subject: Subject) -> Result:
    """Record a length equal to a bound and see where it is counted."""
    subject.start().record(length=5)
    counted = subject.value("lengths_bucket", le="5")
    return counted == 0, f'a length of exactly 5: le="5" shows {counted:g}', {"le_5": counted}


def sum_falls(subject: Subject) -> Result:
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


def sum_inexact(subject: Subject) -> Result:
    """Compare the sum of many values with their true sum, rounded once."""
    subject.start()
    draw = random.Random(2)  # noqa: S311 - a workload, not a secret
    values = [draw.expovariate(1) for _ in range(2000)]
    for value in values:
        subject.record(time=value, length=None)
    shown, true = subject.value("times_sum"), float(sum(map(Fraction, values)))
    return shown != true, f"shown {shown!r}, true {true!r}", {"shown": shown, "true": true}


def negative_drops_line(subject: Subject) -> Result:
    """Record a negative latency, as a clock that steps back gives, and see whether the line is still counted."""
    logging.disable()
    subject.start().record()
    subject.record(time=-1.0)
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one with a negative latency: {counted:g} counted", {"counted": counted}


def nan_raises(subject: Subject) -> Result:
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


def unregistered_hides_rest(subject: Subject) -> Result:
    """Put a measure that no view folds before the others."""
    subject.start().record()
    mmap = subject.stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(measure.MeasureInt("unseen", "folded by no view"), 1)
    mmap.measure_int_put(LENGTH, 5)
    mmap.record(tagged("k"))
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one behind an unregistered measure: {counted:g} counted", {"counted": counted}


def twin_measure_ignored(subject: Subject) -> Result:
    """Record with a second measure object of the same name, type and unit, as two modules of a program make it."""
    subject.start().record()
    mmap = subject.stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(measure.MeasureInt("length", "a length", "By"), 5)
    mmap.record(tagged("k"))
    counted = subject.value("lines_total")
    return counted == 1, f"2 lines, one by an equal measure: {counted:g} counted", {"counted": counted}


def recorder_of_thread_lost(subject: Subject) -> Result:
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


def bound_zero_warns(_subject: Subject) -> Result:
    """Give the quickstart's bounds as printed."""
    heard = _Heard()
    aggregation.DistributionAggregation([0, 25, 50])
    said = "; ".join(heard.lines)
    return bool(heard.lines), f"logged: {said}" if said else "nothing logged", {"logged": heard.lines}


def _race(subject: Subject, found: Callable[[dict[str, int]], bool], *, abreast: bool) -> dict[str, int]:
    """Let threads open the same new series, round after round, until `found` or the time is up.

    Threads kept `abreast` meet where a series is opened; those that drift, where one copies while another opens.
    """
    subject.start()
    sys.setswitchinterval(1e-6)
    raised: list[str] = []
    result = {"attempted": 0, "raised": 0, "shown": 0, "rounds": 0}

    def work(go: threading.Barrier) -> None:
        for i in range(_SERIES):
            if abreast or not i:
                go.wait()
            try:
                subject.record(f"r{result['rounds']}-{i}", time=None)
            except RuntimeError as error:
                raised.append(str(error))

    give_up = time.monotonic() + _RACE_S
    while time.monotonic() < give_up and not found(result):
        go = threading.Barrier(_THREADS)
        threads = [threading.Thread(target=work, args=(go,)) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        result["rounds"] += 1
        result["attempted"] += _THREADS * _SERIES
        result["raised"] = len(raised)
        # The page is a copy that one record made; one more, alone, shows what all of them left behind.
        subject.record("last", time=None)
        result["shown"] = int(subject.total("lines_total")) - result["rounds"]
    return result


def _race_text(result: dict[str, int]) -> str:
    return (
        f"{_THREADS} threads open the same series: {result['attempted']} records attempted, {result['raised']} raised,"
        f" {result['shown']} shown ({result['rounds']} rounds)"
    )


def threads_raise(subject: Subject) -> Result:
    """Count the errors out of `record` while threads open new series."""
    result = _race(subject, lambda so_far: so_far["raised"] > 0, abreast=False)
    return result["raised"] > 0, _race_text(result), result


def _miscounted(result: dict[str, int]) -> bool:
    return result["shown"] not in {result["attempted"], result["attempted"] - result["raised"]}


def threads_lose(subject: Subject) -> Result:
    """Compare the page with what was attempted and what returned, while threads open the same new series."""
    result = _race(subject, _miscounted, abreast=True)
    return _miscounted(result), _race_text(result), result


def torn_scrape(subject: Subject) -> Result:
    """Scrape while a thread records two measures together; a torn page has a line more of one than of the other."""
    subject.start().record()
    sys.setswitchinterval(1e-5)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            subject.record()

    thread = threading.Thread(target=work)
    thread.start()
    torn, scrapes, example = 0, 0, ""
    try:
        while scrapes < 300 and not torn:
            # The page is made by the registry; HTTP would add nothing but time.
            found = {
                sample.name: sample.value
                for family in subject.registry.collect()
                for sample in family.samples
                if sample.name.endswith(("times_count", "lines_total"))
            }
            scrapes += 1
            if len(set(found.values())) > 1:
                torn += 1
                example = ", ".join(f"{name} {value:g}" for name, value in sorted(found.items()))
    finally:
        stop.set()
        thread.join()
    return (
        torn > 0,
        f"{torn} of {scrapes} scrapes torn" + f": {example}" * bool(example),
        {
            "torn": torn,
            "scrapes": scrapes,
        },
    )


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
