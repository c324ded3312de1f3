"""Faults of what is measured: it raises, exits, deadlocks, forks, leaks, or shows its page too slowly."""

import resource
import signal

from benchmarks.faults.fault import fault
from benchmarks.faults.trial import Trial, accounted

__all__ = ["SUBJECTS"]

# Instruments that record as prometheus-client does, with one defect each.
SUBJECTS = '''
import os, sys, threading, time
from harness.instruments.prometheus_client_ import PrometheusClientInstrument
from prometheus_client.registry import CollectorRegistry

class Right:
    def __init__(self, views):
        self.inner = PrometheusClientInstrument(views)
        self.registry, self.lines = self.inner.registry, 0
    def record(self, latency_ms, length_bytes, tags):
        self.lines += 1
        if self.lines % 100 == 0:
            self.fails()
        self.inner.record(latency_ms, length_bytes, tags)
    def fails(self):
        pass
    def close(self):
        self.inner.close()

class Raises(Right):
    def fails(self):
        raise KeyError("no such series")

class Exits(Right):
    def fails(self):
        os._exit(3)

class SysExits(Right):
    def fails(self):
        sys.exit(3)

class Deadlocks(Right):
    lock = threading.Lock()
    def fails(self):
        open("deadlocked", "w").close()
        self.lock.acquire()
        self.lock.acquire()

class Forks(Right):
    """Leaves a child that holds every descriptor for a few seconds, and then ends."""
    def fails(self):
        if self.lines == 100 and not os.fork():
            time.sleep(3)
            os._exit(0)

class ForksForEver(Right):
    def fails(self):
        if self.lines == 100 and not os.fork():
            time.sleep(3600)

class Leaks(Right):
    held = []
    def fails(self):
        self.held.append(bytearray(32 << 20))

class SlowPage(Right):
    def __init__(self, views):
        super().__init__(views)
        self.registry = CollectorRegistry()
        self.registry.register(self)
    def describe(self):
        return []
    def collect(self):
        if self.lines > 50:
            time.sleep(0.5)
        return self.inner.registry.collect()
'''
CLOSED = ("run", "--count", "1000", "--arrivals", "max", "--scraper", "none")
PAIRS = ("--budget", "2s")


def prepare(trial: Trial) -> None:
    """Put the subjects where every command starts."""
    trial.files["own.py"] = SUBJECTS


@fault(
    "subject-raises",
    "an instrument that raises on every hundredth line, in a run and in pairs",
    "exit code 1; the run is stored with what was raised; pairs end with one line",
)
def subject_raises(trial: Trial) -> str:
    prepare(trial)
    trial.run(*CLOSED, "--instrument", "own:Raises", codes={1})
    document = trial.newest()
    assert document["ledger"]["raised"] == {"KeyError": 10}, document["ledger"]
    pairs = trial.run("overhead", "--instruments", "own:Raises", *PAIRS, codes={1})
    return f"{accounted(document)}; pairs: exit code {pairs.process.returncode}"


@fault(
    "subject-exits",
    "an instrument that calls os._exit(3), in a scraped run and in pairs, and one that calls sys.exit(3)",
    "the run ends with the subject's code and leaves nothing; pairs end with one line",
)
def subject_exits(trial: Trial) -> str:
    prepare(trial)
    scraped = (*CLOSED[:-1], "builtin", "--instrument")
    trial.run(*scraped, "own:Exits", codes={3})
    polite = trial.run(*scraped, "own:SysExits", codes={1, 3})
    pairs = trial.run("overhead", "--instruments", "own:Exits", *PAIRS, codes={1})
    return f"sys.exit: code {polite.process.returncode}; pairs: code {pairs.process.returncode}"


@fault(
    "subject-deadlocks",
    "an instrument that waits for its own lock, in a run that is then terminated, and in pairs",
    "the run ends within 5 s of the signal, stored with the line as raised; pairs end by their own deadline",
    deadline_s=400,
)
def subject_deadlocks(trial: Trial) -> str:
    prepare(trial)
    with trial.running(*CLOSED, "--instrument", "own:Deadlocks", grace_s=10) as command:
        assert command.wait_for((command.folder / "deadlocked").exists, "deadlock"), command.told
        command.interrupt(signal.SIGTERM)
        assert command.ended(20) == 143, command.told
    document = trial.newest()
    assert document["interrupted"], "interrupted"
    assert document["ledger"]["offered"] == 100, document["ledger"]
    pairs = trial.run("overhead", "--instruments", "own:Deadlocks", *PAIRS, codes={1}, within_s=300)
    return f"{accounted(document)}; pairs: exit code {pairs.process.returncode}"


@fault(
    "subject-forks",
    "an instrument that forks children which outlive it, in a scraped run, with two workers and in pairs",
    "nothing waits for the children of a run; those of workers and of pairs are ended with them",
)
def subject_forks(trial: Trial) -> str:
    prepare(trial)
    run = ("run", "--count", "1000", "--arrivals", "max", "--scraper", "builtin", "--instrument")
    trial.run(*run, "own:Forks", codes={0, 1})
    observed = accounted(trial.newest())
    trial.run(*run, "own:ForksForEver", "--workers", "2", codes={0, 1})
    trial.run("overhead", "--instruments", "own:ForksForEver", *PAIRS, codes={0, 1, 3})
    return f"{observed}; exit codes {trial.codes}"


@fault(
    "subject-leaks",
    "an instrument that keeps 32 MiB of each hundredth line, until a limit of 2 GiB (RLIMIT_AS) is reached",
    "exit code 1; MemoryError is counted as raised, or told in one line; nothing is left",
)
def subject_leaks(trial: Trial) -> str:
    prepare(trial)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    run = ("run", "--count", "20000", "--arrivals", "max", "--scraper", "none", "--instrument", "own:Leaks")
    command = trial.run(*run, codes={1}, preexec_fn=limit)
    added = trial.added()
    return accounted(dict(added[-1].document)) if added else Trial.one_line(command)


@fault(
    "page-slower-than-interval",
    "a page that takes 0.5 s from the 50th line on, scraped each 0.1 s, by the built-in scraper and by Prometheus",
    "every line is accounted for; nothing waits for ever",
)
def page_slower_than_interval(trial: Trial) -> str:
    from benchmarks.faults.prometheus import need_prometheus

    prepare(trial)
    need_prometheus()
    run = ("run", "--duration", "2s", "--arrivals", "constant:rate=100", "--scrape-interval", "100ms", "--instrument")
    said = []
    for scraper in ("builtin", "prometheus"):
        trial.run(*run, "own:SlowPage", "--scraper", scraper, codes={0, 1})
        document = trial.newest()
        assert document["audit"]["conserved"] is not False, document["audit"]
        said.append(f"{scraper}: {accounted(document)}")
    return "; ".join(said)
