"""Faults of the machine: the wall clock is set, the processor is taken away, the scraper is stopped."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.faults.fault import fault
from benchmarks.faults.prometheus import SCRAPED, need_prometheus, sending
from benchmarks.faults.trial import Trial, accounted, pause

__all__ = ["RUN"]

RUN = ("run", "--duration", "3s", "--arrivals", "constant:rate=200", "--scrape-interval", "200ms")
BUILTIN = (*RUN, "--instrument", "prometheus-client", "--scraper", "builtin")


# In every Python process, before anything is imported: the wall clock with an offset in seconds that a file holds. The
# machine's own clock is not ours to set, time namespaces leave it alone, and under libfaketime 0.9.10 sleeping fails.
SEAM = """
import datetime, os, time
real, real_ns, path = time.time, time.time_ns, os.environ["HARNESS_FAULT_CLOCK"]
def offset():
    with open(path) as file:
        return float(file.read() or 0)
time.time = lambda: real() + offset()
time.time_ns = lambda: real_ns() + int(offset() * 1e9)
class datetime_(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = datetime_
"""
_DAYS_S = 2 * 86_400


def _seam(trial: Trial) -> Path:
    """Put the seam under every Python process, and return the file that sets its wall clock."""
    folder = trial.folder / "seam"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SEAM)
    clock = trial.folder / "clock"
    clock.write_text("0")
    os.environ |= {"HARNESS_FAULT_CLOCK": str(clock), "PYTHONPATH": str(folder)}
    return clock


def stepped(trial: Trial, offset_s: int) -> str:
    """Step the wall clock of a run, and of one with two workers, while lines are sent."""
    clock = _seam(trial)
    said = []
    for arguments in (BUILTIN, (*BUILTIN, "--workers", "2")):
        clock.write_text("0")
        with trial.running(*arguments) as command:
            sending(command)
            clock.write_text(str(offset_s))
            code = command.ended()
        assert code in {0, 1}, (code, command.told)
        document = trial.newest()
        assert document["audit"]["conserved"] is not False, document["audit"]
        assert document["ledger"]["offered"] == 600, document["ledger"]
        said.append(accounted(document))
    moments = [datetime.fromisoformat(each.created) for each in trial.added()]
    away = [abs(moment - datetime.now(UTC) - timedelta(seconds=offset_s)) < timedelta(hours=1) for moment in moments]
    assert any(away), f"the clock was not stepped: {moments}"
    return "; ".join(said)


@fault(
    "clock-forward",
    "the wall clock stepped forward by two days (seen by every Python process) in a run, and in one of two workers",
    "all 600 lines are sent and accounted for; the run is stored under the new date",
)
def clock_forward(trial: Trial) -> str:
    return stepped(trial, _DAYS_S)


@fault(
    "clock-back",
    "the wall clock stepped back by two days (seen by every Python process) in a run, and in one of two workers",
    "all 600 lines are sent and accounted for; the run is stored under the new date",
)
def clock_back(trial: Trial) -> str:
    return stepped(trial, -_DAYS_S)


def _group(trial: Trial, number: int) -> None:
    for process in trial.processes(""):
        try:
            process.send_signal(number)
        except Exception:  # noqa: S112 - it has ended meanwhile
            continue


@fault(
    "cpu-taken-away",
    "a run, its scraper and its Prometheus stopped five times for 0.4 s (SIGSTOP and SIGCONT, as cpulimit does)",
    "exit code 1: the run is INVALID since it missed its schedule, not slow; every line is accounted for",
)
def cpu_taken_away(trial: Trial) -> str:
    need_prometheus()
    for arguments in (BUILTIN, SCRAPED):
        with trial.running(*arguments) as command:
            sending(command)
            for _ in range(5):
                _group(trial, signal.SIGSTOP)
                pause(0.4)
                _group(trial, signal.SIGCONT)
                pause(0.1)
            code = command.ended()
        document = trial.newest()
        assert (code, document["verdict"]) == (1, "invalid"), (code, document["verdict"], command.told)
        assert document["audit"]["conserved"] is not False, document["audit"]
    return accounted(document)


@fault(
    "scraper-stopped",
    "SIGSTOP to the built-in scraper of a run while lines are sent",
    "exit code 1 after the audit's deadline; the run is stored and says that the store was not verified",
)
def scraper_stopped(trial: Trial) -> str:
    with trial.running(*BUILTIN) as command:
        sending(command)
        [scraper] = trial.processes("harness.scrape.builtin.process")
        scraper.send_signal(signal.SIGSTOP)
        code = command.ended()
    assert code == 1, (code, command.told)
    document = trial.newest()
    assert document["audit"]["conserved"] is not True, document["audit"]
    return accounted(document)


@fault(
    "scraper-stopped-in-pairs",
    "SIGSTOP to the Prometheus that scrapes pairs, as soon as it runs",
    "the measurement ends by its own deadlines, with an exit code it documents",
    deadline_s=400,
)
def scraper_stopped_in_pairs(trial: Trial) -> str:
    need_prometheus()
    arguments = ("overhead", "--instruments", "prometheus-client-cached", "--budget", "4s", "--scraped")
    with trial.running(*arguments) as command:
        assert command.wait_for(lambda: len(trial.processes("--storage.tsdb.path")) > 1, "Prometheus"), command.told
        for process in trial.processes("--storage.tsdb.path"):
            if "keeper.py" not in " ".join(process.cmdline()):
                process.send_signal(signal.SIGSTOP)
        code = command.ended(300)
    assert code in {0, 1, 3}, (code, command.told)
    return f"exit code {code}"
